"""What ``edgessd detect`` may write, never over a source, never two results into one file; and its live page."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edgessd.errors import EdgessdError, InputError
from edgessd.sources import IMAGE_SUFFIXES, Images, Source, VideoFile, parse_address, read_image
from edgessd.util.files import is_folder, status
from edgessd.util.outside_text import quoted
from edgessd.util.overwrite import keep_apart

if TYPE_CHECKING:
    from edgessd.view import View, ViewSettings


def check_outputs(sources: Sequence[str], model: Path | None, out: Path | None, jsonl: str | None) -> None:
    """Raise InputError where --out or --jsonl would replace a source, its images or the model."""
    files = [file for source in sources for file in _files(source)]
    keep_apart({"--out": out, "--jsonl": jsonl}, [*files, model])
    if out is None or out.suffix:
        return
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    if any(file.resolve().parent == out.resolve() for file in images):
        raise InputError(f"--out {out} holds the source's images, which would be lost", fix="write to another folder")
    names = Counter(file.name if file in images else file.stem for file in files)
    name, count = names.most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise InputError(
            f"{count} sources are called {name}, --out {out} would keep one of them", fix="run them one by one"
        )


def check_one_size(sources: Sequence[Source]) -> None:
    """Raise InputError where videos and images that are to become one video differ in size: before any is detected."""
    first: tuple[str, tuple[int, int]] | None = None
    for name, size_wh in chain.from_iterable(map(_sizes_wh, sources)):
        first = first or (name, size_wh)
        if size_wh != first[1]:
            (before, (width, height)), (wide, high) = first, size_wh
            raise InputError(
                f"{before} has {width}x{height} pixels and {name} {wide}x{high}, a video has one size",
                fix="give --out a folder, or run them one by one",
            )


def _sizes_wh(source: Source) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the names and sizes of a source's parts where they are known before it is read."""
    if isinstance(source, VideoFile) and source.size_wh is not None:
        yield source.name, source.size_wh
    elif isinstance(source, Images):
        for path in source.paths:
            with suppress(EdgessdError):  # a damaged image is told when its turn comes
                height, width = read_image(path).shape[:2]
                yield path.name, (width, height)


def _files(source: str) -> list[Path]:
    path = Path(parse_address(source).target)
    if is_folder(path):
        return [file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
    return [path] if status(path) else []


def view_settings(place: str | None) -> "ViewSettings":
    """Return where ``--view-at ADDRESS:PORT`` serves the live page. Raises InputError.

    Its password, which other addresses than 127.0.0.1 need, is the environment's.
    """
    from edgessd.view.settings import PASSWORD_VARIABLE, ViewSettings, is_loopback

    address, _, port = (place or "127.0.0.1:8080").rpartition(":")
    address = address.strip("[]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65535:
        raise InputError(f"--view-at is ADDRESS:PORT, got {quoted(place or '')}", fix="write 127.0.0.1:8080")
    variable = PASSWORD_VARIABLE if os.environ.get(PASSWORD_VARIABLE) else None
    if variable is None and not is_loopback(address):
        raise InputError(
            f"other machines can reach {address}, and the live page has no password",
            fix=f"export {PASSWORD_VARIABLE}=..., or serve it on 127.0.0.1",
        )
    settings = ViewSettings(address=address, port=int(port), password_env=variable)
    settings.check()
    return settings


def open_view(stack: ExitStack, settings: "ViewSettings", labels: tuple[str, ...], names: list[str]) -> "View":
    """Return the live page, closed with the stack; say where it is."""
    from edgessd.view import View

    view = View(settings, labels, names)
    stack.callback(view.close)
    typer.echo(f"live page: {view.url}", err=True)
    return view
