"""Foreign weights into our own networks, one module a family."""

from collections.abc import Callable, Mapping
from pathlib import Path

from edgessd.errors import InputError
from edgessd.util.suggestions import did_you_mean
from edgessd_training.checkpoint import Checkpoint
from edgessd_training.importers.picodet import import_picodet
from edgessd_training.importers.published import check_published, fetching
from edgessd_training.importers.qfgaohao import import_qfgaohao
from edgessd_training.importers.tfjs import import_tfjs
from edgessd_training.importers.tflite import import_tflite
from edgessd_training.importers.torchvision import import_torchvision
from edgessd_training.importers.vgg import import_amdegroot, import_lufficc

FAMILIES: Mapping[str, Callable[[Path, Path | None], Checkpoint]] = {
    "tflite": import_tflite,
    "tfjs": import_tfjs,
    "picodet": import_picodet,
    "torchvision": import_torchvision,
    "amdegroot": import_amdegroot,
    "lufficc": import_lufficc,
    "qfgaohao": import_qfgaohao,
}


def import_family(family: str, path: Path, labels_path: Path | None = None) -> Checkpoint:
    """Return the network that a foreign file holds, with its card. Raises InputError when it does not fit."""
    if family not in FAMILIES:
        raise InputError(f"unknown family {family!r}", fix=did_you_mean(family, FAMILIES))
    if path.exists():
        check_published(path)
    elif fix := fetching(path.name):
        raise InputError(f"no file at {path}", fix=fix)
    return FAMILIES[family](path, labels_path)
