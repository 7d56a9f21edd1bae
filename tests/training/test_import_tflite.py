"""The import of Google's COCO SSD: the real file, and files that are not it."""

import random
from pathlib import Path

import pytest
import torch

from edgessd.commands.cli import run
from edgessd.errors import InputError
from edgessd_training.checkpoint import load_checkpoint
from edgessd_training.importers.labels import read_labels
from edgessd_training.importers.tflite import import_tflite

WEIGHTS = Path(__file__).parents[2].parent / "shared" / "data" / "weights"
TFLITE = WEIGHTS / "detect.tflite"
needs_file = pytest.mark.skipif(not TFLITE.is_file(), reason="no detect.tflite in ../shared/data/weights")
LABELS = WEIGHTS / "labelmap.txt"


@needs_file
def test_the_verb_writes_a_checkpoint_that_loads(tmp_path: Path) -> None:
    out = tmp_path / "coco.pt"
    assert run(["import", "tflite", str(TFLITE), "--out", str(out), "--name", "coco"]) == 0
    checkpoint = load_checkpoint(out)
    assert checkpoint.card.name == "coco"
    assert checkpoint.card.labels[0] == "person"
    assert len(checkpoint.card.labels) == 90
    assert len(checkpoint.card.priors) == 1917
    offsets, logits = checkpoint.network(torch.zeros(1, 300, 300, 3, dtype=torch.uint8))
    assert offsets.shape == (1, 1917, 4)
    assert logits.shape == (1, 1917, 90)


@needs_file
def test_labels_of_another_model_are_refused(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("background\ncat\ndog\n")
    with pytest.raises(InputError, match="90 classes without the background, but 2 labels"):
        import_tflite(TFLITE, labels)


@needs_file
def test_a_missing_label_map_names_the_option(tmp_path: Path) -> None:
    alone = tmp_path / "detect.tflite"
    alone.write_bytes(TFLITE.read_bytes())
    with pytest.raises(InputError, match="--labels"):
        import_tflite(alone)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x1c\x00\x00\x00TFL3", b"\x00" * 64, b"TFL3" * 9])
def test_what_is_not_tflite_is_refused_in_one_line(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "model.tflite", tmp_path / "out.pt"
    path.write_bytes(content)
    assert run(["import", "tflite", str(path), "--out", str(out)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not out.exists()


@needs_file
def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = TFLITE.read_bytes()
    path = tmp_path / "cut.tflite"
    chooser = random.Random(3)
    # The last 8 bytes are padding and a table nobody reads; without them nothing is lost.
    for length in [1, 7, 8, 9, 100, len(whole) - 12, *(chooser.randrange(len(whole)) for _ in range(20))]:
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            import_tflite(path, LABELS)


@needs_file
def test_flipped_bytes_give_a_network_or_an_input_error(tmp_path: Path) -> None:
    whole = TFLITE.read_bytes()
    # Weights look like noise; what is half zeros is the file's structure, where a flip does harm.
    structure = [place for place in range(0, len(whole), 512) if whole[place : place + 512].count(0) > 150]
    path = tmp_path / "flipped.tflite"
    chooser = random.Random(4)
    for _ in range(25):
        flipped = bytearray(whole)
        for _ in range(8):
            place = min(chooser.choice(structure) + chooser.randrange(512), len(whole) - 1)
            flipped[place] ^= chooser.randrange(1, 256)
        path.write_bytes(flipped)
        try:
            checkpoint = import_tflite(path, LABELS)
        except InputError:
            continue
        assert all(value.isfinite().all() for value in checkpoint.network.state_dict().values())


def test_read_labels_drops_the_background_and_names_unused_ids(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("???\nperson\n???\ncar\n\n")
    assert read_labels(path) == ("person", "unused 2", "car")
    path.write_text("person\ncar")
    assert read_labels(path) == ("person", "car")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"cat\n\ndog", "line 2"), (b"cat\ncat", "twice"), (b"\xff\xfe\x00", "not text"), (b"???\n", "no label")],
)
def test_bad_label_files_are_refused(content: bytes, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        read_labels(path)
