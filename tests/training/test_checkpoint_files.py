"""What stands where a checkpoint belongs: archives that unpack to more, files of another kind."""

import pickle
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import torch
from disks import disk_of_16_mb

from edgessd.errors import InputError
from edgessd_training.checkpoint import card_for, load_checkpoint, load_weights_file, save_checkpoint, save_torch
from edgessd_training.networks import build


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


def test_safetensors_are_named_whatever_the_suffix(tmp_path: Path) -> None:
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (tmp_path / "m.pt").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(InputError, match=r"safetensors file, .* torch\.save"):
        load_weights_file(tmp_path / "m.pt")


@pytest.mark.filterwarnings("error")
def test_a_plain_pickle_is_refused_without_a_warning_beside(tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_bytes(pickle.dumps({"a": 1}, protocol=4))
    with pytest.raises(InputError, match="holds Python objects"):
        load_weights_file(tmp_path / "m.pt")


def test_a_checkpoint_with_a_changed_byte_is_refused(tmp_path: Path) -> None:
    """PyTorch would load the other weights in silence."""
    description = {"family": "ssdlite_mobilenet_v2", "input_size": 96, "width": 0.35, "classes": 1}
    network = build(description)
    path = tmp_path / "m.pt"
    save_checkpoint(path, network, description, card_for(network, name="m", labels=("a",)))
    load_checkpoint(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged.*copy it again"):
        load_checkpoint(path)


def test_a_full_disk_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    with disk_of_16_mb(tmp_path / "disk") as disk:
        with pytest.raises(InputError, match="No space left on device"):
            save_torch(disk / "state.pt", {"weights": torch.zeros(5_000_000)})
        assert list(disk.iterdir()) == []
