"""What lies beside a deployed model: its card to read, the configuration of `edgessd run`, the commands."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from edgessd.model.card import ModelCard
from edgessd.util.files import write_text
from edgessd_export.deploy.targets import Target

STREAMS = """# edgessd run streams.toml; --check looks at it without opening a camera.
[model]
path = "{model}"

[[streams]]
name = "camera"
source = "{source}"  # a video, /dev/video0, rtsp://..., http://.../mjpeg

[[sinks]]
type = "jsonl"
path = "detections.jsonl"
"""
SOURCES = {"jetson": "csi://0"}
TRITON = """name: "{name}"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [ {{ name: "image", data_type: TYPE_UINT8, dims: [ {height}, {width}, 3 ] }} ]
output [
  {{ name: "boxes", data_type: TYPE_FP32, dims: [ {kept}, 4 ] }},
  {{ name: "scores", data_type: TYPE_FP32, dims: [ {kept} ] }},
  {{ name: "classes", data_type: TYPE_INT32, dims: [ {kept} ] }},
  {{ name: "count", data_type: TYPE_INT32, dims: [ 1 ], reshape: {{ shape: [ ] }} }}
]
"""
WEB = """import * as ort from "onnxruntime-web";

// pixels: Uint8ClampedArray RGBA of a canvas of {width} x {height}, the whole picture drawn onto it.
export async function detect(session, pixels) {{
  const plane = {width} * {height};
  const values = new Float32Array(3 * plane);
  for (let place = 0; place < plane; place++)
    for (let colour = 0; colour < 3; colour++) values[colour * plane + place] = pixels[4 * place + colour];
  const image = new ort.Tensor("float32", values, [1, 3, {height}, {width}]);
  const {{ boxes, scores, classes, count }} = await session.run({{ image }});
  return Array.from({{ length: Number(count.data[0]) }}, (_, row) => ({{
    label: LABELS[classes.data[row]],
    score: scores.data[row],
    box: Array.from(boxes.data.slice(4 * row, 4 * row + 4)), // left, top, right, bottom: fractions of the picture
  }}));
}}

export const LABELS = {labels};
"""


def write_files(folder: Path, target: Target, card: ModelCard, told: Sequence[str], pictures: str | None) -> None:
    """Write all but the model. told: what was done, for the README. pictures: a folder to try it on."""
    write_text(folder / "card.json", card.dumps() + "\n")
    model = "model.engine" if target.module else "model.onnx"
    built = (folder / "model.engine").exists()
    write_text(folder / "labels.txt", "".join(f"{label}\n" for label in card.labels))
    if target.name == "triton":
        _triton(folder, card)
    elif target.name == "web":
        text = WEB.format(width=card.width, height=card.height, labels=json.dumps(card.labels, ensure_ascii=False))
        write_text(folder / "detect.js", text)
    else:
        source = SOURCES.get(target.name, "/dev/video0")
        write_text(folder / "streams.toml", STREAMS.format(model=model, source=source))
    lines = [
        f"# {card.name}, for {target.says}",
        "",
        *(f"- {line}" for line in told),
        "",
        *_commands(target, model, pictures, built=built),
    ]
    write_text(folder / "README.md", "\n".join(lines) + "\n")


def _triton(folder: Path, card: ModelCard) -> None:
    place = folder / "model_repository" / folder_name(card)
    (place / "1").mkdir(parents=True)
    (folder / "model.onnx").rename(place / "1" / "model.onnx")
    values = {"name": folder_name(card), "height": card.height, "width": card.width, "kept": card.kept}
    write_text(place / "config.pbtxt", TRITON.format(**values))


def folder_name(card: ModelCard) -> str:
    """Return the model's name as Triton takes one."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in card.name)


def _commands(target: Target, model: str, pictures: str | None, *, built: bool) -> list[str]:
    match target.name:
        case "triton":
            commands = ["tritonserver --model-repository=$PWD/model_repository"]
        case "web":
            commands = ["npm install onnxruntime-web"]
        case _:
            detect = ("detect", pictures or "video.mp4", "--model", model, "--out", "annotated")
            lines = [detect, ("run", "streams.toml", "--check"), ("run", "streams.toml")]
            if target.module and not built:
                lines.insert(0, ("build", "model.onnx", "--out", model, "--module", target.module))
            commands = [shlex.join(["edgessd", *line]) for line in lines]
    return ["In this folder:", "", *(f"    {command}" for command in commands)]
