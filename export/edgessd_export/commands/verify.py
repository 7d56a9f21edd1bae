"""``edgessd verify``: is one model file what the other is?"""

from pathlib import Path

import typer

from edgessd_training.commands.metric_options import Data, LabelMap, Metric, MetricChoice


def verify(
    reference: Path = typer.Argument(..., help="The model that is right: .pt, .onnx or .engine."),
    candidate: Path = typer.Argument(..., help="The model made from it: .pt, .onnx or .engine."),
    data: Data = ...,  # type: ignore[assignment]
    max_map_drop: float = typer.Option(0.005, metavar="X", min=0, max=1, help="The largest fall of mAP that passes."),
    min_matched: float | None = typer.Option(
        None,
        metavar="X",
        min=0,
        max=1,
        help="The smallest share of boxes with a partner; left out, 0.995 for fp32, 0.97 for fp16, 0.9 for int8.",
    ),
    metric: MetricChoice = Metric.voc07,
    label_map: LabelMap = None,
    backend: str = typer.Option("auto", help="What runs .onnx files: auto (onnxruntime), onnxruntime, openvino."),
    threads: int | None = typer.Option(None, metavar="N", min=1, help="Cores for one call; left out, all."),
    first: int | None = typer.Option(None, metavar="N", min=1, help="Take only this many images."),
    report: Path | None = typer.Option(None, metavar="F.json", help="Write all figures as JSON."),
) -> None:
    """Compare two forms of a model: tensors, boxes, mAP and speed; exit 1 when a limit is passed."""
    import json
    from dataclasses import replace

    from edgessd.errors import ExportError
    from edgessd.util.files import readable, writable, write_text
    from edgessd.util.overwrite import keep_apart
    from edgessd.util.progress import image_progress
    from edgessd_export.parity.compare import open_model
    from edgessd_export.parity.gate import complaints, limits_for, same_model
    from edgessd_export.parity.verify import print_table, truth_for
    from edgessd_export.parity.verify import verify as run
    from edgessd_training.data.read import read_data
    from edgessd_training.metrics.labels import read_label_map

    for path in (reference, candidate):
        readable(path, "model file")
    if report:
        keep_apart({"--report": writable(report)}, [reference, candidate, data, label_map])
    read = read_data(data)
    records = replace(read, records=read.records[:first])
    joined = read_label_map(label_map) if label_map else None
    with (
        open_model(reference, backend, threads) as right,
        open_model(candidate, backend, threads) as made,
        image_progress("verify", len(records.records)) as progress,
    ):
        wrong = same_model(right.card, made.card)
        if wrong:
            raise ExportError(f"{candidate} is not a form of {reference}", fix=f"{'; '.join(wrong)}; export it again")
        limits = limits_for(right.card, made.card)
        if min_matched is not None:
            limits = replace(limits, matched=min_matched)
        truth = truth_for(records, right.card.labels, joined, metric.value)
        figures = run(right, made, truth, lambda: progress.count(1))
        wrong = complaints(figures, limits, max_map_drop)
        print_table(right, made, figures, wrong)
    if report:
        content = {"reference": str(reference), "candidate": str(candidate), "passed": not wrong, "refused": wrong}
        write_text(report, json.dumps({**content, **figures}, indent=1) + "\n")
    if wrong:
        raise ExportError(f"{candidate} is refused", fix=f"{'; '.join(wrong)}")
