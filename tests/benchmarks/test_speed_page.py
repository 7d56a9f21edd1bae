"""The page, the tables and the pictures of a made-up run, with a failed and an absent entry."""

from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from speed_run import made_up_run

from comparison.budgets import overhead_budget, peers_budget, pipeline_budgets, vgg_budget
from comparison.change import print_change
from comparison.page import page, write_page
from comparison.plots import pareto, plot_accuracy, plot_stages, points
from comparison.table import print_run


def test_page_names_machine_failures_and_absent_peers() -> None:
    text = page(made_up_run())
    assert "| edgessd m int8, openvino | 3.00 |" in text
    assert "| broken | failed |" in text
    assert "broken: failed: ImportError: no nms" in text
    assert "absent: absent, needs no_such_module" in text
    assert "| peer | 40.0 | 40.0 |" in text
    assert "AP 25.1: its page" in text
    rows = [line for line in text.splitlines() if line.startswith("| edgessd m")]
    heads = [line for line in text.splitlines() if line.startswith("|") and line.endswith("CPU by |")]
    assert [row.count("|") for row in rows] == [head.count("|") for head in heads]


def test_page_and_pictures_are_written(tmp_path: Path) -> None:
    write_page(made_up_run(), tmp_path / "benchmarks.md")
    for name in ("bench_map.png", "bench_stages.png"):
        picture = cv2.imread(str(tmp_path / "images" / name))
        assert picture is not None
        assert np.ptp(picture) > 100


def test_pictures_of_a_run_without_accuracy(tmp_path: Path) -> None:
    run = made_up_run()
    for entry in run["entries"]:
        entry["accuracy"] = None
    assert points(run, "coco") == []
    plot_accuracy(run, tmp_path / "map.png")
    plot_stages(run, tmp_path / "stages.png")


def test_a_model_is_shown_once_at_its_cheapest_and_the_line_joins_what_nothing_undercuts() -> None:
    run = made_up_run()
    ours = run["entries"][0]
    ours["accuracy"] = {"percent": 74.0, "metric": "voc07", "measured": True}
    dearer = ours | {"name": "edgessd m int8, onnxruntime", "cpu_ms": 2 * ours["cpu_ms"]}
    run["entries"].append(dearer)
    assert points(run, "voc07") == [ours]
    assert pareto([(3, 70), (1, 60), (2, 75), (2, 60), (9, 80)]) == [(1, 60), (2, 75), (9, 80)]


def test_table_and_change_print_every_entry() -> None:
    console = Console(record=True, width=200)
    run = made_up_run()
    print_run(run, console)
    print_change(run, run, console)
    text = console.export_text()
    assert "failed: broken: ImportError: no nms" in text
    assert "absent: absent (needs no_such_module)" in text
    assert "5.50 (5.00-6.00)" in text


def test_budgets_judge_the_measured_figures() -> None:
    run = made_up_run()
    rate, share = pipeline_budgets(run)
    assert (rate.met, share.met) == (True, True)  # 100 FPS; 95 % of 2 cores / 19 ms
    closest = peers_budget(run)
    assert closest.met is True
    assert closest.measured == "2.50x (2.50-2.50) peer"
    run["entries"][1]["end_to_end"]["first_is_faster"] = {"median": 1.2, "low": 1.0, "high": 1.3, "rounds": 2}
    assert peers_budget(run).met is False
    assert overhead_budget(run["entries"][0]).met is None
    assert vgg_budget(run).met is None
