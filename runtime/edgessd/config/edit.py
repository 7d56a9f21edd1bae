"""Zones and lines added to a configuration file, as a person would: the rest of the file stays as it is."""

import copy
import re
import shutil
import threading
from pathlib import Path
from typing import Any

from edgessd.config import config_from
from edgessd.errors import InputError
from edgessd.util.files import replacing
from edgessd.util.outside_text import quoted
from edgessd.util.toml_table import parse_toml, read_toml

_STREAM = re.compile(r"[\s\ufeff]*\[\[\s*streams\s*\]\]")
_PART_OF_STREAM = re.compile(r"\s*\[{1,2}\s*streams\s*\.")
_TABLE = re.compile(r"\s*\[")


class ConfigEditor:
    """Adds to one file. What was in it is kept beside it, as ``NAME.before-edit``."""

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
        if not self.may_write:
            raise InputError("the configuration is not to be edited", fix="start `edgessd run` with --edit")
        target = self.path.resolve()  # a link stays one
        with self._one_at_a_time:
            content = self._with(stream, text)
            with replacing(target) as unfinished:
                unfinished.chmod(target.stat().st_mode & 0o777)  # it may hold passwords
                unfinished.write_bytes(content.encode())
                shutil.copy2(target, target.with_name(f"{target.name}.before-edit"))

    def _with(self, stream: str, text: str) -> str:
        """Return the file's text with another one in it. Raises InputError unless that adds what it says, no more."""
        old = read_toml(self.path, "configuration")
        before = self.path.read_bytes().decode()  # with its byte order mark, where it has one
        after = _inserted(before, _place_of(old, stream), text)
        try:
            new = parse_toml(after.removeprefix("\ufeff"))
        except InputError:
            new = {}
        if new != _expected(old, stream, text):
            raise InputError(
                f"{self.path.name} is written in a way that cannot be edited", fix="paste the text into it by hand"
            )
        config_from(new)
        return after


def _place_of(content: dict[str, Any], stream: str) -> int:
    names = [table.get("name") for table in content.get("streams", [])]
    if stream not in names:
        raise InputError(f"the configuration has no stream {quoted(stream)}", fix="restart `edgessd run`")
    return names.index(stream)


def _expected(content: dict[str, Any], stream: str, text: str) -> dict[str, Any]:
    """Return what the file should hold afterwards."""
    wanted = copy.deepcopy(content)
    for key, tables in parse_toml(text)["streams"].items():
        wanted["streams"][_place_of(content, stream)].setdefault(key, []).extend(tables)
    return wanted


def _inserted(content: str, place: int, text: str) -> str:
    """Return the content with a text at the end of the ``[[streams]]`` of that number, before its last blank lines."""
    lines = content.splitlines(keepends=True)
    starts = [index for index, line in enumerate(lines) if _STREAM.match(line)]
    if place >= len(starts):
        return ""
    end = starts[place] + 1
    while end < len(lines) and not (_TABLE.match(lines[end]) and not _PART_OF_STREAM.match(lines[end])):
        end += 1
    while not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#"):
        end -= 1
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    return "".join([*lines[:end], "\n", text, *lines[end:]])
