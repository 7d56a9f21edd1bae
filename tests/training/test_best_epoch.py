"""Which epoch becomes best.pt."""

import pytest

from edgessd_training.run.judge import is_kept


@pytest.mark.parametrize(
    ("value", "best", "pictures", "kept"),
    [
        (0.70, 0.70, 500, True),  # of equals the later one
        (0.69, 0.70, 500, False),
        (0.70, 0.69, 500, True),
        (0.90, 1.00, 8, True),  # not one of eight pictures worse
        (0.87, 1.00, 8, False),
        (0.98, 1.00, 64, False),
        (0.00, -1.0, 8, True),  # the first epoch
    ],
)
def test_a_later_epoch_is_kept_unless_it_is_surely_worse(value: float, best: float, pictures: int, kept: bool) -> None:
    assert is_kept(value, best, pictures) is kept
