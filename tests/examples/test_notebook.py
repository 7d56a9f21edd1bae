"""The notebook runs from its first cell to its last."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "labels_to_engine.ipynb"


def test_the_notebook_runs(tmp_path: Path) -> None:
    """Its code as one script, as a kernel runs it cell by cell; one epoch, for the time it takes."""
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    script = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    short = {**os.environ, "EPOCHS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=short,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "squares_fp16.onnx").exists()
    assert (tmp_path / "run/report.html").exists()


def test_the_notebook_holds_no_output() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []
