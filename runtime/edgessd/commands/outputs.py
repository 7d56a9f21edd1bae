"""What ``edgessd detect`` may write: never over a source, never two results into one file."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgessd.errors import InputError
from edgessd.sources import IMAGE_SUFFIXES, parse_address
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


def _files(source: str) -> list[Path]:
    path = Path(parse_address(source).target)
    if is_folder(path):
        return [file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
    return [path] if status(path) else []
