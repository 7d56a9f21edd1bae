"""Chooses the pictures to judge on where a data set has no such split: whole groups, every class, always the same."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgessd_training.data.alike import groups, sketches

SHARE, LEAST, MOST = 0.15, 8, 500
TOO_MUCH = 0.6  # of all pictures in one group: it is cut in two after all


class Split(NamedTuple):
    """held_out: (N,) bool, the pictures to judge on. how: the sentence that says how they were chosen."""

    held_out: NDArray[np.bool_]
    how: str


def hold_out(paths: Sequence[Path], counts: NDArray[np.int64]) -> Split:
    """Return which pictures to judge on: 15 per cent, 8 to 500, with a share of the boxes of every class.

    counts: (N, C), boxes by class. Copies and frames of one video stay on one side.
    """
    wanted = int(np.clip(round(SHARE * len(paths)), min(LEAST, len(paths) // 4), MOST))
    found = groups(paths, sketches(paths))
    names, of, sizes = np.unique(found.of, return_inverse=True, return_counts=True)
    together = len(paths) - len(names)
    if sizes.max() > TOO_MUCH * len(paths):
        video = [index for index in found.order if of[index] == sizes.argmax()]
        held_out = np.zeros(len(paths), bool)
        held_out[video[-wanted:]] = True
        how = (
            f"{sizes.max()} of the {len(paths)} pictures look like frames of one video: its last {wanted} are held out "
            "to judge on, and what they show is no new scene; label pictures of another place and day for that"
        )
        return Split(held_out, how)
    first = {
        group: min(paths[index].name for index in np.flatnonzero(of == group).tolist()) for group in range(len(names))
    }
    by_hash = sorted(range(len(names)), key=lambda group: hashlib.sha256(os.fsencode(first[group])).hexdigest())
    totals = np.zeros((len(names), counts.shape[1] + 1))
    np.add.at(totals, of, np.hstack([counts, np.ones((len(paths), 1))]))
    chosen = _fill(totals[by_hash], wanted)
    held_out = np.isin(of, np.array(by_hash)[chosen])
    kept = f"; {together} pictures that look like another or follow it in a video stay beside it" if together else ""
    how = f"{held_out.sum()} of {len(paths)} pictures are held out to judge on, by content, the same every time{kept}"
    return Split(held_out, how)


def _fill(totals: NDArray[np.float64], wanted: int) -> list[int]:
    """Return the groups that together come nearest to the share wanted of every column, picked one by one.

    totals: (G, C + 1), boxes by class and, last, pictures. A group that would pass the number of pictures by half is
    not taken.
    """
    sums = np.maximum(totals.sum(axis=0), 1)
    goal = np.maximum(sums * wanted / sums[-1], np.minimum(sums / 2, 1))
    have, chosen = np.zeros(totals.shape[1]), []
    free = np.ones(len(totals), bool)
    while have[-1] < wanted and free.any():
        short = np.maximum(goal - have, 0)
        gain = (np.minimum(totals, short) / goal).sum(axis=1) - (np.maximum(totals - short, 0) / goal).sum(axis=1)
        fits = free & ((have[-1] + totals[:, -1] <= 1.5 * wanted) | (totals[:, -1] <= 1))
        if not fits.any():
            break
        best = int(np.where(fits, gain / totals[:, -1], -np.inf).argmax())  # a picture's: many scenes before a long one
        chosen.append(best)
        free[best] = False
        have += totals[best]
    return chosen
