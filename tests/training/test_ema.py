import pytest
import torch
from torch import nn

from edgessd.errors import InputError
from edgessd_training.loop.ema import copy_weights, mixed, update_average
from edgessd_training.recipe import Optimizer, Recipe, Start
from edgessd_training.run.start import start_network

NETWORK = {"family": "ssd_mobilenet_v1", "width": 0.25, "input_size": 64, "activation": "softmax"}


def test_a_quarter_of_the_start_is_kept() -> None:
    start = {"weight": torch.tensor([0.0, 8.0]), "count": torch.tensor(1)}
    trained = {"weight": torch.tensor([4.0, 4.0]), "count": torch.tensor(3)}
    result = mixed(trained, start, 0.25)
    assert result["weight"].tolist() == [3.0, 5.0]
    assert result["count"].item() == 3  # a counter is not a weight


def test_the_average_follows_slowly() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = copy_weights(network)
    nn.init.constant_(network.weight, 10.0)
    average["weight"].fill_(0.0)
    update_average(average, network, decay=0.9, step=1_000)
    assert average["weight"].item() == pytest.approx(1.0)


def test_keep_without_a_checkpoint_is_refused() -> None:
    recipe = Recipe("x", NETWORK, start=Start(keep=0.5), optimizer=Optimizer())
    with pytest.raises(InputError, match=r"start\.checkpoint is empty"):
        start_network(recipe, ("cat",), ())
