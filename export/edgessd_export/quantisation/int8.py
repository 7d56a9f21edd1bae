"""Int8 written into a float graph: from what ranges, for which engine, with which layers left in float."""

from collections.abc import Collection
from dataclasses import dataclass, field

import onnx

from edgessd.errors import InputError
from edgessd_export.graph.layers import Graph
from edgessd_export.quantisation.calibration import Calibration
from edgessd_export.quantisation.qdq import VARIANTS


@dataclass(frozen=True)
class Int8:
    """How int8 is made. variant: tensorrt or cpu; rest: precision of what is not int8, fp32 or fp16."""

    variant: str
    calibration: Calibration
    rest: str = "fp32"
    keep_float: Collection[str] = field(default_factory=tuple)


def quantised(model: onnx.ModelProto, int8: Int8) -> onnx.ModelProto:
    """Return a copy of a float graph with int8 written into it. Raises InputError for layers that do not exist."""
    names = {layer.name for layer in Graph(model).layers}
    unknown = sorted(set(int8.keep_float) - names)
    if unknown:
        raise InputError(
            f"no layer {unknown[0]!r} to keep in float", fix=f"this network has {', '.join(sorted(names))}"
        )
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return VARIANTS[int8.variant](copy, int8.calibration.ranges, int8.keep_float, int8.calibration.moments)
