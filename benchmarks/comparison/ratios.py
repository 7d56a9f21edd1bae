"""Ratios of two entries, round by round: what the machine did meanwhile cancels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comparison.rounds import Series


@dataclass(frozen=True)
class Ratio:
    """The median of the rounds' ratios, the lowest and the highest, and how many rounds there were."""

    median: float
    low: float
    high: float
    rounds: int

    @property
    def spread(self) -> float:
        """Return how far the rounds lie apart, as a share of the median."""
        return (self.high - self.low) / self.median


def ratio(numerators: Sequence[float | None], denominators: Sequence[float | None]) -> Ratio | None:
    """Return the ratio of two entries' figures by round; rounds in which either has none do not count."""
    pairs = [(a, b) for a, b in zip(numerators, denominators, strict=False) if a is not None and b]
    if not pairs:
        return None
    values = np.array([a / b for a, b in pairs])
    return Ratio(float(np.median(values)), float(values.min()), float(values.max()), len(values))


def times_as_fast(first: Series, other: Series) -> Ratio | None:
    """Return how many times as fast as the other the first is, from decoded frame to detections."""
    return ratio(frame_seconds(other), frame_seconds(first))


def times_as_fast_end_to_end(first: Series, other: Series) -> Ratio | None:
    """Return how many times the other's rate the first has, from file to detections."""
    return ratio(play_rates(first), play_rates(other))


def frame_seconds(series: Series) -> list[float | None]:
    """Return the median seconds a frame of every round."""
    return [block.median if block else None for block in series.blocks]


def play_rates(series: Series) -> list[float | None]:
    """Return the frames per second from file to detections of every round."""
    return [played.fps if played else None for played in series.played]


def cpu_seconds(series: Series) -> list[float | None]:
    """Return the processor time of a frame of every round, all threads together."""
    return [block.cpu_seconds if block else None for block in series.blocks]


def video_cpu_seconds(series: Series) -> list[float | None]:
    """Return the processor time of a frame from file to detections of every round."""
    return [played.cpu_seconds / played.frames if played else None for played in series.played]
