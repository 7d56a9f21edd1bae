"""Ratios, records, history and verdicts on figures made up by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from speed_run import block, made_up_run, series

from comparison.check import failed_twice, judge
from comparison.entry import OURS, PEER
from comparison.history import append, both, latest_like, read_history
from comparison.ratios import ratio, times_as_fast
from comparison.record import clock_mhz
from edgessd.errors import InputError


def test_ratio_is_taken_round_by_round() -> None:
    found = ratio([10.0, 30.0, 40.0], [5.0, 10.0, 20.0])
    assert found is not None
    assert (found.median, found.low, found.high, found.rounds) == (2.0, 2.0, 3.0, 3)
    assert found.spread == 0.5


def test_rounds_that_one_of_both_lost_do_not_count() -> None:
    found = ratio([10.0, None, 40.0], [5.0, 10.0, None])
    assert found is not None
    assert (found.median, found.rounds) == (2.0, 1)
    assert ratio([None], [1.0]) is None


def test_a_busy_round_cancels() -> None:
    """The second round took the machine three times as long; the ratio stays."""
    first, other = series("a", OURS, block(1), block(3)), series("b", PEER, block(4), block(12))
    found = times_as_fast(first, other)
    assert found is not None
    assert found.median == pytest.approx(4)
    assert found.spread == pytest.approx(0)


def test_record_has_ratio_limit_share_and_end_to_end() -> None:
    ours, peer, broken = made_up_run()["entries"]
    assert ours["first_is_faster"]["median"] == 1
    assert peer["first_is_faster"] == {"median": 5.5, "low": 5.0, "high": 6.0, "rounds": 2}
    # 0.5 GMAC in 2 ms are 250 GMAC/s; the best kernel did 1 GMAC in 10 ms, 100 GMAC/s.
    assert ours["limit_share"] == pytest.approx(2.5)
    assert ours["stages_ms"]["inference"] == pytest.approx(0.8 * 3)
    assert ours["end_to_end"]["fps"] == 100
    assert ours["end_to_end"]["cpu_ms"] == 19
    assert ours["cpu_in_yardsticks"]["median"] == 8
    assert peer["end_to_end"]["first_is_faster"]["median"] == 2.5
    assert broken["failure"] == "ImportError: no nms"
    assert "fps" not in broken


def test_absent_peers_are_listed_with_what_they_need() -> None:
    assert made_up_run()["absent"] == [{"name": "absent", "missing": ["no_such_module"]}]


def test_history_keeps_runs_and_finds_the_like(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    assert read_history(path) == []
    run, full = made_up_run(), made_up_run() | {"quick": False}
    append(path, run)
    append(path, full)
    runs = read_history(path)
    assert len(runs) == 2
    found = latest_like(runs, run)
    assert found is not None
    assert found["quick"] is True
    elsewhere = run | {"machine": run["machine"] | {"cpu": "another"}}
    assert latest_like(runs, elsewhere) is None
    assert [now["name"] for now, _ in both(run, found)] == ["edgessd m int8, openvino", "peer"]


@pytest.mark.parametrize("text", ["{", "{}", '[{"format": 99}]', "[3]"])
def test_foreign_history_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "history.json"
    path.write_text(text)
    with pytest.raises(InputError, match="no history of runs"):
        read_history(path)


def test_history_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    path.write_text(json.dumps([made_up_run() | {"number": number} for number in range(50)]))
    append(path, made_up_run() | {"number": 50})
    assert [run["number"] for run in read_history(path)] == list(range(1, 51))


def test_check_passes_noise_and_fails_twice_the_cpu() -> None:
    stored = made_up_run()
    assert all(verdict.passed for verdict in judge(stored, stored))
    assert all(verdict.passed for verdict in judge(made_up_run(cpu_ms=5.0), stored))
    worse = [verdict for verdict in judge(made_up_run(cpu_ms=8.0), stored) if not verdict.passed]
    assert [verdict.name for verdict in worse] == ["edgessd m int8, openvino: CPU of a frame, in yardsticks"]


def test_check_ignores_the_clock() -> None:
    """Ten times the seconds with the same processor time is a busy machine, not a slower product."""
    assert all(verdict.passed for verdict in judge(made_up_run(ours_ms=20.0), made_up_run()))


def test_check_judges_the_pipelines_reach_on_a_quiet_machine_only() -> None:
    stored, now = made_up_run(), made_up_run()
    now["entries"][0]["end_to_end"]["free_share"] = 0.4  # stored: 1.0 of the free cores
    assert [verdict.passed for verdict in judge(now, stored) if "share" in verdict.name] == [False]
    now["entries"][0]["end_to_end"]["busy_elsewhere"] = 1.5
    assert [verdict for verdict in judge(now, stored) if "share" in verdict.name] == []


def test_only_what_fails_twice_fails() -> None:
    stored = made_up_run()
    bad, good = judge(made_up_run(cpu_ms=8.0), stored), judge(made_up_run(), stored)
    assert failed_twice(bad, good) == []
    assert len(failed_twice(bad, bad)) == 1


def test_clock_is_the_highest_of_the_cores(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("cpu MHz\t\t: 2400.000\nmodel name : x\ncpu MHz : 3100.5\n")
    assert clock_mhz(path) == 3100.5
    path.write_text("Hardware : ARM\n")
    assert clock_mhz(path) is None
    assert clock_mhz(tmp_path / "none") is None


def test_record_is_plain_json() -> None:
    text = json.dumps(made_up_run())
    assert json.loads(text)["entries"][0]["ms"]["median"] == 3.0
    assert not np.isnan(json.loads(text)["entries"][0]["end_to_end"]["limit_fps"])
