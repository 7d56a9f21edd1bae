"""Geometry of boxes in numpy: formats, overlap, and the coding of boxes against priors."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


CODINGS = ("cxcywh", "ltrb")  # how offsets are meant: see ``decode`` and ``decode_distances``


class Variances(NamedTuple):
    """Scale of the regression targets; 0.1 and 0.2 in the paper's code, 1/10 and 1/5 in TensorFlow's."""

    centre: float = 0.1
    size: float = 0.2


def xyxy_to_cxcywh(boxes_xyxy: FloatArray) -> FloatArray:
    """Return the same boxes as centre and size, (..., 4)."""
    low, high = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


def cxcywh_to_xyxy(boxes_cxcywh: FloatArray) -> FloatArray:
    """Return the same boxes as left, top, right, bottom, (..., 4)."""
    centre, half = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=-1)


def area(boxes_xyxy: FloatArray) -> FloatArray:
    """Return the areas (...,); an inverted box counts as 0."""
    size = np.maximum(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], 0)
    return np.asarray(size[..., 0] * size[..., 1])


def intersection(first_xyxy: NDArray[Any], second_xyxy: NDArray[Any]) -> NDArray[Any]:
    """Return the area that every pair shares: (M, 4) and (P, 4) give (M, P)."""
    low = np.maximum(first_xyxy[:, None, :2], second_xyxy[None, :, :2])
    high = np.minimum(first_xyxy[:, None, 2:], second_xyxy[None, :, 2:])
    size = np.maximum(high - low, 0)
    return np.asarray(size[..., 0] * size[..., 1])


def iou(first_xyxy: FloatArray, second_xyxy: FloatArray) -> FloatArray:
    """Return the intersection over union of every pair: (M, 4) and (P, 4) give (M, P), in 0..1.

    Two boxes without area overlap by 0.
    """
    shared = intersection(first_xyxy, second_xyxy)
    union = area(first_xyxy)[:, None] + area(second_xyxy)[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def encode(boxes_cxcywh: FloatArray, priors_cxcywh: FloatArray, variances: Variances) -> FloatArray:
    """Return the offsets that turn each prior into its box, (P, 4) (paper, eq. 2)."""
    centre = (boxes_cxcywh[:, :2] - priors_cxcywh[:, :2]) / priors_cxcywh[:, 2:]
    size = np.log(boxes_cxcywh[:, 2:] / priors_cxcywh[:, 2:])
    return np.concatenate([centre / variances.centre, size / variances.size], axis=1)


def decode(offsets: FloatArray, priors_cxcywh: FloatArray, variances: Variances) -> FloatArray:
    """Return the boxes that offsets and priors mean, (P, 4) cxcywh: the inverse of ``encode``."""
    centre = priors_cxcywh[:, :2] + offsets[:, :2] * variances.centre * priors_cxcywh[:, 2:]
    size = priors_cxcywh[:, 2:] * np.exp(offsets[:, 2:] * variances.size)
    return np.concatenate([centre, size], axis=1)


def decode_distances(offsets: FloatArray, priors_cxcywh: FloatArray) -> FloatArray:
    """Return the boxes of the coding ``ltrb``, (P, 4) xyxy.

    offsets: how far left, top, right and bottom lie from a prior's centre, in its widths and heights.
    """
    centre, size = priors_cxcywh[:, :2], priors_cxcywh[:, 2:]
    return np.concatenate([centre - offsets[:, :2] * size, centre + offsets[:, 2:] * size], axis=1)


def encode_distances(boxes_xyxy: FloatArray, priors_cxcywh: FloatArray) -> FloatArray:
    """Return the offsets of the coding ``ltrb``, (P, 4): the inverse of ``decode_distances``."""
    centre, size = priors_cxcywh[:, :2], priors_cxcywh[:, 2:]
    return np.concatenate([(centre - boxes_xyxy[:, :2]) / size, (boxes_xyxy[:, 2:] - centre) / size], axis=1)


def decoded_xyxy(offsets: FloatArray, priors_cxcywh: FloatArray, coding: str, variances: Variances) -> FloatArray:
    """Return the boxes that offsets mean under a card's coding, (P, 4) xyxy."""
    if coding == "ltrb":
        return decode_distances(offsets, priors_cxcywh)
    return cxcywh_to_xyxy(decode(offsets, priors_cxcywh, variances))
