"""Tensors in the body of a request and of its answer: KServe's protocol version 2 with Triton's binary extension.

A body is a JSON text, its length told by a header of HTTP, and behind it the tensors' bytes in its order
(github.com/triton-inference-server/server, docs/protocol/extension_binary_data.md).
"""

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.backends.graph_tensors import INPUT, TYPES
from edgessd.errors import InputError
from edgessd.model.card import ModelCard
from edgessd.util.bounded_json import items, parse_json, short

LENGTH_HEADER = "Inference-Header-Content-Length"
DTYPES = {"FP32": "float32", "FP16": "float16", "INT32": "int32", "INT64": "int64"}
MAX_JSON_BYTES = 1 << 16
_MOST_BYTES = 8  # of one value


def request(images: NDArray[np.uint8], card: ModelCard) -> tuple[bytes, int]:
    """Return the body that asks for the card's outputs of (B, H, W, 3) uint8 BGR, and the length of its JSON."""
    sent = {"name": INPUT, "shape": list(images.shape), "datatype": "UINT8"}
    text = json.dumps(
        {
            "inputs": [{**sent, "parameters": {"binary_data_size": images.nbytes}}],
            "outputs": [{"name": name, "parameters": {"binary_data": True}} for name in card.outputs],
        }
    ).encode()
    return text + images.tobytes(), len(text)


def most_bytes(card: ModelCard, batch: int) -> int:
    """Return the length that no answer for so many images exceeds."""
    values = sum(math.prod(card.output_shape(name)) for name in card.outputs)
    return MAX_JSON_BYTES + _MOST_BYTES * batch * values


def tensors(body: bytes, length: int, card: ModelCard, batch: int) -> tuple[NDArray[Any], ...]:
    """Return the card's outputs in an answer, in the card's order. Raises InputError for what they are not.

    length: of the JSON. The arrays are read-only views of the body.
    """
    answer = parse_json(body[:length], most=MAX_JSON_BYTES)
    found: dict[str, NDArray[Any]] = {}
    start = length
    for output in items(answer.get("outputs") if isinstance(answer, dict) else None, "its outputs"):
        if not isinstance(output, dict) or not isinstance(output.get("parameters"), dict):
            raise InputError(f"an output must be a table with binary data, got {short(output)}")
        name, dtype = output.get("name"), DTYPES.get(str(output.get("datatype")))
        if name not in card.outputs or dtype not in TYPES[name]:
            raise InputError(f"its output {short(name)} of {short(output.get('datatype'))} is none of the card's")
        shape = (batch, *card.output_shape(name))
        size = np.dtype(dtype).itemsize * math.prod(shape)
        if output["parameters"].get("binary_data_size") != size or start + size > len(body):
            raise InputError(f"its {name} must have {size} bytes, the shape {list(shape)}")
        # By the card's shape: Triton gives `count`, which has no dimension but the batch, one more.
        found[name] = np.frombuffer(body, dtype, math.prod(shape), start).reshape(shape)
        start += size
    if missing := set(card.outputs) - set(found):
        raise InputError(f"it lacks {', '.join(sorted(missing))}")
    return tuple(found[name] for name in card.outputs)
