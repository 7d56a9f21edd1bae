"""A model repository for NVIDIA Triton: the network for its ONNX Runtime backend, and a Python model around it."""

import json
import shutil
from pathlib import Path

from edgessd.model.card import ModelCard
from edgessd.util.files import write_text

MODEL = Path(__file__).with_name("triton_model.py")
# `count` has no dimension but the batch; Triton's configuration wants one.
NETWORK = """name: "{name}"
platform: "onnxruntime_onnx"
max_batch_size: {most}
input [ {{ name: "image", data_type: TYPE_UINT8, dims: [ {height}, {width}, 3 ] }} ]
output [
  {{ name: "boxes", data_type: TYPE_FP32, dims: [ {kept}, 4 ] }},
  {{ name: "scores", data_type: TYPE_FP32, dims: [ {kept} ] }},
  {{ name: "classes", data_type: TYPE_INT32, dims: [ {kept} ] }},
  {{ name: "count", data_type: TYPE_INT32, dims: [ 1 ], reshape: {{ shape: [ ] }} }}
]
dynamic_batching {{ }}
parameters {{ key: "edgessd", value: {{ string_value: {card} }} }}
"""
# One of the two inputs is sent. Frames of several sizes may share a batch: the model resizes them.
PICTURES = """name: "{name}"
backend: "python"
max_batch_size: {most}
input [
  {{ name: "image", data_type: TYPE_UINT8, dims: [ -1, -1, 3 ], optional: true, allow_ragged_batch: true }},
  {{ name: "picture", data_type: TYPE_STRING, dims: [ 1 ], optional: true }}
]
output [
  {{ name: "boxes", data_type: TYPE_FP32, dims: [ {kept}, 4 ] }},
  {{ name: "scores", data_type: TYPE_FP32, dims: [ {kept} ] }},
  {{ name: "classes", data_type: TYPE_INT32, dims: [ {kept} ] }},
  {{ name: "count", data_type: TYPE_INT32, dims: [ 1 ] }}
]
dynamic_batching {{ }}
instance_group [ {{ count: 1, kind: KIND_CPU }} ]
parameters {{ key: "edgessd", value: {{ string_value: {card} }} }}
"""
MOST = 8  # images in a batch


def write_repository(folder: Path, onnx: Path, card: ModelCard) -> None:
    """Write both models; the ONNX file is moved into the first and copied into the second."""
    network = folder / model_name(card)
    pictures = folder / pictures_name(card)
    # ASCII: a protobuf text's string takes the escapes of a JSON string then.
    text = json.dumps(json.dumps(card.as_json(), separators=(",", ":")))
    values = {"height": card.height, "width": card.width, "kept": card.kept, "card": text, "most": MOST}
    for place, config in ((network, NETWORK), (pictures, PICTURES)):
        (place / "1").mkdir(parents=True)
        write_text(place / "config.pbtxt", config.format(name=place.name, **values))
    shutil.copyfile(onnx, pictures / "1" / "model.onnx")
    shutil.copyfile(MODEL, pictures / "1" / "model.py")
    onnx.rename(network / "1" / "model.onnx")


def model_name(card: ModelCard) -> str:
    """Return the network's name as Triton takes one."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in card.name)


def pictures_name(card: ModelCard) -> str:
    """Return the name of the Python model."""
    return f"{model_name(card)}_pictures"
