"""A board's figures where they are shown: bench, its JSON, and Prometheus."""

import json
import urllib.request
from pathlib import Path

import boards
import pytest

from edgessd.bench.measure import Synthetic, measure
from edgessd.detector import Detector
from edgessd.device.format import board_lines
from edgessd.device.machine import machine


def test_bench_on_a_board_and_elsewhere(tiny: Path, tmp_path: Path) -> None:
    with Detector(tiny) as detector:
        on_board = measure(Synthetic(), detector, frames=20, workers=1, root=boards.orin_nano(tmp_path / "orin"))
        elsewhere = measure(Synthetic(), detector, frames=20, workers=1, root=tmp_path / "empty")
        figures, without = on_board.as_json(detector), elsewhere.as_json(detector)
    assert figures["board"]["power_w"]["mean"] == 5.0
    assert figures["fps_per_watt"] == pytest.approx(on_board.fps / 5, abs=0.001)
    assert figures["board"]["throttled"] is True
    assert not {"board", "fps_per_watt"} & set(without)
    assert board_lines(elsewhere.board, elsewhere.fps_per_watt) == []
    json.dumps(figures)


def test_the_lines_of_bench() -> None:
    board = {
        "power_w": {"mean": 5.0, "min": 4.0, "max": 7.5},
        "power_of": "VDD_IN",
        "temperatures_c": {"cpu": 49.5, "gpu": 61.2},
        "clocks_mhz": {
            "gpu": {"mean": 600.0, "min": 306.0, "max": 624.8, "highest": 624.8, "hardware": 1020.0},
            "cpu": {"mean": 1510.0, "min": 1510.0, "max": 1510.0, "highest": 1510.0, "hardware": 1510.0},
        },
        "throttled_by": ["gpu-throttle-alert"],
        "over_current_events": {"oc1": 0, "oc3": 2},
        "throttled": True,
        "not_readable": ["/sys/x"],
    }
    assert board_lines(board, 12.0) == [
        "5.00 W mean, 7.50 W at most (VDD_IN), 12.00 FPS per watt",
        "61.2 degrees C at most (gpu)",
        "clocks: gpu 600 of 625 allowed, 1020 possible MHz, cpu 1510 of 1510 MHz",
        "throttled: yes (gpu-throttle-alert, oc3 2 times)",
        "not readable for this user: /sys/x",
    ]
    assert board_lines({"throttled": False}, None) == ["throttled: no"]


def test_the_machine_names_its_board(tmp_path: Path) -> None:
    found = machine(boards.thor(tmp_path))
    told = {key: found[key] for key in ("board", "l4t", "jetpack", "power_mode")}
    assert told == {
        "board": "NVIDIA Jetson AGX Thor Developer Kit",
        "l4t": "38.4.0",
        "jetpack": "7",
        "power_mode": "MAXN",
    }
    assert not {"board", "l4t", "jetpack", "power_mode"} & set(machine(tmp_path / "empty"))


def scraped(root: Path) -> list[str]:
    pytest.importorskip("prometheus_client")
    from edgessd.sinks.prometheus import Prometheus

    sink = Prometheus(("blue",), port=0, root=root)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics", timeout=5) as page:
            return [line for line in page.read().decode().splitlines() if line.startswith("edgessd_board")]
    finally:
        sink.close()


def test_prometheus_on_a_board(tmp_path: Path) -> None:
    lines = scraped(boards.orin_nano(tmp_path))
    for line in (
        'edgessd_board_power_watts{of="VDD_IN"} 5.0',
        'edgessd_board_rail_watts{rail="VDD_SOC"} 1.2',
        'edgessd_board_temperature_celsius{zone="tj"} 49.5',
        'edgessd_board_clock_hertz{clock="gpu"} 3.06e+08',
        'edgessd_board_clock_limit_hertz{clock="emc"} 2.133e+09',
        'edgessd_board_throttle_alert{alert="gpu-throttle-alert"} 1.0',
        'edgessd_board_over_current_events_total{input="oc3"} 37.0',
    ):
        assert line in lines
    assert not [line for line in lines if 'clock_hertz{clock="emc"}' in line]  # root alone may read it


def test_prometheus_tells_nothing_of_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert scraped(tmp_path) == []
