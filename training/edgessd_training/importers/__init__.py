"""Foreign weights into our own networks, one module a family."""

from pathlib import Path

from edgessd.errors import InputError
from edgessd_training.checkpoint import Checkpoint


def import_family(family: str, path: Path, labels_path: Path | None = None) -> Checkpoint:
    """Return the network that a foreign file holds, with its card. Raises InputError when it does not fit."""
    match family:
        case "tflite":
            from edgessd_training.importers.tflite import import_tflite

            return import_tflite(path, labels_path)
        case "tfjs":
            from edgessd_training.importers.tfjs import import_tfjs

            return import_tfjs(path, labels_path)
        case "picodet":
            from edgessd_training.importers.picodet import import_picodet

            return import_picodet(path, labels_path)
        case "torchvision":
            from edgessd_training.importers.torchvision import import_torchvision

            return import_torchvision(path, labels_path)
        case "amdegroot":
            from edgessd_training.importers.vgg import import_amdegroot

            return import_amdegroot(path, labels_path)
        case "lufficc":
            from edgessd_training.importers.vgg import import_lufficc

            return import_lufficc(path, labels_path)
        case "qfgaohao":
            from edgessd_training.importers.qfgaohao import import_qfgaohao

            return import_qfgaohao(path, labels_path)
        case _:
            raise InputError(
                f"unknown family {family!r}",
                fix="choose tflite, tfjs, picodet, torchvision, amdegroot, lufficc or qfgaohao",
            )
