"""Published weights that a recipe or a person names: where they are fetched, and the bytes they must have."""

from pathlib import Path
from typing import NamedTuple

from edgessd.errors import InputError
from edgessd.util.files import file_sha256


class Published(NamedTuple):
    """A file of somebody's: its family for ``edgessd import``, its address and its SHA-256."""

    family: str
    url: str
    sha256: str


_PADDLE = "https://paddledet.bj.bcebos.com/deploy/third_engine"
PUBLISHED = {
    "picodet_s_320_coco.onnx": Published(
        "picodet",
        f"{_PADDLE}/picodet_s_320_coco.onnx",
        "d7852a1508b36bfc2739770ad52ff28bf81e219dc5c15dd7868d5ebdf007b6c8",
    ),
    "picodet_s_416_coco.onnx": Published(
        "picodet",
        f"{_PADDLE}/picodet_s_416_coco.onnx",
        "cdab77bdde16e4f76bec734c4e5791801d1739e4c7ec1995e0e110e04300d0c2",
    ),
}


def fetching(name: str) -> str | None:
    """Return how to get a file of this name, None where it is not a published one."""
    known = PUBLISHED.get(name)
    return None if known is None else f"download {known.url} (sha256 {known.sha256[:12]}...) there"


def check_published(path: Path) -> None:
    """Raise InputError when a file has a published one's name and not its bytes."""
    known = PUBLISHED.get(path.name)
    if known is not None and (digest := file_sha256(path)) != known.sha256:
        raise InputError(
            f"{path} is not the published file: its sha256 begins with {digest[:12]}, not {known.sha256[:12]}",
            fix=f"download {known.url} again, or rename it if it is meant to differ",
        )
