"""What ``edgessd detect`` may write: never over a source, never two results into one file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from edgessd.errors import EdgessdError, InputError
from edgessd.sources import IMAGE_SUFFIXES, Images, Source, VideoFile, parse_address, read_image
from edgessd.util.files import is_folder, status
from edgessd.util.overwrite import keep_apart


def check_outputs(sources: Sequence[str], model: Path, out: Path | None, jsonl: str | None) -> None:
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
