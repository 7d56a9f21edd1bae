"""Zones and lines added, renamed and deleted in a configuration file: the rest of the file stays as it is."""

import copy
import json
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgessd.config import config_from
from edgessd.errors import InputError
from edgessd.util.files import replacing
from edgessd.util.outside_text import quoted
from edgessd.util.toml_table import parse_toml, read_toml

_STREAM = re.compile(r"[\s\ufeff]*\[\[\s*streams\s*\]\]")
_PART_OF_STREAM = re.compile(r"\s*\[{1,2}\s*streams\s*\.")
_NAMED_TABLE = re.compile(r"\s*\[{1,2}\s*[A-Za-z_\"']")  # not a row of a list over many lines
_NAME = re.compile(r"""(\s*name\s*=\s*)("(?:[^"\\]|\\.)*"|'[^']*')""")
KINDS = ("zones", "lines")


class ConfigEditor:
    """Changes one file. What was in it is kept beside it, as ``NAME.before-edit``."""

    def __init__(self, path: Path, *, may_write: bool) -> None:
        """may_write: whether ``write`` is allowed, or ``check`` alone."""
        self.path = path
        self.may_write = may_write
        self._one_at_a_time = threading.Lock()

    def check(self, stream: str, text: str) -> None:
        """Raise InputError where the file with this text added to a stream would not be accepted."""
        _ = self._with(stream, text)

    def write(self, stream: str, text: str) -> None:
        """Add a text such as ``[[streams.zones]]`` and its keys to a stream. Raises InputError; the file is whole."""
        self._replace(lambda: self._with(stream, text))

    def names(self, stream: str) -> dict[str, list[str]]:
        """Return the names of a stream's zones and lines in the file. Raises InputError."""
        content = read_toml(self.path, "configuration")
        table = content["streams"][_place_of(content, stream)]
        return {kind: [str(each.get("name")) for each in table.get(kind, [])] for kind in KINDS}

    def rename(self, stream: str, kind: str, name: str, to: str) -> None:
        """Give a zone or line another name; kind is "zones" or "lines". Raises InputError; the file is whole."""
        self._replace(lambda: self._renamed(stream, kind, name, to))

    def delete(self, stream: str, kind: str, name: str) -> None:
        """Delete a zone or line with the comments in it. Raises InputError; the file is whole."""
        self._replace(lambda: self._without(stream, kind, name))

    def _replace(self, changed: Callable[[], str]) -> None:
        if not self.may_write:
            raise InputError("the configuration is not to be edited", fix="start `edgessd run` with --edit")
        target = self.path.resolve()  # a link stays one
        with self._one_at_a_time:
            content = changed()
            with replacing(target) as unfinished:
                unfinished.chmod(target.stat().st_mode & 0o777)  # it may hold passwords
                unfinished.write_bytes(content.encode())
                shutil.copy2(target, target.with_name(f"{target.name}.before-edit"))

    def _with(self, stream: str, text: str) -> str:
        """Return the file's text with another one in it."""
        old = read_toml(self.path, "configuration")
        return self._checked(_inserted(self._text(), _place_of(old, stream), text), _expected(old, stream, text))

    def _renamed(self, stream: str, kind: str, name: str, to: str) -> str:
        wanted = read_toml(self.path, "configuration")
        place, number = _find(wanted, stream, kind, name)
        wanted["streams"][place][kind][number]["name"] = to
        lines = self._text().splitlines(keepends=True)
        start, end = _table(lines, place, kind, number)
        for index in range(start, end):
            if _NAME.match(lines[index]):
                lines[index] = _NAME.sub(lambda found: found[1] + json.dumps(to, ensure_ascii=False), lines[index], 1)
                break
        return self._checked("".join(lines), wanted)

    def _without(self, stream: str, kind: str, name: str) -> str:
        wanted = read_toml(self.path, "configuration")
        place, number = _find(wanted, stream, kind, name)
        tables = wanted["streams"][place][kind]
        del tables[number]
        if not tables:
            del wanted["streams"][place][kind]
        lines = self._text().splitlines(keepends=True)
        start, end = _table(lines, place, kind, number)
        if start and end > start and not lines[start - 1].strip():
            start -= 1  # the blank line before it
        return self._checked("".join([*lines[:start], *lines[end:]]), wanted)

    def _text(self) -> str:
        return self.path.read_bytes().decode()  # with its byte order mark, where it has one

    def _checked(self, after: str, wanted: dict[str, Any]) -> str:
        """Return the text. Raises InputError unless it says what is wanted, no more, and that is a configuration."""
        try:
            new = parse_toml(after.removeprefix("\ufeff"))
        except InputError:
            new = {}
        if new != wanted:
            raise InputError(f"{self.path.name} is written in a way that cannot be edited", fix="change it by hand")
        config_from(new)
        return after


def _place_of(content: dict[str, Any], stream: str) -> int:
    names = [table.get("name") for table in content.get("streams", [])]
    if stream not in names:
        raise InputError(f"the configuration has no stream {quoted(stream)}", fix="restart `edgessd run`")
    return names.index(stream)


def _find(content: dict[str, Any], stream: str, kind: str, name: str) -> tuple[int, int]:
    """Return the number of the stream and of its zone or line."""
    place = _place_of(content, stream)
    tables = content["streams"][place].get(kind, []) if kind in KINDS else []
    names = [table.get("name") for table in tables]
    if name not in names:
        raise InputError(f"the configuration has no such zone or line: {quoted(name)}", fix="load the page again")
    return place, names.index(name)


def _expected(content: dict[str, Any], stream: str, text: str) -> dict[str, Any]:
    """Return what the file should hold afterwards."""
    wanted = copy.deepcopy(content)
    for key, tables in parse_toml(text)["streams"].items():
        wanted["streams"][_place_of(content, stream)].setdefault(key, []).extend(tables)
    return wanted


def _inserted(content: str, place: int, text: str) -> str:
    """Return the content with a text at the end of the ``[[streams]]`` of that number, before its last blank lines."""
    lines = content.splitlines(keepends=True)
    start, end = _stream(lines, place)
    if start == end:
        return ""
    end = _last(lines, end)
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    return "".join([*lines[:end], "\n", text, *lines[end:]])


def _stream(lines: list[str], place: int) -> tuple[int, int]:
    """Return where the ``[[streams]]`` of that number begins and ends, the same line twice where it is not found."""
    starts = [index for index, line in enumerate(lines) if _STREAM.match(line)]
    if place >= len(starts):
        return 0, 0
    end = starts[place] + 1
    while end < len(lines) and not (_NAMED_TABLE.match(lines[end]) and not _PART_OF_STREAM.match(lines[end])):
        end += 1
    return starts[place], end


def _table(lines: list[str], place: int, kind: str, number: int) -> tuple[int, int]:
    """Return where a stream's zone or line of that number begins and ends, without the blank lines after it."""
    header = re.compile(rf"\s*\[\[\s*streams\s*\.\s*{kind}\s*\]\]")
    first, last = _stream(lines, place)
    starts = [index for index in range(first, last) if header.match(lines[index])]
    if number >= len(starts):
        return 0, 0
    end = starts[number] + 1
    while end < len(lines) and not _NAMED_TABLE.match(lines[end]):
        end += 1
    return starts[number], _last(lines, end)


def _last(lines: list[str], end: int) -> int:
    """Return the end without blank lines and comments before it: they belong to what follows."""
    while not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#"):
        end -= 1
    return end
