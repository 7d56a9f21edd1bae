"""A run as plain JSON values: what the table, the plots, the page, the history and the check all read."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from comparison.entry import OURS, Entry
from comparison.limits import LIMIT, YARDSTICK
from comparison.ratios import (
    Ratio,
    cpu_seconds,
    ratio,
    times_as_fast,
    times_as_fast_end_to_end,
    video_cpu_seconds,
)
from comparison.rounds import Plan, Series, median
from comparison.worker import Facts
from edgessd.bench.measure import machine, percentiles_ms
from edgessd.util.cores import usable_cores

FORMAT = 1
STAGES = ("resize", "inference", "postprocess")
PACKAGES = ("torch", "torchvision", "ultralytics", "onnxruntime", "openvino", "onnx")


def run_record(
    series: Sequence[Series], absent: Sequence[Entry], plan: Plan, video: str, *, quick: bool
) -> dict[str, Any]:
    """Return the run. The first entry of ``series`` is the one that the ratios are to."""
    first = series[0]
    yardstick = next((one for one in series if one.entry.name == YARDSTICK), None)
    rates = measured_rates(series)
    return {
        "format": FORMAT,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "quick": quick,
        "video": video,
        "plan": asdict(plan),
        "machine": machine_record(),
        "rates_gmac": rates,
        "first": first.entry.name,
        "entries": [entry_record(one, first, yardstick, rates) for one in series if one.entry.group != LIMIT],
        "absent": [{"name": entry.name, "missing": list(entry.missing)} for entry in absent],
    }


def entry_record(series: Series, first: Series, yardstick: Series | None, rates: dict[str, float]) -> dict[str, Any]:
    """Return one entry's figures; an entry that failed has its reason and no figures."""
    entry = series.entry
    record: dict[str, Any] = {
        "name": entry.name,
        "group": entry.group,
        "batch": entry.batch,
        "note": entry.note,
        "accuracy": asdict(entry.accuracy) if entry.accuracy else None,
        "failure": series.failure,
    }
    blocks = [block for block in series.blocks if block]
    if not blocks or series.facts is None:
        return record
    seconds = median([block.median for block in blocks])
    gmac = series.facts.gmac
    rate = rates.get(rate_name(series.facts))
    watts = [block.watts for block in blocks if block.watts is not None]
    return record | {
        "precision": series.facts.precision,
        "device": series.facts.device,
        "ms": percentiles_ms([value for block in blocks for value in block.seconds]) | {"median": _ms(seconds)},
        "fps": round(1 / seconds, 2),
        "stages_ms": _stages(series),
        "cpu_ms": _ms(median([block.cpu_seconds for block in blocks])),
        "rss_mb": round(max(block.rss_mb for block in blocks), 1),
        "watts": round(median(watts), 1) if watts else None,
        "gmac": round(gmac, 3) if gmac else None,
        # The least disturbed call against the best rate seen: what other processes took from either is not its fault.
        "limit_share": round(gmac / rate / min(min(block.seconds) for block in blocks), 3) if gmac and rate else None,
        "first_is_faster": _ratio(times_as_fast(first, series)),
        "first_needs_less_cpu": _ratio(ratio(cpu_seconds(series), cpu_seconds(first))),
        "cpu_in_yardsticks": _ratio(ratio(cpu_seconds(series), cpu_seconds(yardstick))) if yardstick else None,
        "end_to_end": _end_to_end(series, first, yardstick),
    }


def measured_rates(series: Sequence[Series]) -> dict[str, float]:
    """Return the best 10^9 multiply-accumulates a second that were seen, by precision."""
    rates: dict[str, float] = {}
    for one in series:
        blocks = [block for block in one.blocks if block]
        if one.entry.family == "rate" and one.facts and one.facts.gmac and blocks:
            rate = one.facts.gmac / min(min(block.seconds) for block in blocks)
            name = rate_name(one.facts)
            rates[name] = round(max(rate, rates.get(name, 0.0)), 1)
    return rates


def rate_name(facts: Facts) -> str:
    """Return under which name a rate is kept: the precision, and the device where it is not the CPU."""
    return facts.precision if facts.device == "cpu" else f"{facts.precision} {facts.device}"


def _stages(series: Series) -> dict[str, float]:
    rows = np.array([row for block in series.blocks if block for row in block.stages])
    return {stage: _ms(float(np.median(rows[:, column]))) for column, stage in enumerate(STAGES)}


def _end_to_end(series: Series, first: Series, yardstick: Series | None) -> dict[str, Any] | None:
    played = [one for one in series.played if one]
    if not played:
        return None
    cores = usable_cores()
    limits = [cores / one.cpu_seconds * one.frames for one in played]
    free = [max(0.0, cores - one.busy_elsewhere) for one in played]
    in_yardsticks = ratio(video_cpu_seconds(series), cpu_seconds(yardstick)) if yardstick else None
    return {
        "fps": round(median([one.fps for one in played]), 2),
        "best_fps": round(max(one.fps for one in played), 2),
        "cpu_ms": round(median([one.cpu_ms for one in played]), 3),
        "limit_fps": round(median(limits), 2),
        "limit_share": round(median([one.fps / limit for one, limit in zip(played, limits, strict=True)]), 3),
        # Of the cores that other processes left free during the block.
        "free_share": _free_share(played, free, cores),
        "busy_elsewhere": round(median([one.busy_elsewhere for one in played]), 2),
        "first_is_faster": _ratio(times_as_fast_end_to_end(first, series)),
        "first_needs_less_cpu": _ratio(ratio(video_cpu_seconds(series), video_cpu_seconds(first))),
        "cpu_in_yardsticks": _ratio(in_yardsticks),
        "stages": dict(played[-1].stages) if series.entry.group == OURS else {},
        "frames": sum(one.frames for one in played),
    }


def _free_share(played: Sequence[Any], free: Sequence[float], cores: int) -> float | None:
    shares = [one.fps * one.cpu_ms / 1e3 / left for one, left in zip(played, free, strict=True) if left > 0.1 * cores]
    return round(median(shares), 3) if shares else None


def _ratio(value: Ratio | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {name: round(number, 4) for name, number in asdict(value).items()}


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 4)


def machine_record() -> dict[str, Any]:
    """Return processor, cores, clocks, GPU, load and the versions of what computes."""
    found = machine()
    found["versions"] = found["versions"] | {name: has for name in PACKAGES if (has := _version(name))}
    return found | {
        "clock_mhz": clock_mhz(),
        "gpu": gpu_name(),
        "load": [round(value, 1) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "threads": "every entry on all cores, by its own defaults",
    }


def clock_mhz(cpuinfo: Path = Path("/proc/cpuinfo")) -> float | None:
    """Return the highest clock that a core runs at now, None where the system does not tell."""
    if not cpuinfo.exists():
        return None
    lines = [line for line in cpuinfo.read_text().splitlines() if line.lower().startswith("cpu mhz")]
    return max((float(line.split(":")[1]) for line in lines), default=None)


def gpu_name() -> str | None:
    """Return the first NVIDIA GPU's name, None where there is none."""
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.splitlines()[0].strip() if answer.stdout.strip() else None


def commit(folder: Path = Path(__file__).parent) -> str | None:
    """Return the checkout's commit, None outside a checkout."""
    try:
        command = ["git", "-C", str(folder), "rev-parse", "--short=12", "HEAD"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
