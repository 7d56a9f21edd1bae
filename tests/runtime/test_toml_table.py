"""TOML to dataclasses: what does not fit is one line that names the place and never shows a secret."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest

from edgessd.errors import InputError
from edgessd.util.toml_table import Choice, Range, from_table, parse_toml, read_toml


@dataclass(frozen=True)
class Inner:
    rate: Annotated[float, Range(0, 1)] = 0.5


@dataclass(frozen=True)
class Everything:
    name: str
    count: Annotated[int, Range(0, 10)] | None = None
    plain: int = 0
    size: float = 1.0
    kind: Annotated[str, Choice(("16", "fast", "slow"))] = "fast"
    secret: Annotated[str, Choice(("a", "b"))] = field(default="a", repr=False)
    corner: tuple[int, int] = (0, 0)
    sizes: tuple[Annotated[int, Range(1, 9)], ...] = ()
    table: Mapping[str, Any] = field(default_factory=dict)
    path: Path = Path()
    inner: Inner = field(default_factory=Inner)


def test_every_kind_of_field_is_filled() -> None:
    text = """
    name = "x"
    count = 3
    size = 2
    kind = 16
    corner = [1, 2]
    sizes = [1, 9]
    table = {deep = [1, "a"]}
    path = "a/b"
    [inner]
    rate = 1
    """
    assert from_table(Everything, parse_toml(text)) == Everything(
        "x", 3, 0, 2.0, "16", "a", (1, 2), (1, 9), {"deep": [1, "a"]}, Path("a/b"), Inner(1.0)
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nam = 1", "has no key 'nam': did you mean 'name'"),
        ("count = 11", "count must be 0 to 10, got 11"),
        ("count = true", "count must be a whole number, got true or false"),
        (f"count = {'9' * 400}", "count must be 0 to 10, got a number beyond all use"),
        (f"plain = 0x{'f' * 4000}", "plain must be .* got a number beyond all use"),
        (f"size = 0x{'f' * 4000}", "size must be .* got inf"),
        ("size = inf", "size must be .* got inf"),
        ("size = nan", "size must be .* got nan"),
        ("size = 1e999", "size must be .* got inf"),
        (f"kind = 0x{'f' * 4000}", "kind must be a text, got a whole number"),
        ("kind = 'fst'", "kind must be one of 16, fast, slow, got 'fst': did you mean 'fast'"),
        ("corner = [1]", "corner must be a list of 2, got 1"),
        ("sizes = [1, 10]", r"sizes\[1\] must be 1 to 9, got 10"),
        ("inner.rate = 2", "inner.rate must be 0 to 1, got 2"),
        ("inner = 2", "inner must be a table of keys and values, got a whole number"),
        ("inner.rat = 2", "inner has no key 'rat'"),
        ("path = ''", "path must be a path, got an empty text"),
        ('path = "a\\u0000b"', "path must be a path, got a control character"),
        ("path = 'http://u:geheim@h'", "path must be a path, got an address"),
        ('kind = "a\\u0000b"', r"got 'a\\x00b'"),
        (f"path = 'd/{'n' * 256}'", "path has a name of over 255 bytes"),
        ("name = '${EDGESSD_NEVER_SET}'", "name uses .* which the environment does not set"),
        ("table = 1970-13-01", "no TOML"),
        (f"plain = {'9' * 4000}", "plain must be"),
        ('"\\u001b[2J" = 1', r"has no key '\\x1b\[2J'"),
    ],
)
def test_what_does_not_fit_is_one_line(line: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        from_table(Everything, parse_toml(f"{line}\nname = 'x'" if "name =" not in line else line))
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 50_000, "a = [\n" * 50_000, "a" + ".a" * 60_000 + " = 1", "a = 0." + "1" * 500_000, "a = 1\n" * 2],
)
def test_a_text_made_to_hurt_ends_soon(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(InputError) as caught:
        parse_toml(text)
    assert time.monotonic() - started < 2
    assert len(str(caught.value)) < 400


def test_what_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1 has over 4096 letters"):
        parse_toml("a = " + "9" * 4301)
    (tmp_path / "big.toml").write_text("# " + "x\n# " * 400_000)
    with pytest.raises(InputError, match="has more than 1000 kB"):
        read_toml(tmp_path / "big.toml", "configuration")


def test_notepads_byte_order_mark_is_read_and_other_encodings_are_told(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbf[a]\r\nb = 1\r\n")
    assert read_toml(path, "configuration") == {"a": {"b": 1}}
    path.write_bytes("a = 'Tür'".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8 at byte 6: save it as UTF-8"):
        read_toml(path, "configuration")


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESSD_TEST_SECRET", "geheim")
    for table in (
        {"secret": "geheim"},
        {"kind": "${EDGESSD_TEST_SECRET}"},
        {"count": "geheim"},
        {"kind": "http://u:geheim@h"},
    ):
        with pytest.raises(InputError) as caught:
            from_table(Everything, {"name": "x", **table})
        assert "geheim" not in str(caught.value)
