"""A checkpoint: the network's description, its weights and its card in one file, loaded without pickle."""

import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgessd.errors import CardError, InputError
from edgessd.model.card import METADATA_KEY, ModelCard, loads
from edgessd.model.onnx_metadata import read_metadata
from edgessd.util.files import readable, replacing
from edgessd_training.networks import build
from edgessd_training.networks.ssd import SSD

FORMAT = 1
ARCHIVE_SLACK = 1 << 20
FOREIGN = {
    ".onnx": "an ONNX file",
    ".engine": "a TensorRT engine",
    ".plan": "a TensorRT engine",
    ".tflite": "a TFLite file",
    ".xml": "an OpenVINO model",
    ".safetensors": "a safetensors file",
}


@dataclass(frozen=True)
class Checkpoint:
    """A network in evaluation mode, the description that rebuilds it, and its card."""

    network: SSD
    description: Mapping[str, Any]
    card: ModelCard


def card_for(network: SSD, *, name: str, labels: tuple[str, ...], **told: Any) -> ModelCard:
    """Return a card with what the network itself tells. told: further fields of ``ModelCard``."""
    height, width = network.input_hw
    return ModelCard(
        name=name,
        labels=labels,
        height=height,
        width=width,
        priors=network.priors,
        activation=network.activation,
        coding=network.coding,
        **told,
    )


def save_checkpoint(path: Path, network: SSD, description: Mapping[str, Any], card: ModelCard) -> None:
    """Write a checkpoint, whole or not at all."""
    content = {
        "edgessd": FORMAT,
        "network": dict(description),
        "card": card.dumps(),
        "weights": {name: value.detach().cpu() for name, value in network.state_dict().items()},
    }
    save_torch(path, content)


def save_torch(path: Path, content: Mapping[str, Any]) -> None:
    """Write a torch file, whole or not at all. Raises InputError, such as of a full disk."""
    with replacing(path) as unfinished:
        try:
            with unfinished.open("wb") as file:  # given a path, PyTorch hides why it could not write
                torch.save(content, file)
        except RuntimeError as error:
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def load_weights_file(path: Path) -> dict[str, Any]:
    """Return the content of a torch file, read without unpickling code. Raises InputError."""
    readable(path, "checkpoint")
    if kind := _foreign_kind(path):
        raise InputError(
            f"{path} is {kind}, expected a checkpoint (.pt)",
            fix="load it and save torch.save(weights, PATH)"
            if kind == FOREIGN[".safetensors"]
            else "give the checkpoint that it was exported from, as `edgessd train` or `edgessd import` wrote it",
        )
    _refuse_bomb(path)
    try:
        with warnings.catch_warnings():  # about the pickle protocol: the error below says what is wrong
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    # torch raises a dozen unrelated classes on foreign bytes; all mean the same to the reader.
    except Exception as error:
        pickled = path.read_bytes()[:1] == b"\x80" and any(word in str(error) for word in ("nsupported", "GLOBAL"))
        if pickled or zipfile.is_zipfile(path):
            raise InputError(
                f"{path} holds Python objects beside its tensors, which are not loaded: they may run code",
                fix="where it was made, load it and save torch.save(model.state_dict(), PATH)",
            ) from error
        raise InputError(f"{path} is not a file of PyTorch, or is cut off", fix="copy it again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}, expected a dictionary of weights")
    return content


def _foreign_kind(path: Path) -> str | None:
    """Return what a file is by its suffix or its bytes, None for one that may be a checkpoint."""
    if path.suffix.lower() in FOREIGN:
        return FOREIGN[path.suffix.lower()]
    if zipfile.is_zipfile(path):
        return None
    with path.open("rb") as file:
        head = file.read(9)
    if head[8:] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return FOREIGN[".safetensors"]
    if head[4:8] == b"TFL3":
        return FOREIGN[".tflite"]
    try:
        read_metadata(path, METADATA_KEY)
    except CardError:
        return None
    return FOREIGN[".onnx"]


def _refuse_bomb(path: Path) -> None:
    """Raise InputError for an archive that unpacks to more than it weighs; torch stores tensors as they are."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        return  # torch says what is wrong with it
    if unpacked > path.stat().st_size + ARCHIVE_SLACK:
        raise InputError(
            f"{path} unpacks to {unpacked / 1e6:.0f} MB from {path.stat().st_size / 1e6:.1f} MB",
            fix="a checkpoint is not compressed; save it again with torch.save",
        )


def refuse_damage(path: Path) -> None:
    """Raise InputError where a byte of our own file has changed: torch.load does not verify the checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise InputError(f"{path} is damaged ({error})", fix="copy it again") from error
    if damaged:
        raise InputError(f"{path} is damaged: the checksum of {damaged} is wrong", fix="copy it again")


def load_checkpoint(path: Path) -> Checkpoint:
    """Return the network and card of an edgessd checkpoint.

    Raises InputError for another kind of file, CardError when network and card disagree.
    """
    content = load_weights_file(path)
    if content.get("edgessd") != FORMAT:
        raise InputError(f"{path} is not an edgessd checkpoint", fix="import foreign weights with `edgessd import`")
    refuse_damage(path)
    card = loads(str(content["card"]), where=str(path))
    description = content["network"]
    try:
        network = build(description)
    except (TypeError, ValueError) as error:  # a file from outside may give any option a value of any type
        raise CardError(f"{path} describes no network: {error}", fix="import it again") from error
    load_weights(network, content["weights"], where=str(path))
    told = (card.priors.sha256, card.activation, card.coding)
    if (network.priors.sha256, network.activation, network.coding) != told:
        raise CardError(
            f"{path}: its card describes another network (priors, activation or coding differ)", fix="import it again"
        )
    return Checkpoint(network.eval(), description, card)


def load_weights(network: torch.nn.Module, weights: Mapping[str, Tensor], *, where: str) -> None:
    """Copy weights into a network. Raises InputError naming missing, surplus and misshapen keys."""
    check_fit(network.state_dict(), weights, where=where)
    network.load_state_dict(dict(weights))


def check_fit(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor], *, where: str) -> None:
    """Raise InputError naming missing, surplus and misshapen keys of weights, under the names that they have."""
    missing, surplus = sorted(expected.keys() - weights.keys()), sorted(weights.keys() - expected.keys())
    misshapen = sorted(
        f"{name} {tuple(weights[name].shape)} for {tuple(expected[name].shape)}"
        for name in expected.keys() & weights.keys()
        if weights[name].shape != expected[name].shape
    )
    complaints = [
        f"{len(names)} {kind} ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''})"
        for kind, names in (("missing", missing), ("surplus", surplus), ("misshapen", misshapen))
        if names
    ]
    if complaints:
        raise InputError(f"the weights of {where} do not fit the network: {'; '.join(complaints)}")
