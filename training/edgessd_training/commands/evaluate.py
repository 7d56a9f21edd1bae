"""``edgessd eval``: how well a model finds the boxes of a data set."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgessd.backends import NAMES
from edgessd.util.console import say
from edgessd_training.commands.metric_options import Data, Json, LabelMap, Metric, MetricChoice
from edgessd_training.commands.ray_option import Ray

if TYPE_CHECKING:
    from edgessd.model.card import ModelCard
    from edgessd.model.detections import Detections
    from edgessd.model.postprocess import PostProcess
    from edgessd_training.checkpoint import Checkpoint
    from edgessd_training.data.records import DataSet
    from edgessd_training.metrics.evaluate import Detect

MOST_WORKERS = 16
IMAGES_A_TASK = 8  # of a cluster: some 0.2 s of work


def evaluate(
    model: Annotated[
        str, typer.Argument(help="A .pt, .onnx or .engine file, or the name of a shipped model.")
    ] = "default",
    data: Data = ...,  # type: ignore[assignment]
    metric: MetricChoice = Metric.voc07,
    label_map: LabelMap = None,
    as_json: Json = None,
    detections: Annotated[
        Path | None,
        typer.Option(help="Write what was found, for `edgessd score` and other tools.", show_default="no file"),
    ] = None,
    backend: Annotated[str, typer.Option(help=f"{', '.join(NAMES)}; not for a .pt file.")] = "auto",
    batch: Annotated[int, typer.Option(metavar="N", min=1, help="Images a call of the model.")] = 1,
    nms_iou: Annotated[
        float | None, typer.Option(help="Overlap above which the lower score goes.", show_default="the model's own")
    ] = None,
    ray: Ray = None,
) -> None:
    """Measure a model on a data set, with the decoding and the NMS that ship (scores from 0.01, 200 boxes a class)."""
    from dataclasses import replace

    from edgessd.errors import InputError
    from edgessd.model.postprocess import EVALUATION
    from edgessd.util.files import writable, write_text
    from edgessd.util.overwrite import keep_apart
    from edgessd.util.progress import image_progress
    from edgessd_training.data.read import read_data, with_labels
    from edgessd_training.metrics import evaluate as run
    from edgessd_training.metrics.detections_file import write_rows
    from edgessd_training.metrics.labels import DROPPED, class_order, read_label_map, unreached
    from edgessd_training.metrics.table import print_figures

    for path in filter(None, (as_json, detections)):
        writable(path)
    keep_apart({"--json": as_json, "--detections": detections}, [model, data, label_map])
    if _is_checkpoint(model) and backend != "auto":
        raise InputError(
            f"a checkpoint runs in PyTorch, got --backend {backend}", fix="leave it out, or export the model"
        )
    if _is_checkpoint(model) and ray is not None:
        raise InputError("a checkpoint runs in PyTorch, not on --ray", fix="leave it out, or export the model")
    mapping = read_label_map(label_map) if label_map else None
    data_set = read_data(data)
    card, checkpoint = _load(model)
    order = class_order(card.labels, data_set, mapping)
    if mapping is None:
        settings = replace(EVALUATION, nms_iou=nms_iou)
        data_set = with_labels(data_set, card.labels)
    else:
        # What is mapped to nothing need not enter the NMS: with 90 classes that is most of the time.
        wanted = tuple(label for label, index in zip(card.labels, order, strict=True) if index != DROPPED)
        settings = replace(EVALUATION, nms_iou=nms_iou, labels=wanted)
        if lost := unreached(order, data_set):
            say(f"note: no class of the model is mapped to {', '.join(lost)}: their AP is 0", err=True)
    with (
        _found_by(model, checkpoint, data_set, backend, settings, batch, ray) as found,
        image_progress("eval", len(data_set.records)) as progress,
    ):
        result = run.measured(data_set, found, metric.value, order=order if mapping else None, on_images=progress.count)
    if detections:
        write_rows(detections, result.rows)
    if as_json:
        write_text(as_json, json.dumps({**result.figures, "model": model, "data": data}, indent=1, ensure_ascii=False))
    print_figures(result.figures)
    say(f"{progress.rate:.1f} img/s", err=True)


def _is_checkpoint(model: str) -> bool:
    return Path(model).suffix in (".pt", ".pth")


def _load(model: str) -> "tuple[ModelCard, Checkpoint | None]":
    """Return a model's card, and what was read of it when it is a checkpoint."""
    if _is_checkpoint(model):
        from edgessd.util.extras import need

        need("torch", "train")
        from edgessd_training.checkpoint import load_checkpoint

        checkpoint = load_checkpoint(Path(model))
        return checkpoint.card, checkpoint
    from edgessd.model.card import card_of
    from edgessd.model.shipped import model_path

    return card_of(model_path(model)), None


@contextmanager
def _found_by(
    model: str,
    checkpoint: "Checkpoint | None",
    data: "DataSet",
    backend: str,
    settings: "PostProcess",
    batch: int,
    ray: str | None,
) -> "Iterator[Iterator[Detections]]":
    """Yield what the model finds in each image, here or on a Ray cluster."""
    from edgessd_training.metrics import evaluate as run

    if ray is None:
        with _opened(model, checkpoint, backend, settings) as (detect, workers):
            yield run.detections(detect, data, batch=batch, workers=workers)
        return
    from edgessd_training.picture_workers import looking_on_ray

    with looking_on_ray(model, ray, backend=backend, settings=settings, batch=batch, size=IMAGES_A_TASK) as look:
        yield run.detections_by(look, data)


@contextmanager
def _opened(
    model: str, checkpoint: "Checkpoint | None", backend: str, settings: "PostProcess"
) -> "Iterator[tuple[Detect, int]]":
    """Yield the model as a function, and how many threads may call it at once."""
    if checkpoint is None:
        from edgessd.detector import Detector
        from edgessd.util.cores import usable_cores

        # An engine queues calls on one device; a CPU does best with one call a core.
        workers = 1 if Path(model).suffix == ".engine" else min(usable_cores(), MOST_WORKERS)
        with Detector(model, backend=backend, settings=settings, workers=workers) as detector:
            yield detector.detect_batch, workers
        return
    import torch

    from edgessd_training.metrics.network import network_detector

    network = checkpoint.network.to("cuda" if torch.cuda.is_available() else "cpu")
    with network_detector(network, checkpoint.card, settings) as detect:
        yield detect, 1
