"""Boards from trees of files as documented (see boards.py), and what is missing or may not be read."""

import os
import tempfile
import threading
import time
from pathlib import Path

import boards
import pytest

from edgessd.device import read_board
from edgessd.device.clocks import Clock
from edgessd.device.power import rails, total
from edgessd.device.power_mode import PowerMode, fastest, modes, power_mode
from edgessd.device.release import board_name, jetpack_of, l4t
from edgessd.device.sampler import Running, Sampler
from edgessd.device.text_tree import Tree


def test_an_orin_nano(tmp_path: Path) -> None:
    board = read_board(boards.orin_nano(tmp_path))
    assert board.rails == {"VDD_IN": 5.0, "VDD_CPU_GPU_CV": 1.5, "VDD_SOC": 1.2}
    assert board.power == (5.0, "VDD_IN")  # the other two are fed by it
    assert board.temperatures == {"cpu": 49.5, "gpu": 48.25, "soc0": 47.0, "tj": 49.5}
    assert board.clocks == {
        "gpu": Clock(306.0, 306.0, 624.75, 1020.0),
        "emc": Clock(None, None, 2133.0, None),
        "cpu": Clock(921.6, 729.6, 1510.4, 1728.0),
    }
    assert board.alerts == {"cpu-throttle-alert": 0, "gpu-throttle-alert": 1}  # neither the fan nor a clock's cap
    assert board.throttling == ("gpu-throttle-alert",)
    assert board.over_current == {"oc1": 0, "oc2": 15, "oc3": 37}


def test_an_agx_orin_counts_its_memory_once(tmp_path: Path) -> None:
    watts = rails(Tree(boards.agx_orin(tmp_path)))
    assert watts == {"VDD_GPU_SOC": 3.0, "VDD_CPU_CV": 2.0, "VIN_SYS_5V0": 5.0, "VDDQ_VDD2_1V8AO": 1.1}
    assert total(watts) == (10.0, "VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0")


def test_a_thor(tmp_path: Path) -> None:
    board = read_board(boards.thor(tmp_path))
    assert board.rails == {"VDD_GPU": 12.0, "VDD_CPU_SOC_MSS": 6.0, "VIN_SYS_5V0": 6.5, "VIN": 32.0}
    assert board.power == (32.0, "VIN")
    assert "gpu" not in board.temperatures
    assert board.clocks["gpu"] == Clock(1575.0, 1575.0, 1575.0, 1575.0)
    assert board.clocks["emc"] == Clock(4266.0, 4266.0, 4266.0, None)
    assert (board.clocks["gpu"].locked, board.clocks["gpu"].capped) == (True, False)
    assert board.throttling == ()
    assert set(board.as_json()) == {
        "power_w", "power_of", "rails_w", "temperatures_c", "clocks_mhz", "alerts", "over_current",
    }  # fmt: skip


def test_what_is_absent_is_absent_and_not_zero(tmp_path: Path) -> None:
    board = read_board(tmp_path)
    assert (board.power, board.as_json()) == (None, {})
    assert (board_name(Tree(tmp_path)), l4t(Tree(tmp_path)), power_mode(Tree(tmp_path))) == (None, None, None)


def test_a_rail_without_its_current_is_no_rail(tmp_path: Path) -> None:
    boards.orin_nano(tmp_path)
    (tmp_path / "sys/class/hwmon/hwmon1/curr2_input").unlink()
    (tmp_path / "sys/class/hwmon/hwmon1/curr3_input").write_text("unknown\n")
    assert rails(Tree(tmp_path)) == {"VDD_IN": 5.0}


def test_a_sensor_that_answers_again_later_is_absent(tmp_path: Path) -> None:
    """The kernel answers EAGAIN for a part that is off, as a pipe does that nobody has written to."""
    zone = boards.orin_nano(tmp_path) / "sys/class/thermal/thermal_zone1/temp"
    zone.unlink()
    os.mkfifo(zone)
    writer = os.open(zone, os.O_RDWR)
    late = threading.Timer(5, os.write, (writer, b"1000\n"))  # ends a read that waits: it fails and never hangs
    late.start()
    try:
        assert read_board(tmp_path).temperatures == {"cpu": 49.5, "soc0": 47.0, "tj": 49.5}
    finally:
        late.cancel()
        os.close(writer)


def test_a_file_that_may_not_be_read_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = boards.orin_nano(Path(folder))
        root.chmod(0o755)
        secret = root / "sys/kernel/nvpmodel_clk_cap/emc"
        secret.chmod(0)
        before = os.geteuid()
        if before == 0:
            os.seteuid(65534)  # root may read everything
        try:
            board = read_board(root)
        finally:
            os.seteuid(before)
        assert board.denied == ("/sys/kernel/nvpmodel_clk_cap/emc",)
        assert "emc" not in board.clocks
        assert board.as_json()["not_readable"] == ["/sys/kernel/nvpmodel_clk_cap/emc"]


@pytest.mark.parametrize(
    ("bounds", "locked", "capped"),
    [
        ((1.0, 1.0, 2.0, 2.0), False, False),
        ((1.0, 1.0, 1.0, 2.0), True, True),
        ((1.0, None, 1.0, None), None, None),
    ],
)
def test_clocks_locked_and_capped(bounds: tuple, *, locked: bool | None, capped: bool | None) -> None:
    clock = Clock(*bounds)
    assert (clock.locked, clock.capped) == (locked, capped)


def test_releases(tmp_path: Path) -> None:
    assert l4t(Tree(boards.orin_nano(tmp_path / "orin"))) == "36.4.3"
    assert l4t(Tree(boards.thor(tmp_path / "thor"))) == "38.4.0"
    assert board_name(Tree(tmp_path / "thor")) == "NVIDIA Jetson AGX Thor Developer Kit"
    assert [jetpack_of(release) for release in ("36.4.3", "38.4.0", "99.1", None)] == ["6", "7", None, None]


def test_power_modes(tmp_path: Path) -> None:
    tree = Tree(boards.orin_nano(tmp_path))
    assert power_mode(tree) == PowerMode(0, "15W")
    assert power_mode(tree, "NV Power Mode: MAXN_SUPER\n2\n") == PowerMode(2, "MAXN_SUPER")
    assert power_mode(tree, "something else") == PowerMode(0, "15W")
    assert fastest(modes(tree)) == PowerMode(2, "MAXN_SUPER")
    (tmp_path / "var/lib/nvpmodel/status").unlink()
    assert power_mode(tree) == PowerMode(1, "25W")  # nothing chosen yet: the catalogue's default


@pytest.mark.parametrize(
    ("names", "number"),
    [
        ({0: "MAXN", 1: "MODE_15W", 3: "MODE_50W"}, 0),
        ({0: "15W", 1: "7W"}, 0),
        ({0: "MAXN", 4: "MAXN_SUPER"}, 4),
        ({0: "10W", 1: "40W", 2: "25W"}, 1),
    ],
)
def test_the_fastest_mode_goes_by_name(names: dict[int, str], number: int) -> None:
    found = fastest(names)
    assert found is not None
    assert found.number == number
    assert fastest({}) is None


# A board watched while something runs.


def test_running_figures() -> None:
    running = Running()
    for value in (1.0, 2.0, 6.0):
        running.add(value)
    assert (running.mean, running.lowest, running.highest) == (3.0, 1.0, 6.0)


def test_a_run_counts_its_own_events_and_spreads(tmp_path: Path) -> None:
    boards.thor(tmp_path)
    with Sampler(tmp_path, interval=60) as sampler:
        sampler.restart()
        boards.write(
            tmp_path,
            {
                "sys/class/hwmon/hwmon6/power1_input": 64000000,
                "sys/class/hwmon/hwmon7/oc3_event_cnt": 815,
                "sys/class/devfreq/gpu-gpc-0/cur_freq": 945000000,
                "sys/class/thermal/thermal_zone0/temp": 99500,
            },
        )
        seen = sampler.summary()
    assert seen["power_w"] == {"mean": 48.0, "min": 32.0, "max": 64.0}
    assert seen["power_of"] == "VIN"
    assert seen["rails_w"]["VDD_GPU"] == 12.0
    assert seen["temperatures_c"]["tj"] == 99.5
    assert seen["clocks_mhz"]["gpu"] == {
        "mean": 1260.0,
        "min": 945.0,
        "max": 1575.0,
        "highest": 1575.0,
        "hardware": 1575.0,
    }
    assert seen["over_current_events"] == {"oc1": 0, "oc2": 0, "oc3": 2}
    assert seen["throttled"] is True
    assert "throttled_by" not in seen


def test_an_alert_between_the_ends_is_seen(tmp_path: Path) -> None:
    boards.thor(tmp_path)
    state = tmp_path / "sys/class/thermal/cooling_device1/cur_state"
    with Sampler(tmp_path, interval=0.01) as sampler:
        sampler.restart()
        assert sampler.summary()["throttled"] is False
        state.write_text("1\n")
        time.sleep(1)  # a hundred readings of the thread; summary() itself reads too
        state.write_text("0\n")
        seen = sampler.summary()
    assert (seen["throttled"], seen["throttled_by"]) == (True, ["gpu-throttle-alert"])


def test_a_machine_that_tells_nothing_is_not_watched(tmp_path: Path) -> None:
    import threading

    with Sampler(tmp_path) as sampler:
        assert not any(thread.name == "board" for thread in threading.enumerate())
        sampler.restart()
        assert sampler.summary() == {}
