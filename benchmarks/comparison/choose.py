"""Which entries a run has, from what was asked for and what is installed."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comparison.entry import Accuracy, Entry
from comparison.limits import gpu, limit_entries
from comparison.ours import our_entries
from comparison.peers.bare import bare_entries
from comparison.peers.opencv_dnn import opencv_entries
from comparison.peers.picodet_models import picodet_entries
from comparison.peers.torch_ssd import torch_entries
from comparison.peers.torchvision_models import torchvision_entries
from comparison.peers.ultralytics_models import ultralytics_entries
from comparison.peers.yolo_2016 import yolo_entries
from comparison.prepare import DESCRIPTIONS, prepared
from edgessd.errors import InputError
from edgessd.model.shipped import model_path, shipped
from edgessd.util.extras import install_command

PEERS = ("bare", "opencv", "torch", "torchvision", "yolo2016", "picodet", "ultralytics")
QUICK_PEERS = ("bare", "opencv")
STAND_IN = "ssd_mobilenet_v1:int8"
VGG = "ssd300_vgg16"
TORCH_NETWORKS = ("ssd_mobilenet_v1", VGG)


def default_models(*, quick: bool) -> list[str]:
    """Return the shipped models, the default one first, and SSD300-VGG16 where it can be made."""
    names = [name for name in shipped() if gpu() or not name.endswith("_tensorrt")]
    names = sorted(names, key=lambda name: shipped()[name] != _default_path()) or [STAND_IN]
    if quick:
        return names[:1]
    if find_spec("torch") and find_spec("onnx"):
        names += [f"{VGG}:{precision}" for precision in (["fp32", "fp16"] if gpu() else ["int8", "fp32"])]
    return names


def _default_path() -> Path | None:
    try:
        return model_path("default")
    except InputError:
        return None


def model_files(names: Sequence[str], frames: NDArray[np.uint8], work: Path) -> list[Path]:
    """Return the files of models: paths, shipped names, or NETWORK:PRECISION made here with random weights.

    Raises InputError for a name that is none of them.
    """
    files = []
    for name in names:
        network, _, precision = name.partition(":")
        if network in DESCRIPTIONS and precision:
            files.append(prepared(network, precision, frames, work))
        else:
            files.append(model_path(name))
    return list(dict.fromkeys(files))


def entries_for(
    models: Sequence[Path],
    peers: Sequence[str],
    batches: Sequence[int],
    accuracy: dict[str, Accuracy],
    work: Path,
) -> tuple[list[Entry], list[Entry]]:
    """Return the entries that can run, ours first, and those that something missing keeps out.

    peers: groups of PEERS, or parts of the names of single ones.

    Raises InputError for a peer that does not exist.
    """
    found = our_entries(list(models), list(batches), accuracy)
    if not found:
        raise InputError("no backend is installed that runs these models", command=install_command("cpu,openvino"))
    groups = peer_groups(models, batches, work)
    names = [entry.name for members in groups.values() for entry in members]
    for wanted in peers:
        if wanted not in groups and not any(wanted.lower() in name.lower() for name in names):
            raise InputError(f"no peer {wanted!r}: choose all, none, {', '.join(PEERS)}, or a part of a peer's name")
    found += [
        entry
        for group, members in groups.items()
        for entry in members
        if group in peers or any(wanted.lower() in entry.name.lower() for wanted in peers if wanted not in groups)
    ]
    found += limit_entries()
    return [entry for entry in found if not entry.missing], [entry for entry in found if entry.missing]


def peer_groups(models: Sequence[Path], batches: Sequence[int], work: Path) -> dict[str, list[Entry]]:
    """Return the entries of every group of PEERS."""
    vgg = [model for model in models[1:] if VGG in model.name and "int8" in model.name]
    return {
        "bare": [entry for model in [models[0], *vgg] for entry in bare_entries(model)],
        "opencv": opencv_entries(list(models)),
        "torch": torch_networks(batches),
        "torchvision": torchvision_entries(),
        "yolo2016": yolo_entries(),
        "picodet": picodet_entries(),
        "ultralytics": ultralytics_entries(work),
    }


def torch_networks(batches: Sequence[int]) -> list[Entry]:
    """Return our networks in PyTorch: on a GPU every way there is, on a CPU what a person would wait for."""
    light, heavy = ({name: DESCRIPTIONS[name]} for name in TORCH_NETWORKS)
    if gpu():
        return torch_entries(light | heavy, list(batches), ["fp32", "fp16"], compiled=True)
    return [*torch_entries(light, [1], ["fp32"], compiled=True), *torch_entries(heavy, [1], ["fp32"], compiled=False)]
