"""Where a run trains: Lightning Fabric from the recipe and the launcher's environment."""

import os
import warnings
from collections.abc import Iterable

import torch
from lightning_fabric import Fabric
from torch import nn

from edgessd.errors import InputError
from edgessd_training.networks.ssd import SSD
from edgessd_training.recipe import Hardware, Recipe

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def make_fabric(settings: Hardware) -> Fabric:
    """Return the Fabric, its processes launched. Raises InputError for what this machine has not."""
    cuda = torch.cuda.is_available()
    if settings.accelerator == "cuda" and not cuda:
        raise InputError("hardware.accelerator is cuda, but torch sees no GPU: set it to auto or cpu")
    on_cpu = settings.accelerator == "cpu" or (settings.accelerator == "auto" and not cuda)
    if settings.precision == "16" and on_cpu:
        raise InputError("hardware.precision 16 needs a GPU: use bf16 or 32 on a CPU")
    devices, nodes = launched(settings.devices, settings.nodes)
    if not on_cpu and settings.accelerator != "mps" and devices > torch.cuda.device_count():
        raise InputError(f"hardware.devices is {devices}, this machine has {torch.cuda.device_count()}: lower it")
    several = nodes > 1 or devices > 1
    fabric = Fabric(
        accelerator="cpu" if on_cpu else settings.accelerator,
        devices=devices or ("auto" if not on_cpu else 1),
        num_nodes=nodes,
        strategy="ddp" if several or settings.strategy == "ddp" else "auto",
        precision=PRECISIONS[settings.precision],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fabric.launch()
    return fabric


def check_layout(recipe: Recipe, device: torch.device, networks: Iterable[SSD]) -> None:
    """Refuse what PyTorch 2.13 computes wrongly: one weight gradient on the CPU reads memory that nobody wrote.

    It is that of a depthwise convolution of stride 2 over a 1x1 map, in bf16 and channels_last. networks: at every
    size of the recipe; none is made where the rule does not apply.
    """
    settings = recipe.hardware
    if device.type != "cpu" or settings.precision != "bf16" or not settings.channels_last:
        return
    for network in networks:
        depthwise = any(isinstance(module, nn.Conv2d) and module.groups > 1 for module in network.modules())
        if depthwise and [grid.height * grid.width for grid in network.priors.maps].count(1) > 1:
            height, width = network.input_hw
            sizes = "augment.multi_scale" if recipe.augment.multi_scale else "network.input_size"
            raise InputError(
                "hardware.channels_last in bf16 on a CPU gives wrong gradients where two of a network's maps have one "
                f"cell, as at {height}x{width}: set hardware.channels_last = false, or raise {sizes}"
            )


def launched(devices: int, nodes: int) -> tuple[int, int]:
    """Return processes a node, and nodes: the launcher's where torchrun or SLURM started this process."""
    environment = os.environ
    if "TORCHELASTIC_RUN_ID" in environment:
        local = int(environment["LOCAL_WORLD_SIZE"])
        return local, int(environment["WORLD_SIZE"]) // local
    if "SLURM_PROCID" in environment and int(environment.get("SLURM_NTASKS", "1")) > 1:
        nodes = int(environment.get("SLURM_NNODES", "1"))
        return int(environment["SLURM_NTASKS"]) // nodes, nodes
    return devices, nodes
