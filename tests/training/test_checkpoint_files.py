"""What stands where a checkpoint belongs: archives that unpack to more, files of another kind."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import torch

from edgessd.errors import InputError
from edgessd_training.checkpoint import load_weights_file


def test_an_archive_that_unpacks_to_more_than_it_weighs_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(2_000_000)}, tmp_path / "plain.pt")
    bomb = tmp_path / "bomb.pt"
    with ZipFile(tmp_path / "plain.pt") as plain, ZipFile(bomb, "w", ZIP_DEFLATED) as packed:
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry))
    load_weights_file(tmp_path / "plain.pt")
    with pytest.raises(InputError, match="unpacks to 8 MB"):
        load_weights_file(bomb)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    tiny = Path(__file__).parents[1] / "runtime" / "tiny.onnx"
    for name in ("m.onnx", "renamed.pt"):
        (tmp_path / name).write_bytes(tiny.read_bytes())
        with pytest.raises(InputError, match="is an ONNX file, expected a checkpoint"):
            load_weights_file(tmp_path / name)
