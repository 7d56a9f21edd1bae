"""``--check``: have our own figures become worse, compared with the stored run? Ratios alone, never seconds.

Processor time in units of a fixed piece of work that runs in the same rounds: it hardly changes when other
processes take the cores, where the time on the clock may grow tenfold. What waiting costs (a lock, a core left
idle) is not in it, so the pipeline's share of the free cores is judged too, where the machine was quiet enough.
"""

from dataclasses import dataclass
from typing import Any

from comparison.entry import OURS
from comparison.history import both

# Runs of one commit on a machine with other work differed by up to 25 %: caches and hyperthreads are shared.
CPU_MARGIN = 0.5
REACH_MARGIN = 0.35
QUIET = 0.25  # cores that others may use while the reach is judged


@dataclass(frozen=True)
class Verdict:
    """One comparison. now, before, allowed: the figure, the stored one, and the worst that passes."""

    name: str
    now: float
    before: float
    allowed: float
    passed: bool

    def __str__(self) -> str:
        word = "ok" if self.passed else "WORSE"
        return f"{word:5} {self.name}: {self.now:.2f}, stored {self.before:.2f}, allowed {self.allowed:.2f}"


def judge(run: dict[str, Any], stored: dict[str, Any]) -> list[Verdict]:
    """Return a verdict for every figure of ours that both runs have."""
    verdicts = []
    for now, before in both(run, stored):
        if now["group"] != OURS:
            continue
        verdicts += _cpu(f"{now['name']}: CPU of a frame", now["cpu_in_yardsticks"], before["cpu_in_yardsticks"])
        played, stored_play = now.get("end_to_end"), before.get("end_to_end")
        if played and stored_play:
            verdicts += _cpu(
                f"{now['name']}: CPU of a frame of video", played["cpu_in_yardsticks"], stored_play["cpu_in_yardsticks"]
            )
            verdicts += _reach(now["name"], played, stored_play)
    return verdicts


def _cpu(name: str, now: dict[str, float] | None, before: dict[str, float] | None) -> list[Verdict]:
    if not now or not before:
        return []
    allowed = before["median"] * (1 + CPU_MARGIN)
    # The best of the rounds: noise only adds.
    return [Verdict(f"{name}, in yardsticks", now["low"], before["median"], allowed, now["low"] <= allowed)]


def _reach(name: str, now: dict[str, Any], before: dict[str, Any]) -> list[Verdict]:
    quiet = all(run["busy_elsewhere"] <= QUIET for run in (now, before))
    if not quiet or now["free_share"] is None or before["free_share"] is None:
        return []
    allowed = before["free_share"] * (1 - REACH_MARGIN)
    share = now["free_share"]
    return [Verdict(f"{name}: share of the free cores", share, before["free_share"], allowed, share >= allowed)]


def failed_twice(first: list[Verdict], second: list[Verdict]) -> list[Verdict]:
    """Return the verdicts of the second run that failed in both: what a single spell of noise did is forgiven."""
    names = {verdict.name for verdict in first if not verdict.passed}
    return [verdict for verdict in second if not verdict.passed and verdict.name in names]
