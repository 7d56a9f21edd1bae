"""The tiny model of the runtime's tests as an engine for the stand-in TensorRT, with its card."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from edgessd.backends.engine.file import sealed
from edgessd.model.card import ModelCard, card_of, sidecar

TINY = Path(__file__).parents[1] / "tiny.onnx"
LARGEST = 4
TENSORS = [
    {"name": "image", "mode": "input", "dtype": "uint8", "shape": [-1, 24, 32, 3]},
    {"name": "offsets", "mode": "output", "dtype": "float32", "shape": [-1, 12, 4]},
    {"name": "scores", "mode": "output", "dtype": "float32", "shape": [-1, 12, 2]},
]


def write_engine(folder: Path, *, profile: tuple[int, int, int] = (1, 1, LARGEST), **changes: Any) -> Path:
    """Write tiny.engine and its card; ``changes`` replace entries of the card's engine part."""
    path = folder / "tiny.engine"
    path.write_text(json.dumps({"tensors": changes.pop("really", TENSORS), "profile": profile}))
    engine = {
        "module": "tensorrt",
        "version": "10.3.0",
        "compute_capabilities": ["8.6"],
        "gpu": None,
        "onnx_sha256": hashlib.sha256(TINY.read_bytes()).hexdigest(),
        "engine_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "tensors": TENSORS,
        "profile": dict(zip(("min", "opt", "max"), profile, strict=True)),
        "options": {},
        "layers": {},
        **changes,
    }
    card: ModelCard = card_of(TINY).with_changes(engine=engine)
    sidecar(path).write_text(sealed(card).dumps())
    return path


def images(count: int, seed: int = 0) -> np.ndarray:
    """Return noise that tells images apart, (count, 24, 32, 3) uint8."""
    return np.random.RandomState(seed).randint(0, 256, (count, 24, 32, 3)).astype(np.uint8)


def scores_of(pictures: np.ndarray) -> np.ndarray:
    """Return the scores that the tiny model gives, (B, 12, 2)."""
    cells = pictures.reshape(len(pictures), 3, 8, 4, 8, 3).astype(np.float32).mean(axis=(2, 4)) / 255
    return cells.reshape(len(pictures), 12, 3)[..., [0, 2]]
