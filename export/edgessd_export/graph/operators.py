"""PyTorch operators whose ONNX form is ours: per-class NMS without a plugin, division of indices, what OpenCV misreads.

NMS returns a mask of fixed shape, so that nothing behind it depends on how many boxes survive.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgessd.model.boxes import iou

# OpenCV's DNN module, 4.12 and 5.0, takes y * HardSigmoid(x) for HardSwish(x), whatever y is, where the slope is within
# 1.2e-7 of 1/6: it would read the gates of squeeze-and-excitation wrongly. This slope is 1.3e-7 off.
HARD_SIGMOID_SLOPE = 0.1666668


@torch.library.custom_op("edgessd::keep", mutates_args=())
def keep(
    boxes_xyxy: Tensor, scores: Tensor, classes: Tensor, class_count: int, nms_iou: float, score_floor: float
) -> Tensor:
    """Return 1 for the rows that NMS keeps, 0 for the others: (B, K) float32.

    boxes_xyxy: (B, K, 4); scores: (B, K), best first; classes: (B, K) int32. Rows of one class alone suppress
    each other; scores not above ``score_floor`` are dropped.
    """
    mask = torch.zeros_like(scores)
    for image in range(len(scores)):
        labels = classes[image].numpy()
        overlaps = iou(boxes_xyxy[image].numpy(), boxes_xyxy[image].numpy()) > nms_iou
        rivals = overlaps & (labels[:, None] == labels[None, :])
        kept: list[int] = []
        for row in np.flatnonzero(scores[image].numpy() > score_floor).tolist():
            if not rivals[row, kept].any():
                kept.append(row)
        mask[image, kept] = 1
    return mask


@keep.register_fake
def _(
    boxes_xyxy: Tensor, scores: Tensor, classes: Tensor, class_count: int, nms_iou: float, score_floor: float
) -> Tensor:
    return torch.empty_like(scores)


def translations() -> dict[Any, Callable[..., Any]]:
    """Return the operators' ONNX forms, for ``torch.onnx.export(custom_translation_table=...)``."""
    from onnxscript import opset19

    op: Any = opset19  # its annotations take no Python constants

    def onnx_keep(
        boxes_xyxy: Any, scores: Any, classes: Any, class_count: int, nms_iou: float, score_floor: float
    ) -> Any:
        # Every row has one class: the ONNX operator takes a (B, C, K) sheet, its score there and 0 elsewhere.
        column = op.Constant(value_ints=list(range(class_count)))
        column = op.Cast(op.Unsqueeze(column, op.Constant(value_ints=[0, 2])), to=6)
        own = op.Equal(op.Unsqueeze(classes, op.Constant(value_ints=[1])), column)
        sheet = op.Where(own, op.Unsqueeze(scores, op.Constant(value_ints=[1])), op.Constant(value_float=0.0))
        most = op.Gather(op.Shape(scores), op.Constant(value_ints=[1]))
        chosen = op.NonMaxSuppression(
            boxes_xyxy, sheet, most, op.Constant(value_floats=[nms_iou]), op.Constant(value_floats=[score_floor])
        )
        places = op.Gather(chosen, op.Constant(value_ints=[0, 2]), axis=1)  # (n, 2): image, row
        ones = op.Expand(op.Constant(value_float=1.0), op.Shape(places, start=0, end=1))
        return op.ScatterND(op.Mul(scores, op.Constant(value_float=0.0)), places, ones)

    def onnx_floor_divide(indices: Any, divisor: Any) -> Any:
        # Indices are never negative: ONNX's Div, which cuts towards 0, is enough, and every engine has it for integers.
        return op.Div(indices, op.Constant(value_int=divisor) if isinstance(divisor, int) else divisor)

    def onnx_hard_sigmoid(values: Any) -> Any:
        return op.HardSigmoid(values, alpha=HARD_SIGMOID_SLOPE, beta=0.5)

    def onnx_upsample_nearest(maps: Any, output_size: Any, scale_factors: Any = None) -> Any:
        # PyTorch's own form asks Shape for two of its four values, which OpenCV 4.12 does not read.
        batch_channels = op.Slice(op.Shape(maps), op.Constant(value_ints=[0]), op.Constant(value_ints=[2]))
        sizes = op.Concat(batch_channels, op.Constant(value_ints=list(output_size)), axis=0)
        return op.Resize(
            maps,
            None,
            None,
            sizes,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    aten = torch.ops.aten
    return {
        torch.ops.edgessd.keep.default: onnx_keep,
        aten.floor_divide.default: onnx_floor_divide,
        aten.hardsigmoid.default: onnx_hard_sigmoid,
        aten.upsample_nearest2d.vec: onnx_upsample_nearest,
    }
