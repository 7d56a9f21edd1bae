"""`edgessd card` changes labels and thresholds by name, and puts a card back onto the model that it is of alone."""

import shutil
from pathlib import Path

import onnx
import pytest
from convolutions import CARD
from small_network import small_checkpoint

from edgessd.backends.engine.file import open_engine, sealed
from edgessd.commands.cli import run
from edgessd.model.card import METADATA_KEY, card_of, sidecar
from edgessd.util.files import file_sha256
from edgessd_export.engine.options import BuildOptions
from edgessd_export.write import export_onnx
from edgessd_training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

FIGURES = {"voc07": {"mAP": 0.6, "per_class": {"cat": 0.5, "dog": 0.6, "hen": 0.7}}, "data": "yard"}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Measured, with a threshold for the dog."""
    checkpoint = small_checkpoint()
    card = checkpoint.card.with_changes(metrics=FIGURES, thresholds={"dog": 0.4})
    path = tmp_path_factory.mktemp("card") / "m.onnx"
    export_onnx(Checkpoint(checkpoint.network, checkpoint.description, card), path)
    return path


@pytest.fixture(scope="module")
def stripped(exported: Path) -> Path:
    """The same as another tool leaves it: without metadata, and with some of its own."""
    model = onnx.load(str(exported))
    del model.metadata_props[:]
    model.metadata_props.add(key="tool", value="left this")
    path = exported.with_name("stripped.onnx")
    onnx.save(model, str(path))
    return path


def test_it_shows_labels_thresholds_and_figures(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["card", str(exported)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["dog", "0.4", "0.6000"] in rows
    assert ["hen", "0.3", "(default)", "0.7000"] in rows
    assert ["mAP", "voc07", "0.6000"] in rows


def test_a_renamed_class_keeps_its_place_threshold_and_figure(exported: Path, tmp_path: Path) -> None:
    before, source, out = exported.read_bytes(), card_of(exported), tmp_path / "n.onnx"
    changes = ["--rename", "dog=hound", "--rename", "cat=tom = cat", "--threshold", "hen=0.8"]
    assert run(["card", str(exported), *changes, "--out", str(out)]) == 0
    card = card_of(out)
    assert card.labels == ("tom = cat", "hound", "hen")
    assert card.thresholds == {"hound": 0.4, "hen": 0.8}
    assert card.metrics["voc07"] == {"mAP": 0.6, "per_class": {"tom = cat": 0.5, "hound": 0.6, "hen": 0.7}}
    assert card.training["renamed"] == {"hound": "dog", "tom = cat": "cat"}
    assert (card.self_test, card.priors) == (source.self_test, source.priors)
    assert exported.read_bytes() == before
    old, new = (onnx.load(str(path)) for path in (exported, out))
    assert new.graph == old.graph
    assert [entry.key for entry in new.metadata_props] == [METADATA_KEY]


def test_a_chain_of_names_ends_at_the_first(exported: Path, tmp_path: Path) -> None:
    for step, (source, change) in enumerate(((exported, "dog=x"), (tmp_path / "0.onnx", "x=y"))):
        assert run(["card", str(source), "--rename", change, "--out", str(tmp_path / f"{step}.onnx")]) == 0
    assert card_of(tmp_path / "1.onnx").training["renamed"] == {"y": "dog"}
    assert run(["card", str(tmp_path / "1.onnx"), "--rename", "y=dog", "--out", str(tmp_path / "back.onnx")]) == 0
    assert card_of(tmp_path / "back.onnx").labels == card_of(exported).labels
    assert card_of(tmp_path / "back.onnx").training["renamed"] == {}


def test_a_threshold_goes_back_to_the_default(exported: Path, tmp_path: Path) -> None:
    assert run(["card", str(exported), "--threshold", "dog=default", "--out", str(tmp_path / "n.onnx")]) == 0
    assert card_of(tmp_path / "n.onnx").thresholds == {}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rename", "dgo=hound"], "no label 'dgo': did you mean 'dog'?"),
        (["--rename", "dog=cat"], "'cat' is there already"),
        (["--rename", "dog=cat", "--rename", "cat=dog"], "'cat' is there already"),
        (["--rename", "dog=x", "--rename", "cat=x"], "two labels cannot get one name"),
        (["--rename", "dog"], "expected OLD=NEW, got 'dog'"),
        (["--rename", "dog="], "expected OLD=NEW, got 'dog='"),
        (["--threshold", "dog=1.5"], "must lie in 0..1, got 1.5"),
        (["--threshold", "dog=nan"], "must lie in 0..1, got nan"),
        (["--threshold", "dog=high"], "a score is a number from 0 to 1, got 'high'"),
        (["--threshold", "henn=0.5"], "did you mean 'hen'?"),
        (["--label", "dog=x"], "did you mean --rename?"),
        (["--data", "photos"], "--data goes with --from"),
        ([], "--out needs --rename, --threshold or --from"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    out = tmp_path / "n.onnx"
    assert run(["card", str(exported), *arguments, "--out", str(out)]) == 2
    assert complaint in capsys.readouterr().err
    assert not out.exists()


def test_the_file_that_is_read_is_never_written(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["card", str(exported), "--rename", "dog=x"]) == 2
    assert run(["card", str(exported), "--rename", "dog=x", "--out", str(exported)]) == 2
    assert "would be lost" in capsys.readouterr().err
    assert card_of(exported).labels == ("cat", "dog", "hen")


def test_a_score_below_the_floor_of_the_graph_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.onnx"
    export_onnx(small_checkpoint(), path, contract="end2end")
    assert card_of(path).score_floor == 0.01
    assert run(["card", str(path), "--threshold", "dog=0.005", "--out", str(tmp_path / "n.onnx")]) == 2
    assert "the graph drops boxes below" in capsys.readouterr().err


def test_a_checkpoint_keeps_its_weights(tmp_path: Path) -> None:
    checkpoint, path, out = small_checkpoint(), tmp_path / "m.pt", tmp_path / "n.pt"
    save_checkpoint(path, checkpoint.network, checkpoint.description, checkpoint.card)
    assert run(["card", str(path), "--rename", "hen=cock", "--out", str(out)]) == 0
    changed = load_checkpoint(out)
    assert changed.card.labels == ("cat", "dog", "cock")
    for name, value in checkpoint.network.state_dict().items():
        assert changed.network.state_dict()[name].equal(value), name


def test_an_engine_is_copied_with_its_card_sealed_again(tmp_path: Path) -> None:
    path, out = tmp_path / "m.engine", tmp_path / "n.engine"
    path.write_bytes(b"vtrt" + bytes(60))
    engine = {
        "module": "tensorrt_rtx",
        "version": "1.7.1.116",
        "compute_capabilities": ["8.6"],
        "gpu": None,
        "onnx_sha256": "0" * 64,
        "engine_sha256": file_sha256(path),
        "tensors": [{"name": "image", "mode": "input", "dtype": "uint8", "shape": [-1, 24, 32, 3]}],
        "profile": {"min": 1, "opt": 1, "max": 8},
        "options": BuildOptions().as_json(),
        "layers": {"total": 5},
    }
    sidecar(path).write_text(sealed(CARD.with_changes(engine=engine)).dumps())
    assert run(["card", str(path), "--threshold", "red=0.7", "--out", str(out)]) == 0
    assert open_engine(out).thresholds == {"red": 0.7}
    assert out.read_bytes() == path.read_bytes()


def test_a_stripped_file_gets_its_card_back(exported: Path, stripped: Path, tmp_path: Path) -> None:
    out = tmp_path / "back.onnx"
    assert run(["card", str(stripped), "--from", str(exported), "--out", str(out)]) == 0
    assert card_of(out) == card_of(exported)
    assert onnx.load(str(out)).metadata_props[0].value == "left this"


def refusal(capsys: pytest.CaptureFixture[str], stripped: Path, source: Path, out: Path) -> str:
    assert run(["card", str(stripped), "--from", str(source), "--out", str(out)]) != 0
    assert not out.exists()
    assert list(out.parent.glob(".*unfinished*")) == []
    return capsys.readouterr().err


def test_another_models_card_is_refused(stripped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.onnx"
    export_onnx(small_checkpoint(seed=8), other)
    assert f"{stripped} is not the model of {other}" in refusal(capsys, stripped, other, tmp_path / "back.onnx")


def test_a_card_of_other_shapes_is_refused(
    exported: Path, stripped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load(str(exported))
    card = card_of(exported).with_changes(labels=("cat", "dog"), thresholds={}, metrics={}, self_test={})
    model.metadata_props[0].value = card.dumps()
    other = tmp_path / "two.onnx"
    onnx.save(model, str(other))
    assert "is not the model of" in refusal(capsys, stripped, other, tmp_path / "back.onnx")


def test_weights_a_little_off_are_refused(
    exported: Path, stripped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load(str(stripped))
    weight = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    values = onnx.numpy_helper.to_array(weight) * 1.02
    weight.CopyFrom(onnx.numpy_helper.from_array(values.astype("float32"), weight.name))
    bent = tmp_path / "bent.onnx"
    onnx.save(model, str(bent))
    assert "is not the model of" in refusal(capsys, bent, exported, tmp_path / "back.onnx")


def test_a_file_with_a_card_keeps_it(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = Path(shutil.copy(exported, tmp_path / "copy.onnx"))
    assert "has a card of its own" in refusal(capsys, copy, exported, tmp_path / "back.onnx")


def test_a_model_without_a_card_says_how_to_get_it_back(stripped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["card", str(stripped)]) == 2
    assert "--from OTHER.onnx" in capsys.readouterr().err
