"""Zones and lines drawn on the live page: their text, its check, and the file it is written into."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from results import LABELS, result

from edgessd.config import read_config
from edgessd.config.edit import ConfigEditor
from edgessd.errors import InputError
from edgessd.util.toml_table import parse_toml
from edgessd.view.regions import region_text

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from edgessd.view import View, ViewSettings

SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
ZONE = {"kind": "zone", "name": "yard", "points": SQUARE}
GATE = {"kind": "line", "name": "gate", "points": [[0, 0.5], [1, 0.5]]}
FILE = """\
# Two cameras.
[model]
path = "default"

[[streams]]
name = "door"  # the front
source = "rtsp://admin:${DOOR_PASSWORD}@10.0.0.5/live"

  [[streams.zones]]
  name = "step"
  polygon = [[0, 0], [1, 0], [1, 1]]

# The second one.
[[streams]]
name = "gate"
source = "gate.mp4"
"""
TEXT = '[[streams.zones]]\nname = "yard"\npolygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]\n'


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOOR_PASSWORD", "geheim")
    path = tmp_path / "c.toml"
    path.write_text(FILE)
    path.chmod(0o600)
    return path


def test_a_zone_and_a_line_as_text() -> None:
    text = region_text({**ZONE, "classes": ["red"], "loiter": 20, "inertia": 5}, LABELS)
    assert parse_toml(text)["streams"]["zones"] == [
        {"name": "yard", "polygon": SQUARE, "loiter": 20, "classes": ["red"], "inertia": 5}
    ]
    text = region_text({"kind": "line", "name": "gate-2", "points": [[0, 0.123456], [1, 1]]}, LABELS)
    assert text == '[[streams.lines]]\nname = "gate-2"\nfrom = [0.0, 0.1235]\nto = [1.0, 1.0]\n'


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"points": SQUARE[:2]}, "at least 3 points"),
        ({"points": [[0, 0], [1, 1], [1, 0], [0, 1]]}, "cross"),
        ({"points": [[0, 0], [1, 0], [1, 1.5]]}, "0 to 1"),
        ({"points": [[0, 0], [1, 0], [1]]}, "two numbers"),
        ({"points": [[0, 0], [1, 0], "ab"]}, "two numbers"),
        ({"points": [[0, 0], [1, 0], [1, 10**400]]}, "0 to 1"),
        ({"points": [[0, 0], [1, 0], [True, 1]]}, "0 to 1"),
        ({"points": "x"}, "a list"),
        ({"points": [[0, 0]] * 500}, "at most 200"),
        ({"name": ""}, "at most 100 letters"),
        ({"name": "a\n[view]"}, "at most 100 letters"),
        ({"name": 3}, "a name is a text"),
        ({"classes": ["cat"]}, "no class 'cat'"),
        ({"loiter": -1}, "loiter must be a number"),
        ({"loiter": "x"}, "loiter must be a number"),
        ({"loiter": 10**400}, "loiter must be a number"),
        ({"loiter": True}, "loiter must be a number"),
        ({"inertia": True}, "inertia must be a whole number"),
        ({"classes": 5}, "classes must be a list"),
        ({"classes": "cat"}, "classes must be a list"),
        ({"classes": [5]}, "a name is a text"),
        ({"inertia": -1}, "from 1"),
        ({"inertia": 0}, "from 1"),
        ({"kind": "line", "points": SQUARE[:2], "loiter": 5}, "nobody loiters on a line"),
        ({"kind": "line"}, "2 points, got 4"),
        ({"kind": "line", "points": [[0, 0], [0, 0]]}, "two points"),
    ],
)
def test_what_cannot_be_a_zone(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        region_text({**ZONE, **change}, LABELS)


@pytest.mark.parametrize("stream", ["door", "gate"])
def test_a_zone_is_written_under_its_stream_and_nothing_else_changes(config: Path, stream: str) -> None:
    ConfigEditor(config, may_write=True).write(stream, TEXT)
    after = config.read_text()
    assert after.replace(f"\n{TEXT}", "", 1) == FILE
    zones = {each.name: [zone.name for zone in each.zones] for each in read_config(config).streams}
    assert zones == {"door": ["step", *["yard"] * (stream == "door")], "gate": ["yard"] * (stream == "gate")}
    assert config.with_name("c.toml.before-edit").read_text() == FILE
    assert config.stat().st_mode & 0o777 == 0o600
    assert config.with_name("c.toml.before-edit").stat().st_mode & 0o777 == 0o600
    assert "geheim" not in after


def test_a_zone_is_renamed_and_nothing_else_changes(config: Path) -> None:
    editor = ConfigEditor(config, may_write=True)
    editor.rename("door", "zones", "step", "front-step")
    assert config.read_text() == FILE.replace('name = "step"', 'name = "front-step"')
    assert editor.names("door") == {"zones": ["front-step"], "lines": []}


def test_a_zone_is_deleted_and_what_was_around_it_stays(config: Path) -> None:
    editor = ConfigEditor(config, may_write=True)
    rest = (
        config.read_text()
        .replace("step", "a")
        .replace("[[0, 0], [1, 0], [1, 1]]", "[\n    [0, 0],\n    [1, 0], [1, 1],\n]")
    )
    config.write_text(rest)
    for stream, text in (("door", TEXT), ("gate", TEXT), ("door", region_text(GATE, LABELS))):
        editor.write(stream, text)
    whole = config.read_text()
    assert editor.names("door") == {"zones": ["a", "yard"], "lines": ["gate"]}
    editor.delete("door", "zones", "yard")
    assert config.read_text() == whole.replace(f"\n{TEXT}", "", 1)
    assert config.with_name("c.toml.before-edit").read_text() == whole
    editor.delete("door", "zones", "a")
    editor.delete("door", "lines", "gate")
    editor.delete("gate", "zones", "yard")
    assert config.read_text() == FILE.replace(FILE[FILE.index("\n  [[streams") : FILE.index("\n# The second")], "")
    assert editor.names("door") == editor.names("gate") == {"zones": [], "lines": []}


def test_what_is_not_there_or_would_be_refused_is_not_changed(config: Path) -> None:
    editor = ConfigEditor(config, may_write=True)
    editor.write("door", TEXT)
    before = config.read_text()
    for kind, name in (("zones", "nowhere"), ("lines", "step"), ("source", "step")):
        with pytest.raises(InputError, match="no such zone"):
            editor.delete("door", kind, name)
    with pytest.raises(InputError, match="named 'step'"):
        editor.rename("door", "zones", "yard", "step")
    with pytest.raises(InputError, match="100 letters"):
        editor.rename("door", "zones", "yard", "a\nb")
    with pytest.raises(InputError, match="--edit"):
        ConfigEditor(config, may_write=False).delete("door", "zones", "step")
    assert config.read_text() == before


def test_inline_tables_are_left_to_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    zone = '{name = "a", polygon = [[0, 0], [1, 0], [1, 1]]}'
    path.write_text(content := f'[[streams]]\nname = "door"\nsource = "a.mp4"\nzones = [{zone}]\n')
    editor = ConfigEditor(path, may_write=True)
    for change in (lambda: editor.delete("door", "zones", "a"), lambda: editor.rename("door", "zones", "a", "b")):
        with pytest.raises(InputError, match="by hand"):
            change()
    assert path.read_text() == content


def test_check_writes_nothing(config: Path) -> None:
    editor = ConfigEditor(config, may_write=False)
    editor.check("door", TEXT)
    with pytest.raises(InputError, match="--edit"):
        editor.write("door", TEXT)
    assert config.read_text() == FILE
    assert [path.name for path in config.parent.iterdir()] == ["c.toml"]


def test_what_the_reader_refuses_is_not_written(config: Path) -> None:
    editor = ConfigEditor(config, may_write=True)
    with pytest.raises(InputError, match="named 'step'"):
        editor.write("door", TEXT.replace("yard", "step"))
    with pytest.raises(InputError, match="no stream 'yard'"):
        editor.write("yard", TEXT)
    assert config.read_text() == FILE


@pytest.mark.parametrize(
    "content",
    [
        'streams = [{name = "door", source = "a.mp4"}]\n',
        '[[streams]]\nname = "door"\nsource = "a.mp4"\nzones = []\n',
        'model.path = """\n[[streams]]\n"""\n[[streams]]\nname = "door"\nsource = "a.mp4"\n',
    ],
)
def test_a_file_written_in_another_way_stays_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(content)
    with pytest.raises(InputError, match="by hand"):
        ConfigEditor(path, may_write=True).write("door", TEXT)
    assert path.read_text() == content


def test_a_link_windows_line_ends_and_a_byte_order_mark_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "link.toml"
    real.write_bytes(b'\xef\xbb\xbf[[streams]]\r\nname = "door"\r\nsource = "a.mp4"')
    link.symlink_to(real)
    ConfigEditor(link, may_write=True).write("door", TEXT)
    assert link.is_symlink()
    assert real.read_bytes().startswith(b'\xef\xbb\xbf[[streams]]\r\nname = "door"\r\n')
    assert [zone.name for zone in read_config(real).streams[0].zones] == ["yard"]


@pytest.fixture
def view(config: Path) -> Iterator[View]:
    shown = View(ViewSettings(port=0), LABELS, ["door"], editor=ConfigEditor(config, may_write=True))
    shown.write(result(0))
    yield shown
    shown.close()


def post(view: View, body: object, place: str = "/api/regions", **headers: str) -> tuple[int, dict[str, object]]:
    connection = HTTPConnection("127.0.0.1", view.port, timeout=20)
    origin = {"Origin": f"http://127.0.0.1:{view.port}"}
    connection.request("POST", place, json.dumps(body), origin | headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content) if answer.status in (200, 422) else {}


def test_the_page_checks_and_writes(view: View, config: Path) -> None:
    code, told = post(view, {**ZONE, "camera": "door"})
    assert (code, told["written"]) == (200, False)
    assert config.read_text() == FILE
    code, again = post(view, {**ZONE, "camera": "door", "write": True})
    assert (code, again["written"], again["text"]) == (200, True, told["text"])
    assert str(told["text"]) in config.read_text()
    code, told = post(view, {**ZONE, "camera": "door", "write": True})
    assert (code, "yard" in str(told["error"])) == (422, True)
    for body in (3, [], {"camera": "nowhere", **ZONE}, {"kind": "zone"}):
        assert post(view, body)[0] == 422


def change(view: View, **asked: object) -> tuple[int, dict[str, object]]:
    return post(view, {"camera": "door", **asked}, place="/api/regions/change")


def test_the_page_renames_and_deletes(view: View, config: Path) -> None:
    assert change(view) == (200, {"zones": ["step"], "lines": []})
    assert change(view, do="rename", kind="zones", name="step", to="stairs") == (
        200,
        {"zones": ["stairs"], "lines": []},
    )
    assert change(view, do="delete", kind="zones", name="step")[0] == 422
    assert config.read_text() == FILE.replace('name = "step"', 'name = "stairs"')
    assert change(view, do="delete", kind="zones", name="stairs") == (200, {"zones": [], "lines": []})
    assert "stairs" not in config.read_text()
    assert change(view, camera="nowhere")[0] == 422


def test_another_site_writes_nothing(view: View, config: Path) -> None:
    assert post(view, {**ZONE, "camera": "door", "write": True}, Origin="http://evil.example")[0] == 403
    assert config.read_text() == FILE


def test_without_a_file_there_is_text_alone() -> None:
    shown = View(ViewSettings(port=0), LABELS, ["door"])
    try:
        assert post(shown, {**ZONE, "camera": "door", "write": True})[1]["written"] is False
    finally:
        shown.close()
