"""A run at its first batch: the recipe, the data and this machine become a network, an optimizer and samples."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from edgessd.errors import InputError
from edgessd.util.cores import usable_cores
from edgessd.util.progress import image_progress
from edgessd_training.data.images import read_image
from edgessd_training.data.records import DataSet
from edgessd_training.loop.ema import copy_weights
from edgessd_training.loop.fake_int8 import FakeInt8, Int8Network
from edgessd_training.loop.optimizer import freeze, make_optimizer
from edgessd_training.loop.sync_norm import synchronised
from edgessd_training.loop.training import Training
from edgessd_training.networks.ssd import SSD
from edgessd_training.recipe import Recipe
from edgessd_training.run.folder import RunFolder
from edgessd_training.run.hardware import channels_last
from edgessd_training.run.int8_ranges import recipe_int8
from edgessd_training.run.origin import origin_of
from edgessd_training.run.start import start_network
from edgessd_training.samples.from_recipe import make_samples, recipe_grids, recipe_networks
from edgessd_training.samples.loader import Order, Plan, check_plan, make_loader
from edgessd_training.samples.maker import SampleMaker


@dataclass(frozen=True)
class Run:
    """All that the parts of one run share. origin: what the card says of the training. fake: None in float."""

    recipe: Recipe
    data: DataSet
    val: DataSet
    folder: RunFolder
    description: Mapping[str, Any]
    origin: Mapping[str, Any]
    training: Training
    maker: SampleMaker
    fake: FakeInt8 | None


def look_at(data: DataSet, val: DataSet) -> None:
    """Raise InputError or DataError for what would end the run later: no boxes, or an image that cannot be decoded."""
    for split in (data, val):
        if not any((~record.difficult & ~record.crowd).any() for record in split.records):
            raise InputError(
                f"{split.source} has {len(split.records)} images and no box to learn from or to be found",
                fix="see its labels in `edgessd data check`; boxes that are difficult or crowds do not count",
            )
    paths = list(dict.fromkeys(record.path for split in (data, val) for record in split.records))
    with image_progress("look at the images", len(paths)) as progress, ThreadPoolExecutor(usable_cores()) as pool:
        for _ in pool.map(read_image, paths):
            progress.count(1)


def set_up(
    recipe: Recipe, data: DataSet, val: DataSet, folder: RunFolder, fabric: Fabric, folders: Sequence[Path]
) -> Run:
    """Return the run at its first batch. Raises InputError for a recipe that does not go with the data."""
    if not data.labels:
        raise InputError(f"{data.source} has no labelled box", fix="there is nothing to learn")
    sizes = recipe.augment.multi_scale or (recipe.network.get("input_size"),)
    plan = Plan(len(data.records), recipe.batch_size, recipe.epochs, recipe.seed, len(sizes))
    check_plan(plan, fabric.world_size)
    network, variances, notes = start_network(recipe, data.labels, folders)
    check_norms(network, recipe, fabric)
    last = channels_last(recipe, fabric.device, recipe_networks(recipe, len(data.labels)))
    network = prepared(network, recipe, fabric, channels_last=last)
    average = copy_weights(network) if recipe.optimizer.ema else None
    start = copy_weights(network) if recipe.start.keep else None
    fake = recipe_int8(recipe, network, data)
    module = network if fake is None else Int8Network(network, fake)
    trained, optimizer = fabric.setup(module, make_optimizer(network, recipe.optimizer))
    grids = recipe_grids(recipe, len(data.labels), variances)
    priors = [torch.from_numpy(grid.priors.cxcywh).to(fabric.device) for grid in grids]
    return Run(
        recipe=recipe,
        data=data,
        val=val,
        folder=folder,
        description={**recipe.network, "classes": len(data.labels)},
        origin=origin_of(recipe, data, val, notes) | ({"int8": fake.described()} if fake else {}),
        training=Training(fabric, recipe, plan, network, trained, optimizer, priors, variances, average, start),
        maker=make_samples(recipe, data, grids),
        fake=fake,
    )


def check_norms(network: SSD, recipe: Recipe, fabric: Fabric) -> None:
    """Raise InputError where batch norm would see one image alone."""
    norms = any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    if norms and recipe.batch_size == fabric.world_size and not recipe.optimizer.freeze_bn:
        raise InputError(
            "batch norm needs at least two images a process", fix="raise batch_size, or set optimizer.freeze_bn"
        )


def prepared(network: SSD, recipe: Recipe, fabric: Fabric, *, channels_last: bool) -> SSD:
    """Return the network on its device, frozen, laid out and synchronised as the recipe says."""
    freeze(network, recipe.optimizer)
    if channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's lack it
    if recipe.hardware.sync_bn and fabric.world_size > 1:
        network = synchronised(network)
    return network.to(fabric.device)


def loader_of(run: Run) -> Iterable[object]:
    """Return this process's batches from where the run stands."""
    fabric = run.training.fabric
    order = Order(run.training.plan, run.training.progress.done, fabric.global_rank, fabric.world_size)
    pin = fabric.device.type == "cuda"
    loader = make_loader(run.maker, order, workers=run.recipe.data.workers, pin_memory=pin)
    return fabric.setup_dataloaders(loader, use_distributed_sampler=False)
