"""State dicts of other libraries: read without pickle, and placed in our networks by a table of names."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from edgessd.errors import InputError
from edgessd.util.files import file_sha256
from edgessd_training.checkpoint import check_fit, load_weights_file
from edgessd_training.networks.ssd import SSD

# Pairs of (our prefix, the publisher's prefix); what follows the prefix is named alike on both sides.
Names = Sequence[tuple[str, str]]
WRAPPERS = ("model", "state_dict", "model_state_dict")
PARALLEL = "module."  # torch.nn.DataParallel puts it before every key
COUNTER = "num_batches_tracked"  # batch norm counts since PyTorch 0.4.1; older files lack it, nothing here reads it
FALLBACK_COLUMNS = 21


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a PyTorch file by name, taken out of the training state it may be wrapped in.

    Raises InputError for a file that is no state dict, or whose name's hash is not its own.
    """
    content = load_weights_file(path)
    check_hash(path)
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            content = dict(content[wrapper])
            break
    odd = [name for name, value in content.items() if not isinstance(value, Tensor)]
    if odd or not content:
        held = f"its {odd[0]!r} is a {type(content[odd[0]]).__name__}" if odd else "it is empty"
        raise InputError(f"{path} is not a state dict of tensors ({held})", fix="save `model.state_dict()`")
    weights = {str(name).removeprefix(PARALLEL): value for name, value in content.items()}
    for name, value in weights.items():
        if value.layout != torch.strided or value.is_quantized or value.is_complex():
            raise InputError(f"{name} of {path} is not a plain tensor", fix="save the network before it was quantised")
    return weights


def check_hash(path: Path) -> None:
    """Raise InputError when a name such as ``vgg16-397923af.pth`` promises a hash that the file does not have."""
    found = re.search(r"-([0-9a-f]{8})\.pth$", path.name)
    if found is None or found.group(1).isdigit():  # eight digits are rather a date
        return
    digest = file_sha256(path)
    if not digest.startswith(found.group(1)):
        raise InputError(
            f"{path} is damaged",
            fix=(
                f"its name promises a hash {found.group(1)}..., its bytes have {digest[:8]}...; "
                "download it again, or rename it if it is meant to differ"
            ),
        )


def columns_of(weights: Mapping[str, Tensor], name: str, per_cell: int) -> int:
    """Return how many scores a prior has, background included, by a class predictor's bias.

    Where it is missing the columns of VOC: placing the weights will name all that is missing.
    """
    bias = weights.get(name)
    return FALLBACK_COLUMNS if bias is None else max(bias.numel() // per_cell, 2)


def place(network: SSD, weights: Mapping[str, Tensor], names: Names, *, where: Path) -> None:
    """Copy foreign weights into a network, every tensor of both sides used once.

    Raises InputError naming missing, surplus and misshapen keys as the publisher calls them.
    """
    own = network.state_dict()
    theirs = {name: _their_name(name, names) for name in own}
    expected = {theirs[name]: value for name, value in own.items()}
    if len(expected) != len(own):
        raise ValueError("two of our tensors have one foreign name: the table of names is wrong")
    old = {name: value for name, value in expected.items() if name.endswith(COUNTER) and name not in weights}
    complete = {**weights, **old}
    check_fit(expected, complete, where=str(where))
    broken = [name for name, value in complete.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise InputError(f"{broken[0]} of {where} is not finite", fix="the training diverged, or the file is damaged")
    network.load_state_dict({name: complete[theirs[name]] for name in own})


def _their_name(name: str, names: Names) -> str:
    for ours, theirs in names:
        if name.startswith(ours):
            return theirs + name[len(ours) :]
    raise ValueError(f"the table of names lacks {name}")
