"""The weights a run starts from: random, an ImageNet backbone, or a detector of other classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgessd.errors import InputError
from edgessd.model.boxes import Variances
from edgessd.model.card import VARIANCES
from edgessd.util.files import readable
from edgessd_training.checkpoint import Checkpoint, load_checkpoint
from edgessd_training.importers import import_family
from edgessd_training.importers.published import PUBLISHED, fetching
from edgessd_training.metrics.labels import read_label_map
from edgessd_training.networks import build
from edgessd_training.networks.layers import last_convolution
from edgessd_training.networks.ssd import SSD
from edgessd_training.recipe import Recipe, Start


def start_network(recipe: Recipe, labels: Sequence[str], folders: Sequence[Path]) -> tuple[SSD, Variances, list[str]]:
    """Return the network to train, the variances of its offsets, and what was done, for the log.

    folders: where relative paths of the recipe are looked for. Raises InputError for weights that do not fit.
    """
    torch.manual_seed(recipe.seed)
    description = {**recipe.network, "classes": len(labels)}
    network = build(description)
    check_activation(recipe, network)
    notes = []
    if recipe.start.backbone and recipe.start.checkpoint:
        raise InputError(
            "start.backbone and start.checkpoint are both set", fix="a checkpoint has its backbone; drop one"
        )
    if recipe.start.keep and not recipe.start.checkpoint:
        raise InputError("start.keep mixes in a checkpoint's weights and start.checkpoint is empty", fix="set it")
    if recipe.start.backbone:
        from edgessd_training.importers.backbone import load_backbone

        path = find(recipe.start.backbone, folders)
        load_backbone(network, path)
        notes.append(f"backbone from {path.name}")
    if recipe.start.checkpoint:
        path, source = start_checkpoint(recipe.start.checkpoint, folders)
        reused = reuse(network, description, labels, source, recipe.start, where=str(path))
        notes.append(f"weights from {path.name}, classifiers of {len(reused)} of {len(labels)} classes reused")
        return network, source.card.variances, notes
    return network, VARIANCES, notes


def check_activation(recipe: Recipe, network: SSD) -> None:
    """Raise InputError when the loss does not go with the network's activation."""
    distances = recipe.loss.scores == "varifocal"
    if distances != (network.coding == "ltrb"):
        raise InputError(
            f"loss.scores = {recipe.loss.scores} does not train a network whose boxes are coded {network.coding}",
            fix=f'set loss.scores = "{"focal" if distances else "varifocal"}"',
        )
    wanted = {"softmax": "softmax", "focal": "sigmoid", "varifocal": "sigmoid"}[recipe.loss.scores]
    if network.activation != wanted:
        raise InputError(
            f"loss.scores = {recipe.loss.scores} trains a {wanted} network, this one ends in {network.activation}",
            fix=f'set network.activation = "{wanted}", or the other loss',
        )


def find(text: str, folders: Sequence[Path]) -> Path:
    """Return the existing file that a recipe names. Raises InputError."""
    candidates = [folder / Path(text).expanduser() for folder in folders]
    found = next((path for path in candidates if path.exists()), None)
    if found is None:
        looked = ", ".join(dict.fromkeys(str(folder) for folder in folders))
        fix = fetching(Path(text).name) or "copy the file there, or --set its path"
        raise InputError(f"no weights at {text!r} (looked in {looked})", fix=fix)
    return readable(found, "weights file")


def start_checkpoint(text: str, folders: Sequence[Path]) -> tuple[Path, Checkpoint]:
    """Return the detector that a recipe names: a checkpoint, an exported file, a shipped model, published weights."""
    from edgessd.model.shipped import shipped

    path = shipped()[text] if text in shipped() else find(text, folders)
    if known := PUBLISHED.get(path.name):
        return path, import_family(known.family, path)
    if path.suffix == ".onnx":
        from edgessd_training.importers.exported import restore_checkpoint

        return path, restore_checkpoint(path)
    return path, load_checkpoint(path)


def classifiers(network: SSD) -> list[nn.Conv2d]:
    """Return the last convolution of every confidence predictor: the rows that belong to classes."""
    return [last_convolution(predictor) for predictor in network.confidence.predictors]


def reuse(
    network: SSD,
    description: Mapping[str, Any],
    labels: Sequence[str],
    source: Checkpoint,
    start: Start,
    *,
    where: str,
) -> list[str]:
    """Copy a detector's weights into the network; return the labels whose classifier rows were reused.

    Where priors or input size differ, backbone and neck are copied; the heads, which answer for priors, begin anew, but
    for those that tell distances in strides, which suit every size. A neck "top_down" that the detector has not begins
    at zero, where it changes nothing.
    Raises InputError for a network that differs in more, or a label map naming an unknown label.
    """
    own, theirs = (
        {key: value for key, value in each.items() if key not in ("classes", "priors", "input_size")}
        for each in (description, source.description)
    )
    if own.get("family") != theirs.get("family"):
        raise InputError(
            f"{where} is another network ({theirs}) than the recipe's ({own})", fix="make [network] the same"
        )
    if network.activation != source.network.activation:
        raise InputError(f"{where} ends in {source.network.activation}", fix="set network.activation to it")
    rows = matching_rows(labels, source.card.labels, start.label_map, where=where)
    neck, their_neck = description.get("neck"), source.description.get("neck")
    new_neck = neck == "top_down" and not their_neck
    if neck != their_neck and not new_neck:
        raise InputError(
            f"{where} has the neck {their_neck}, the recipe's network {neck}", fix="make network.neck the same"
        )
    same_priors = network.priors.sha256 == source.network.priors.sha256
    same_priors &= network.input_hw == source.network.input_hw
    same_priors |= network.coding == "ltrb"
    head = {id(layer) for layer in classifiers(network)}
    sources = dict(source.network.named_modules())
    with torch.no_grad():
        for name, module in network.named_modules():
            if not same_priors and name.startswith(("location", "confidence")):
                continue
            if new_neck and name.startswith("neck"):
                continue
            if id(module) in head:
                _copy_rows(module, sources[name], rows, len(labels), len(source.card.labels), network.activation)
                continue
            own_tensors = {**dict(module.named_parameters(recurse=False)), **dict(module.named_buffers(recurse=False))}
            for key, value in own_tensors.items():
                _copy(value, getattr(sources.get(name), key, None), f"{name}.{key}", where)
    return [labels[own_row] for own_row in rows] if same_priors else []


def matching_rows(labels: Sequence[str], source_labels: Sequence[str], label_map: str, *, where: str) -> dict[int, int]:
    """Return own class index to the source's: of the same name, or joined by the label map. Raises InputError."""
    names = read_label_map(label_map) if label_map else {label: label for label in source_labels}
    unknown = [*(theirs for theirs in names if theirs not in source_labels)]
    if unknown:
        raise InputError(f"start.label_map names {unknown[0]!r}, {where} has {', '.join(source_labels)}")
    place = {label: index for index, label in enumerate(labels)}
    rows: dict[int, int] = {}
    if not label_map:
        place |= {label.casefold(): index for label, index in place.items() if label.casefold() not in place}
        names = {label: label if label in place else label.casefold() for label in source_labels}
    for index, theirs in enumerate(source_labels):
        if names.get(theirs) in place:
            rows.setdefault(place[names[theirs]], index)
    if label_map and not rows:
        raise InputError(f"start.label_map joins no class of {where} to one of the data ({', '.join(labels)})")
    return dict(sorted(rows.items()))


def _copy_rows(
    layer: nn.Module, source: nn.Module, rows: Mapping[int, int], count: int, source_count: int, activation: str
) -> None:
    background = int(activation == "softmax")
    pairs = [(own + background, theirs + background) for own, theirs in rows.items()]
    pairs += [(0, 0)] * background
    for key in ("weight", "bias"):
        target, given = getattr(layer, key), getattr(source, key)
        target_rows = target.unflatten(0, (-1, count + background))
        given_rows = given.unflatten(0, (-1, source_count + background))
        for own, theirs in pairs:
            target_rows[:, own] = given_rows[:, theirs]


def _copy(target: Tensor, source: Tensor | None, name: str, where: str) -> None:
    if source is None or source.shape != target.shape:
        given = "nothing" if source is None else str(tuple(source.shape))
        raise InputError(
            f"{where} has {given} for {name}, the recipe's network {tuple(target.shape)}", fix="other [network]"
        )
    target.copy_(source)
