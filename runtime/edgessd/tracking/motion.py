"""Motion of boxes at constant velocity, in seconds: a Kalman filter over all tracks at once.

Centre x, centre y, width and height are independent of each other, so each is a filter of two numbers (place and
velocity), and its covariance is three: no matrix is inverted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgessd.model.boxes import FloatArray

# In heights of the box, for cx, cy, w, h. The size is trusted less and changes more slowly than the place: the width of
# a walking person swings with every step. Tuned on two sequences (docs/howto/tracking.md).
MEASURED = np.array([0.05, 0.05, 0.1, 0.1])  # standard deviation of a detection
FIRST_VELOCITY = np.array([2.0, 2.0, 0.3, 0.3])  # of a new track's velocity, per second
ACCELERATION = np.array([0.3, 0.3, 0.01, 0.01])  # spectral density, squared heights per second cubed


@dataclass
class Motion:
    """State of T tracks, float64, pixels and pixels per second; the fields are (T, 4) in the order cxcywh.

    variance, covariance, velocity_variance: of the place, of place with velocity, and of the velocity.
    """

    boxes_cxcywh: FloatArray
    velocity: FloatArray
    variance: FloatArray
    covariance: FloatArray
    velocity_variance: FloatArray

    def __getitem__(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Motion":
        """Return a copy of the rows that a mask or indices choose."""
        return Motion(*(field[rows] for field in self.fields()))

    def fields(self) -> tuple[FloatArray, ...]:
        """Return the five arrays in the order of the constructor."""
        return self.boxes_cxcywh, self.velocity, self.variance, self.covariance, self.velocity_variance


def begin(boxes_cxcywh: FloatArray) -> Motion:
    """Return the state of new tracks that stand still, as far as is known."""
    squared = _squared_heights(boxes_cxcywh)
    still = np.zeros_like(boxes_cxcywh)
    return Motion(boxes_cxcywh, still, squared * MEASURED**2, still.copy(), squared * FIRST_VELOCITY**2)


def advance(state: Motion, seconds: float) -> Motion:
    """Return the state after so many seconds without a measurement."""
    noise = _squared_heights(state.boxes_cxcywh) * ACCELERATION
    boxes_cxcywh = state.boxes_cxcywh + state.velocity * seconds
    boxes_cxcywh[:, 2:] = np.maximum(boxes_cxcywh[:, 2:], 1)  # a shrinking box never turns inside out
    return Motion(
        boxes_cxcywh,
        state.velocity.copy(),
        state.variance + 2 * seconds * state.covariance + seconds**2 * state.velocity_variance + noise * seconds**3 / 3,
        state.covariance + seconds * state.velocity_variance + noise * seconds**2 / 2,
        state.velocity_variance + noise * seconds,
    )


def correct(state: Motion, rows: NDArray[np.intp], measured_cxcywh: FloatArray) -> None:
    """Change the state of some rows by what was measured of them, (len(rows), 4) cxcywh."""
    variance, covariance = state.variance[rows], state.covariance[rows]
    total = variance + _squared_heights(measured_cxcywh) * MEASURED**2
    gain, velocity_gain = variance / total, covariance / total
    error = measured_cxcywh - state.boxes_cxcywh[rows]
    state.boxes_cxcywh[rows] += gain * error
    state.velocity[rows] += velocity_gain * error
    state.velocity_variance[rows] -= velocity_gain * covariance
    state.covariance[rows] = (1 - gain) * covariance
    state.variance[rows] = (1 - gain) * variance


def join(first: Motion, second: Motion) -> Motion:
    """Return the tracks of both, in this order."""
    pairs = zip(first.fields(), second.fields(), strict=True)
    return Motion(*(np.concatenate(pair) for pair in pairs))


def _squared_heights(boxes_cxcywh: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(boxes_cxcywh[:, 3:], 1) ** 2)
