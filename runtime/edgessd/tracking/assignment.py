"""Which track gets which detection: greedy, or exact by the Hungarian algorithm."""

import numpy as np
from numpy.typing import NDArray

from edgessd.model.boxes import FloatArray

Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]


def greedy(gain: FloatArray, least: float) -> Pairs:
    """Return the rows and columns that are paired, best gain first; no pair has a gain below ``least``."""
    rows, columns = np.nonzero(gain >= least)
    order = np.argsort(-gain[rows, columns], kind="stable")
    free_row, free_column = [True] * gain.shape[0], [True] * gain.shape[1]
    pairs = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if free_row[row] and free_column[column]:
            free_row[row] = free_column[column] = False
            pairs.append((row, column))
    return _columns(pairs)


def exact(gain: FloatArray, least: float) -> Pairs:
    """Return the rows and columns that are paired so that the sum of gains is largest.

    A pair below ``least`` counts as no pair and adds nothing to the sum. A row and a column that have no other choice
    are paired at once: most are, and only the rest pays for the search.
    """
    possible = gain >= least
    sole = possible & (possible.sum(axis=1) == 1)[:, None] & (possible.sum(axis=0) == 1)[None, :]
    contested = possible & ~sole
    rows, columns = np.flatnonzero(contested.any(axis=1)), np.flatnonzero(contested.any(axis=0))
    if len(rows) > len(columns):
        chosen_columns, chosen_rows = _hungarian(gain[np.ix_(rows, columns)].T, least)
    else:
        chosen_rows, chosen_columns = _hungarian(gain[np.ix_(rows, columns)], least)
    sole_rows, sole_columns = np.nonzero(sole)
    return np.concatenate([sole_rows, rows[chosen_rows]]), np.concatenate([sole_columns, columns[chosen_columns]])


def _hungarian(gain: FloatArray, least: float) -> Pairs:
    """Return the pairs of the largest sum; rows are no more than columns.

    O(n^3): Kuhn's Hungarian method by shortest augmenting paths, one row at a time (Jonker and Volgenant, 1987). A row
    begins with its best column where that is free; only the others search.
    """
    cost = -np.where(gain >= least, gain, 0.0)
    n_columns = cost.shape[1]
    row_price, column_price = cost.min(axis=1, initial=0.0), np.zeros(n_columns)
    row_of = np.full(n_columns, -1)
    searching = []
    for row, column in enumerate(cost.argmin(axis=1).tolist() if n_columns else ()):
        if row_of[column] < 0:
            row_of[column] = row
        else:
            searching.append(row)
    for start in searching:
        shortest, previous = np.full(n_columns, np.inf), np.full(n_columns, -1)
        done = np.zeros(n_columns, dtype=bool)
        row, column, distance = start, -1, 0.0
        visited: list[tuple[int, float]] = [(start, 0.0)]
        while True:  # Dijkstra over columns until one is free
            through = distance + cost[row] - row_price[row] - column_price
            better = ~done & (through < shortest)
            shortest[better], previous[better] = through[better], column
            column = int(np.argmin(np.where(done, np.inf, shortest)))
            distance = float(shortest[column])
            done[column] = True
            if row_of[column] < 0:
                break
            row = int(row_of[column])
            visited.append((row, distance))
        for seen, at in visited:
            row_price[seen] += distance - at
        column_price[done] += shortest[done] - distance
        while column >= 0:  # turn the pairs of the path over
            before = int(previous[column])
            row_of[column] = start if before < 0 else row_of[before]
            column = before
    pairs = [(row, column) for column, row in enumerate(row_of.tolist()) if row >= 0 and gain[row, column] >= least]
    return _columns(sorted(pairs))


def _columns(pairs: list[tuple[int, int]]) -> Pairs:
    array = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return array[:, 0], array[:, 1]
