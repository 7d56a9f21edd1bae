"""The sample maker of a recipe: the one that trains, and that the contact sheet shows."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from edgessd.model.boxes import Variances
from edgessd.model.card import VARIANCES
from edgessd.model.priors import generate
from edgessd_training.data.records import DataSet
from edgessd_training.networks.prior_layouts import ssd300_spec
from edgessd_training.recipe import Recipe
from edgessd_training.samples.cache import ImageCache, annotated_image
from edgessd_training.samples.maker import Grid, SampleMaker
from edgessd_training.samples.matching import priors_of

if TYPE_CHECKING:
    from edgessd_training.networks.ssd import SSD

DETAIL = 2  # times the network's input: a crop of half the image is still seen at full detail


def make_samples(recipe: Recipe, data: DataSet, grids: tuple[Grid, ...]) -> SampleMaker:
    """Return the maker of a recipe's samples; reads all images first where the recipe keeps them in memory."""
    least_hw = enough_hw(grids)
    return SampleMaker(
        records=data.records,
        read=ImageCache(data.records, least_hw) if recipe.data.cache else partial(annotated_image, least_hw=least_hw),
        augment=recipe.augment,
        grids=grids,
        seed=recipe.seed,
        plain_from=recipe.epochs - recipe.augment.plain_epochs,
        threshold=recipe.matching.iou,
        ignore_difficult=recipe.data.difficult == "ignore",
    )


def enough_hw(grids: Sequence[Grid]) -> tuple[int, int]:
    """Return the height and width of an image beyond which training sees no more of it: crops are smaller than it."""
    return DETAIL * max(grid.height for grid in grids), DETAIL * max(grid.width for grid in grids)


def recipe_networks(recipe: Recipe, classes: int) -> Iterator["SSD"]:
    """Yield the network at every input size that the recipe trains at, with weights of no meaning."""
    from edgessd_training.networks import build

    description: dict[str, Any] = {**recipe.network, "classes": classes}
    sizes = recipe.augment.multi_scale
    for each in [{**description, "input_size": size} for size in sizes] or [description]:
        yield build(each)


def recipe_grids(recipe: Recipe, classes: int, variances: Variances = VARIANCES) -> tuple[Grid, ...]:
    """Return the priors of every input size, from the networks the recipe describes."""
    networks = recipe_networks(recipe, classes)
    return tuple(
        Grid(*network.input_hw, priors_of(generate(network.priors), variances, network.coding)) for network in networks
    )


def recipe_maker(name: str, changes: Sequence[str], data: DataSet) -> SampleMaker:
    """Return the maker of a recipe given by path or name, without a cache."""
    from edgessd_training.recipe_file import read_recipe, recipe_path

    recipe = read_recipe(recipe_path(name), [*changes, "data.cache=false"])
    return make_samples(recipe, data, recipe_grids(recipe, len(data.labels)))


def default_maker(data: DataSet) -> SampleMaker:
    """Return the maker of the paper's SSD300: its priors need no torch."""
    grid = Grid(300, 300, priors_of(generate(ssd300_spec()), VARIANCES))
    return make_samples(Recipe("sheet", {"family": "ssd300_vgg16"}), data, (grid,))
