"""Zones and lines of a configuration: what is refused, what --check says, what a run writes."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgessd.config import config_from
from edgessd.errors import InputError
from edgessd.model.detections import no_detections
from edgessd.sinks.draw import draw
from edgessd.tracking import Line, Tracking, Zone
from edgessd.tracking.watch import Tracks, Watch
from edgessd.util.toml_table import parse_toml

Edgessd = Callable[..., tuple[int, str, str]]
TRIANGLE = "polygon = [[0.1, 0.1], [0.9, 0.1], [0.6, 0.9]]"
WATCHED = f"""
[[streams.zones]]
name = "yard"
{TRIANGLE}
classes = ["blue"]
inertia = 1
loiter = 10

[[streams.lines]]
name = "gate"
from = [0.0, 0.5]
to = [1, 0.5]
"""


def stream(rest: str, source: str = "0") -> str:
    return f'[[streams]]\nname = "door"\nsource = "{source}"\n{rest}'


def test_zones_and_lines_are_read_and_mean_tracks() -> None:
    config = config_from(parse_toml(stream(WATCHED)))
    wanted = config.tracking(config.streams[0])
    yard = Zone("yard", ((0.1, 0.1), (0.9, 0.1), (0.6, 0.9)), ("blue",), inertia=1, loiter=10)
    assert wanted == Tracking((yard,), (Line("gate", (0.0, 0.5), (1.0, 0.5)),))


def test_a_stream_says_for_itself_whether_it_is_tracked() -> None:
    streams = "".join(
        f'[[streams]]\nname = "{name}"\nsource = "{index}"\n{rest}\n'
        for index, (name, rest) in enumerate({"a": "", "b": "track = true", "c": "track = false"}.items())
    )
    off, on = (config_from(parse_toml(f"{streams}[run]\n{rest}")) for rest in ("", "track = true"))
    assert [off.tracking(each) is not None for each in off.streams] == [False, True, False]
    assert [on.tracking(each) is not None for each in on.streams] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WATCHED.replace("[0.6, 0.9]", "[1.5, 0.9]"), r"streams\[0\]\.zones\[0\]: zone 'yard': .* 0 to 1"),
        (WATCHED.replace(", [0.6, 0.9]", ""), "at least 3 points, got 2"),
        (WATCHED.replace("[0.6, 0.9]", "[0.1, 0.9], [0.9, 0.9]"), "cross"),
        (WATCHED.replace("[0.6, 0.9]", "[0.5]"), r"polygon\[2\] must be a list of 2, got 1"),
        (WATCHED.replace("to = [1, 0.5]", ""), r"lines\[0\] needs the key 'to'"),
        (WATCHED.replace("from", "frm"), "did you mean 'from'"),
        (WATCHED.replace("[1, 0.5]", "[0, 0.5]"), "starts and ends"),
        (WATCHED.replace("gate", "yard"), "two zones or lines are named 'yard'"),
        (WATCHED.replace("gate", "the gate"), "a line's name has"),
        (WATCHED.replace("loiter = 10", "loiter = -1"), "above 0"),
        (WATCHED.replace("inertia = 1", "inertia = 0"), "from 1"),
        ("track = false" + WATCHED, "need tracks"),
        (WATCHED + '[model]\nclasses = ["red"]', "'yard' waits for 'blue'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        config_from(parse_toml(stream(text)))


def test_check_lists_zones_and_lines_and_knows_the_model_s_classes(
    edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path
) -> None:
    file = tmp_path / "s.toml"
    file.write_text(stream(WATCHED, str(video)) + f'\n[model]\npath = "{tiny}"\n')
    code, out, _ = edgessd("run", file, "--check")
    assert (code, "tracked\n  zone yard: blue\n  line gate: all classes\n" in out) == (0, True)
    file.write_text(file.read_text().replace('"blue"', '"blu"'))
    for options in (("--check",), ()):
        code, _, err = edgessd("run", file, *options)
        assert (code, "stream door: 'yard': the model has no class 'blu'" in err) == (2, True)


def test_a_run_counts_and_draws(edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path) -> None:
    """The blue cell stands at the middle below, from the eleventh of twenty frames on."""
    file, lines = tmp_path / "s.toml", tmp_path / "o.jsonl"
    sinks = f'[[sinks]]\ntype = "jsonl"\npath = "{lines}"\n[[sinks]]\ntype = "video"\nfolder = "{tmp_path / "rec"}"\n'
    file.write_text(stream(WATCHED, str(video)) + f'\n[model]\npath = "{tiny}"\n{sinks}')
    assert edgessd("run", file)[0] == 0
    rows = [row for row in map(json.loads, lines.read_text().splitlines()) if "detections" in row]
    assert [row["zones"]["yard"].get("blue", 0) for row in rows] == [0] * 10 + [1] * 10
    assert rows[-1]["lines"] == {"gate": {"in": {}, "out": {}}}
    (recorded,) = {path for path in (tmp_path / "rec").iterdir() if "000001" in path.name}
    image = cv2.VideoCapture(str(recorded)).read()[1]
    assert image[24].max() > 60  # the line; the frame itself is black


def test_zones_lines_and_trails_are_drawn_where_they_are() -> None:
    zone = Zone("z", ((0.5, 0.5), (1.0, 0.5), (1.0, 1.0), (0.5, 1.0)))
    line = Line("l", (0.25, 0.2), (0.25, 0.9))
    black = np.zeros((240, 320, 3), np.uint8)
    drawn = draw(black, no_detections(), ("blue",), Tracks({}, (zone,), (line,), {"z": {"blue": 2}}, {"l": {}}))
    assert drawn[230, 300].any()  # inside the zone
    assert not drawn[230, 100].any()
    assert drawn[200, 80].any()  # on the line
    assert drawn[132, 70].any()  # the arrow to the right of the way down, which is the frame's left
    assert not drawn[132, 90].any()
    assert not black.any()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "yard"', 'name = "ADDRESS"'),
        ('name = "gate"', 'name = "ADDRESS"'),
        ('classes = ["blue"]', 'classes = ["ADDRESS"]'),
        ("\n[[streams.zones]]", 'tiles = "ADDRESS"\n[[streams.zones]]'),
        ("\n[[streams.zones]]", 'interval = "ADDRESS"\n[[streams.zones]]'),
    ],
)
def test_an_address_in_the_wrong_place_is_not_shown(old: str, new: str) -> None:
    text = WATCHED.replace(old, new.replace("ADDRESS", "rtsp://u:geheim@h/live"))
    assert text != WATCHED

    def begin() -> None:
        config = config_from(parse_toml(stream(text)))
        Watch(config.tracking(config.streams[0]) or Tracking(), ("blue",))

    with pytest.raises(InputError) as caught:
        begin()
    assert "geheim" not in str(caught.value)
