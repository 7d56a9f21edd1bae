"""Where a run trains: Lightning Fabric from the recipe and the launcher's environment."""

import os
import platform
import warnings
from collections.abc import Iterable
from typing import Literal

import torch
from lightning_fabric import Fabric
from torch import nn

from edgessd.errors import InputError
from edgessd_training.networks.ssd import SSD
from edgessd_training.recipe import Hardware, Recipe

PRECISIONS: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "16": "16-mixed",
}


def make_fabric(settings: Hardware) -> Fabric:
    """Return the Fabric, its processes launched. Raises InputError for what this machine has not."""
    cuda = torch.cuda.is_available()
    if settings.accelerator == "cuda" and not cuda:
        raise InputError("hardware.accelerator is cuda, but torch sees no GPU", fix="set it to auto or cpu")
    on_cpu = runs_on_cpu(settings)
    if settings.precision == "16" and on_cpu:
        raise InputError("hardware.precision 16 needs a GPU", fix="use bf16 or 32 on a CPU")
    devices, nodes = launched(settings.devices, settings.nodes)
    if not on_cpu and settings.accelerator != "mps" and devices > torch.cuda.device_count():
        raise InputError(f"hardware.devices is {devices}, this machine has {torch.cuda.device_count()}", fix="lower it")
    device = "cpu" if on_cpu else "mps" if settings.accelerator == "mps" else "cuda"
    several = nodes > 1 or devices > 1
    fabric = Fabric(
        accelerator="cpu" if on_cpu else settings.accelerator,
        devices=devices or ("auto" if not on_cpu else 1),
        num_nodes=nodes,
        strategy="ddp" if several or settings.strategy == "ddp" else "auto",
        precision=PRECISIONS[precision_on(settings, device)],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fabric.launch()
    return fabric


def runs_on_cpu(settings: Hardware) -> bool:
    """Return whether a run goes to the CPU on this machine."""
    return settings.accelerator == "cpu" or (settings.accelerator == "auto" and not torch.cuda.is_available())


def precision_on(settings: Hardware, device: str) -> str:
    """Return the precision that a run has on cpu, cuda or mps: auto is bf16 where it is computed fast, else 32."""
    if settings.precision == "auto":
        return "bf16" if bf16_is_fast(device) else "32"
    return settings.precision


def bf16_is_fast(device: str) -> bool:
    """Return whether this machine's GPU, or its CPU, has units for bf16; one without imitates them."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # torch's
        return False
    if platform.machine() in ("x86_64", "AMD64"):
        # oneDNN says yes to any AVX-512; on AVX2 PyTorch takes plain loops: 1 image a second was measured, 16 in fp32.
        return bool(torch.cpu._is_avx512_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def channels_last(recipe: Recipe, device: torch.device, networks: Iterable[SSD]) -> bool:
    """Return whether the convolutions lie channels_last: as the recipe says, except where PyTorch then errs.

    PyTorch 2.13 computes one weight gradient on the CPU from memory that nobody wrote: that of a depthwise
    convolution of stride 2 over a 1x1 map, in bf16 and channels_last. A bf16 that ``auto`` chose does without the
    layout; one that was asked for is refused. networks: at every size of the recipe; none is made where the rule does
    not apply.
    """
    settings = recipe.hardware
    if device.type != "cpu" or precision_on(settings, "cpu") != "bf16" or not settings.channels_last:
        return settings.channels_last
    for network in networks:
        depthwise = any(isinstance(module, nn.Conv2d) and module.groups > 1 for module in network.modules())
        if depthwise and [grid.height * grid.width for grid in network.priors.maps].count(1) > 1:
            if settings.precision == "auto":
                return False
            height, width = network.input_hw
            sizes = "augment.multi_scale" if recipe.augment.multi_scale else "network.input_size"
            raise InputError(
                "hardware.channels_last in bf16 on a CPU gives wrong gradients where two of a network's "
                f"maps have one cell, as at {height}x{width}",
                fix=f"set hardware.channels_last = false, or raise {sizes}",
            )
    return True


def by_torchrun() -> bool:
    """Return whether torchrun started this process; it starts all again, by the same command, when one dies."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def launched(devices: int, nodes: int) -> tuple[int, int]:
    """Return processes a node, and nodes: the launcher's where torchrun or SLURM started this process."""
    environment = os.environ
    if by_torchrun():
        local = int(environment["LOCAL_WORLD_SIZE"])
        return local, int(environment["WORLD_SIZE"]) // local
    if "SLURM_PROCID" in environment and int(environment.get("SLURM_NTASKS", "1")) > 1:
        nodes = int(environment.get("SLURM_NNODES", "1"))
        return int(environment["SLURM_NTASKS"]) // nodes, nodes
    return devices, nodes
