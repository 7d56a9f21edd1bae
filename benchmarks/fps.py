"""The speed comparison: our models beside the peers, on the same frames, on this machine.

python benchmarks/fps.py --help
"""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

# Before any library starts its threads: frames are decoded and read by one process at a time.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import typer
from rich.console import Console

from comparison.check import failed_twice, judge
from comparison.choose import PEERS, QUICK_PEERS, default_models, entries_for, model_files
from comparison.entry import Accuracy
from comparison.history import append, latest_like, read_history
from comparison.rounds import Plan
from edgessd.errors import EdgessdError, InputError

HERE = Path(__file__).resolve().parent
FULL = Plan(rounds=5, seconds=0.6, most=200, video_frames=100)
QUICK = Plan(rounds=3, seconds=0.3, most=100, video_frames=60, minutes=1.0)
SOAK, QUICK_SOAK = 4000, 0


def fps(
    video: Annotated[
        Path | None, typer.Option(help="Clip whose frames all entries get.", show_default="a generated 720p clip")
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            help="Our models: files, shipped names, or NETWORK:PRECISION made with random weights, by commas. "
            "The first one, by its first backend, is what all ratios are to.",
            show_default="the shipped models and ssd300_vgg16",
        ),
    ] = None,
    peers: Annotated[
        str | None,
        typer.Option(
            help=f"all, none, some of {', '.join(PEERS)}, or parts of names, by commas.",
            show_default="all; with --quick bare,opencv",
        ),
    ] = None,
    batch: Annotated[str, typer.Option(help="Batch sizes of our networks, by commas.")] = "1,8",
    rounds: Annotated[int | None, typer.Option(min=2, help="Rounds.", show_default="5; 3 with --quick")] = None,
    evaluation: Annotated[
        list[str] | None,
        typer.Option("--eval", help="MODEL=FILE: accuracy of one of ours, as `edgessd eval --json` wrote it."),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="History to append this run to.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="CPU time against accuracy; the stages go to NAME_stages.png.")
    ] = None,
    docs: Annotated[Path | None, typer.Option(help="Page to write, with its pictures in images/ beside it.")] = None,
    history: Annotated[
        Path, typer.Option(help="History that --compare and --check read.", show_default="benchmarks/history.json")
    ] = HERE / "history.json",
    compare: Annotated[bool, typer.Option("--compare", help="Show the change since the stored run.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 when our ratios are worse than the stored.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="One model, few peers, no budgets: 2 minutes.")] = False,
    soak: Annotated[int, typer.Option(help="Frames for the memory's growth; 100000 judges the budget.")] = SOAK,
    work: Annotated[
        Path, typer.Option(help="Folder for frames, made models and exports.", show_default="out/bench")
    ] = HERE.parent / "out/bench",
) -> None:
    """Compare our models with the peers: stages, FPS, CPU time, memory, each against the machine's limit."""
    console = Console(highlight=False, soft_wrap=True)
    batches = [_positive(size) for size in ("1" if quick else batch).split(",")]
    chosen = {None: QUICK_PEERS if quick else PEERS, "all": PEERS, "none": ()}.get(peers)
    chosen = tuple(str(peers).split(",")) if chosen is None else chosen
    accuracy = dict(_accuracy(text) for text in evaluation or [])
    plan = QUICK if quick else FULL
    plan = replace(plan, rounds=rounds or plan.rounds)
    stored = read_history(history) if compare or check else []

    def run() -> dict[str, Any]:
        names = models.split(",") if models else default_models(quick=quick)
        return measure(names, video, chosen, batches, accuracy, plan, work, console, soak=0 if quick else soak)

    result = run() | {"quick": quick}
    _report(result, console, json_file, plot, docs)
    before = latest_like(stored, result)
    if (compare or check) and before is None:
        console.print(
            f"nothing to compare with: {history} has no {'quick' if quick else 'full'} run on this processor; "
            f"store one with --json {history}"
        )
    if before is not None and compare:
        from comparison.change import print_change

        print_change(result, before, console)
    if before is not None and check:
        _check(result, before, run, console)


def _check(result: dict[str, Any], before: dict[str, Any], run: Any, console: Console) -> None:
    verdicts = judge(result, before)
    if any(not verdict.passed for verdict in verdicts):
        console.print("worse than stored; measured again, since a busy machine does that too")
        second = judge(run() | {"quick": result["quick"]}, before)
        failed, verdicts = failed_twice(verdicts, second), second
    else:
        failed = []
    for verdict in verdicts:
        console.print(str(verdict), markup=False)
    console.print(f"{len(verdicts)} ratios compared with {before['commit']}, {len(failed)} worse twice")
    if failed:
        raise typer.Exit(1)


def measure(
    names: list[str],
    video: Path | None,
    peers: tuple[str, ...],
    batches: list[int],
    accuracy: dict[str, Accuracy],
    plan: Plan,
    work: Path,
    console: Console,
    *,
    soak: int,
) -> dict[str, Any]:
    """Return one run. soak: frames for the memory's growth; 0 leaves all budgets out."""
    from comparison.budgets import budgets
    from comparison.record import run_record
    from comparison.rounds import run_rounds
    from comparison.video import decoded, describe, generated_clip

    work.mkdir(parents=True, exist_ok=True)
    work = work.resolve()
    clip = (video or generated_clip(work)).resolve()
    frames_file, frames = decoded(clip, work)
    said = Console(stderr=True)
    with said.status("preparing") as status:
        files = model_files(names, frames, work)
        entries, absent = entries_for(files, peers, batches, accuracy, work)
        series = run_rounds(entries, frames_file, clip, plan, status.update)
        what = describe(clip, frames) + ("" if video else ", generated")
        run = run_record(series, absent, plan, what, quick=False)
        if "fps" not in run["entries"][0]:
            raise InputError(f"{run['first']} does not run ({run['entries'][0]['failure']}): choose another --models")
        if soak:
            status.update("budgets: camera, memory, start")
            run["budgets"] = budgets(run, files[0], clip, soak=soak)
    return run


def _report(
    run: dict[str, Any], console: Console, json_file: Path | None, plot: Path | None, docs: Path | None
) -> None:
    from comparison.table import print_run

    print_run(run, console)
    if json_file is not None:
        append(json_file, run)
    if plot is not None:
        from comparison.plots import plot_accuracy, plot_stages

        plot_accuracy(run, plot)
        plot_stages(run, plot.with_name(f"{plot.stem}_stages{plot.suffix}"))
    if docs is not None:
        from comparison.page import write_page

        write_page(run, docs)


def _positive(text: str) -> int:
    if not text.strip().isdigit() or not 0 < int(text) <= 64:
        raise InputError(f"--batch takes sizes of 1 to 64 by commas, got {text!r}")
    return int(text)


def _accuracy(text: str) -> tuple[str, Accuracy]:
    import json

    from comparison.ours import eval_accuracy
    from edgessd.util.files import readable

    name, _, file = text.partition("=")
    try:
        found = eval_accuracy(json.loads(readable(Path(file), "figures of `edgessd eval --json`").read_text()), file)
    except ValueError as error:
        raise InputError(f"{file} holds no JSON ({error}): write it with `edgessd eval --json`") from error
    if found is None:
        raise InputError(f"{file} holds neither mAP nor AP: write it with `edgessd eval --json`")
    return Path(name).stem, found


def main() -> None:
    """Run the command; a named error is one line and its exit code."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(fps)
    try:
        app()
    except EdgessdError as error:
        Console(stderr=True).print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
