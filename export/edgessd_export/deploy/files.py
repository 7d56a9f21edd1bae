"""What lies beside a deployed model: its card to read, the configuration of `edgessd run`, the commands."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from edgessd.model.card import ModelCard
from edgessd.model.postprocess import REALTIME
from edgessd.util.files import write_text
from edgessd_export.deploy.targets import Target
from edgessd_export.deploy.triton import model_name, pictures_name, write_repository

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
WEB = Path(__file__).with_name("web")  # a page, and the function that it and a program of one's own call
WEB_README = """In this folder:

    npm install
    python3 -m http.server

Then open http://localhost:8000, choose a picture or the camera. In a program of your own:

```js
import * as ort from "onnxruntime-web";
import {{ detect }} from "./detect.js";

const session = await ort.InferenceSession.create("model.onnx");
context.drawImage(picture, 0, 0, {width}, {height}); // of a canvas of that size
const found = await detect(session, context.getImageData(0, 0, {width}, {height}).data);
```

`found` has a label, a score and a box each: left, top, right, bottom in fractions of the picture.
"""


def write_files(folder: Path, target: Target, card: ModelCard, told: Sequence[str], pictures: str | None) -> None:
    """Write all but the model. told: what was done, for the README. pictures: a folder to try it on."""
    write_text(folder / "card.json", card.dumps() + "\n")
    model = "model.engine" if target.module else "model.onnx"
    built = (folder / "model.engine").exists()
    write_text(folder / "labels.txt", "".join(f"{label}\n" for label in card.labels))
    if target.name == "triton":
        write_repository(folder / "model_repository", folder / "model.onnx", card)
    elif target.name == "web":
        _web(folder, card)
    else:
        source = SOURCES.get(target.name, "/dev/video0")
        write_text(folder / "streams.toml", STREAMS.format(model=model, source=source))
    lines = [
        f"# {card.name}, for {target.says}",
        "",
        *(f"- {line}" for line in told),
        "",
        *_commands(target, card, model, pictures, built=built),
    ]
    write_text(folder / "README.md", "\n".join(lines) + "\n")


def _web(folder: Path, card: ModelCard) -> None:
    least = REALTIME.thresholds(card.labels, card.thresholds).tolist()
    model = {
        "width": card.width,
        "height": card.height,
        "labels": card.labels,
        "thresholds": {label: round(score, 4) for label, score in zip(card.labels, least, strict=True)},
    }
    for name in ("index.html", "detect.js", "package.json"):
        text = (WEB / name).read_text(encoding="utf-8")
        write_text(folder / name, text.replace("MODEL = {}", f"MODEL = {json.dumps(model, ensure_ascii=False)}"))


def _commands(target: Target, card: ModelCard, model: str, pictures: str | None, *, built: bool) -> list[str]:
    match target.name:
        case "triton":
            commands = [
                f"pip install '.[cpu]'  # in a clone of edgessd, by the server's Python, for {pictures_name(card)}",
                "tritonserver --model-repository=$PWD/model_repository",
                shlex.join(
                    ["edgessd", "detect", pictures or "video.mp4", "--url", f"triton://HOST/{model_name(card)}"]
                ),
            ]
        case "web":
            return WEB_README.format(width=card.width, height=card.height).splitlines()
        case _:
            detect = ("detect", pictures or "video.mp4", "--model", model, "--out", "annotated")
            lines = [detect, ("run", "streams.toml", "--check"), ("run", "streams.toml")]
            if target.module and not built:
                lines.insert(0, ("build", "model.onnx", "--out", model, "--module", target.module))
            commands = [shlex.join(["edgessd", *line]) for line in lines]
    return ["In this folder:", "", *(f"    {command}" for command in commands)]
