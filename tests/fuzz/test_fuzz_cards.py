"""Cards, ONNX metadata and engine headers, mutated: a value or a named error of one line, in time, without a traceback.

EDGESSD_FUZZ=100000 runs so many cases of each; without it a few thousand.
"""

import os
import random
from pathlib import Path
from time import perf_counter

import pytest
from mutate_json import mutated_bytes, mutated_json

from edgessd.backends.engine.file import open_engine, rebuild_command, sealed
from edgessd.backends.engine.report import describe_engine
from edgessd.detector import decoder_for
from edgessd.errors import EdgessdError
from edgessd.model.card import METADATA_KEY, ModelCard, card_of, loads, sidecar
from edgessd.model.engine_kind import kind_of
from edgessd.model.onnx_metadata import ir_version, read_metadata
from edgessd.model.postprocess import REALTIME
from edgessd.model.self_test import self_test_input

CASES = int(os.environ.get("EDGESSD_FUZZ", "2000"))
TINY = Path(__file__).parents[1] / "runtime" / "tiny.onnx"
SLOWEST_SECONDS = 5.0
SMALL = 1 << 20  # pixels: a network of more is sound, and its test image slow


def check_error(error: EdgessdError) -> None:
    assert "\n" not in error.cause
    assert len(str(error)) < 2000
    str(error).encode()


def engine_values() -> dict[str, object]:
    return {
        "module": "tensorrt_rtx",
        "version": "1.7.1.116",
        "compute_capabilities": ["8.6", "8.9"],
        "gpu": None,
        "onnx": "m.onnx",
        "onnx_sha256": "0" * 64,
        "engine_sha256": "0" * 64,
        "tensors": [{"name": "image", "mode": "input", "dtype": "uint8", "shape": [-1, 24, 32, 3]}],
        "profile": {"min": 1, "opt": 1, "max": 8},
        "options": {"batches": [1, 1, 8], "level": 3, "compute_capabilities": ["8.9"], "tf32": True},
        "layers": {"total": 5, "precisions": {"int8": 2}, "convolutions": 2, "convolutions_built": {"int8": 2}},
        "memory_bytes": {"activation": 1_500_000},
        "build": {"seconds": 2.5},
    }


@pytest.mark.parametrize("contract", ["raw", "compact"])
def test_cards(contract: str) -> None:
    card = card_of(TINY)
    if contract == "compact":
        card = card.with_changes(contract="compact", kept=5, self_test={})
    value, loaded = card.as_json(), 0
    for seed in range(CASES):
        start = perf_counter()
        text = mutated_json(value, random.Random(seed))
        try:
            found = loads(text, where="m.onnx")
        except EdgessdError as error:
            check_error(error)
        else:
            loaded += 1
            assert loads(found.dumps(), where="m.onnx") == found
            decoder_for(found, REALTIME)
            if found.height * found.width < SMALL:
                self_test_input(found)
        assert perf_counter() - start < SLOWEST_SECONDS, seed
    assert loaded > 0


def test_metadata(tmp_path: Path) -> None:
    content, path = TINY.read_bytes(), tmp_path / "m.onnx"
    for seed in range(CASES):
        path.write_bytes(mutated_bytes(content, random.Random(seed)))
        start = perf_counter()
        for read in (card_of, ir_version, lambda file: read_metadata(file, METADATA_KEY)):
            try:
                read(path)
            except EdgessdError as error:
                check_error(error)
        assert perf_counter() - start < SLOWEST_SECONDS, seed


def test_graph_inputs(tmp_path: Path) -> None:
    graph_input = pytest.importorskip("edgessd_export.engine.graph_input")
    content, path = TINY.read_bytes(), tmp_path / "m.onnx"
    for seed in range(CASES):
        changed = mutated_bytes(content, random.Random(seed))
        if not changed:
            continue
        path.write_bytes(changed)
        start = perf_counter()
        for read in (graph_input.fixed_batch, graph_input.external_files):
            try:
                read(path)
            except EdgessdError as error:
                check_error(error)
        assert perf_counter() - start < SLOWEST_SECONDS, seed


def test_engines(tmp_path: Path) -> None:
    path = tmp_path / "m.engine"
    card = sealed(card_of(TINY).with_changes(engine=engine_values())).as_json()
    header = b'\x2e\x00\x00\x00{"description": "a detector", "task": "detect"}ftrt' + bytes(40)
    for seed in range(CASES):
        rng = random.Random(seed)
        path.write_bytes(mutated_bytes(rng.choice([header, b"vtrt" + bytes(60)]), rng))
        text = mutated_json(card, rng)
        sidecar(path).write_bytes(text.encode(errors="surrogatepass"))
        start = perf_counter()
        for read in (kind_of, open_engine, describe_engine):
            try:
                read(path)
            except EdgessdError as error:
                check_error(error)
        assert perf_counter() - start < SLOWEST_SECONDS, seed


def test_engines_whose_hash_is_right(tmp_path: Path) -> None:
    """Who edits a card can hash it again: its values are checked, not only its hash."""
    path = tmp_path / "m.engine"
    path.write_bytes(b"vtrt" + bytes(60))
    card = card_of(TINY)
    for seed in range(CASES):
        try:
            changed = loads(mutated_json({**card.as_json(), "engine": engine_values()}, random.Random(seed)), where="x")
        except EdgessdError:
            continue
        opened = _opened(path, sealed(changed))
        if opened is not None:
            rebuild_command(opened, path)


def _opened(path: Path, card: ModelCard) -> ModelCard | None:
    sidecar(path).write_text(card.dumps())
    try:
        opened, _ = describe_engine(path)
    except EdgessdError as error:
        check_error(error)
        return None
    return opened
