"""Names of the files that the export package writes: the rest of the product knows a file by its suffix."""

from pathlib import Path

from edgessd.errors import InputError


def named(path: Path, suffix: str, what: str) -> Path:
    """Return a path that ends in a suffix. Raises InputError for another, which no verb would read."""
    if path.suffix != suffix:
        raise InputError(f"the name of {what} ends in {suffix}, got {path}", fix=f"write {path.with_suffix(suffix)}")
    return path
