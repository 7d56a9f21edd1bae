import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from frames import blue_cell

from edgessd import Detector, PostProcess
from edgessd.backends import choose
from edgessd.errors import BackendError, CardError, InputError
from edgessd.model.card import card_of
from edgessd.model.self_test import self_test_input

BACKENDS = ["onnxruntime", "openvino"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


def test_a_blue_cell_is_found_where_it_is(tiny: Path, backend: str) -> None:
    with Detector(tiny, backend=backend, settings=PostProcess(score=0.5)) as detector:
        found = detector.detect(blue_cell(1, 2, height=240, width=640))
    assert found.as_json(detector.card.labels) == [{"label": "blue", "score": 1.0, "box": [320.0, 80.0, 480.0, 160.0]}]


def test_colours_are_not_swapped(tiny: Path, backend: str) -> None:
    red = blue_cell(0, 0)[..., ::-1].copy()
    with Detector(tiny, backend=backend) as detector:
        assert detector.detect(red).classes.tolist() == [1]


def test_an_empty_frame_and_no_frame(tiny: Path, backend: str) -> None:
    with Detector(tiny, backend=backend) as detector:
        assert len(detector.detect(np.zeros((5, 7, 3), np.uint8))) == 0
        assert detector.detect_batch([]) == []


def test_a_batch_of_different_sizes_gives_the_same_as_single_frames(tiny: Path, backend: str) -> None:
    frames = [blue_cell(0, 1), blue_cell(2, 3, height=99, width=200), np.zeros((1, 1, 3), np.uint8)]
    with Detector(tiny, backend=backend) as detector:
        together = detector.detect_batch(frames)
        alone = [detector.detect(frame) for frame in frames]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)
        np.testing.assert_allclose(one.scores, other.scores)


def test_eight_threads_at_once(tiny: Path, backend: str) -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        row, column = divmod(number, 4)
        for _ in range(50):
            box = detector.detect(blue_cell(row, column)).boxes_xyxy[0]
            if box.round().tolist() != [column * 8, row * 8, column * 8 + 8, row * 8 + 8]:
                wrong.append(number)

    with Detector(tiny, backend=backend, workers=8) as detector:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
    ids=["grey", "rgba", "float", "empty"],
)
def test_what_is_no_bgr_image_is_refused(tiny: Path, image: np.ndarray) -> None:
    with Detector(tiny) as detector, pytest.raises(InputError, match="BGR"):
        detector.detect(image)


def test_extreme_shapes(tiny: Path) -> None:
    with Detector(tiny, settings=PostProcess(score=0.5)) as detector:
        blue = np.zeros((20, 20000, 3), np.uint8)
        blue[..., 0] = 255
        assert detector.detect(blue).boxes_xyxy.max() == 20000
        assert detector.detect(blue[:1, :1]).boxes_xyxy.max() == 1


def test_a_model_that_computes_wrongly_is_found_by_its_self_test(tiny: Path, tmp_path: Path) -> None:
    content = tiny.read_bytes()
    scale = np.float32(1 / 255).tobytes()
    assert content.count(scale) == 1
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(content.replace(scale, np.float32(1 / 200).tobytes()))
    with pytest.raises(BackendError, match="self-test"):
        Detector(wrong, backend="onnxruntime")


def test_a_graph_that_disagrees_with_its_card(tiny: Path, tmp_path: Path, backend: str) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(tiny.read_bytes().replace(b"scores", b"sc0res").replace(b'"sc0res"', b'"scores"'))
    with pytest.raises(CardError, match="and its card disagree"):
        Detector(other, backend=backend)


def test_onnx_without_a_card_names_the_fix(tiny: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.onnx"
    bare.write_bytes(tiny.read_bytes().replace(b"\x07edgessd", b"\x07another"))
    with pytest.raises(CardError, match="edgessd export"):
        Detector(bare)


def test_missing_model_and_wrong_kind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model file"):
        Detector(tmp_path / "missing.onnx")
    (tmp_path / "model.pt").write_bytes(b"x")
    with pytest.raises(InputError, match="edgessd export"):
        Detector(tmp_path / "model.pt")


def test_choice_of_the_backend(tmp_path: Path, tiny: Path) -> None:
    card = card_of(tiny)
    assert choose(tmp_path / "m.engine", "auto", card).name == "tensorrt"
    assert choose(tiny, "onnxruntime", card).reason == "asked for"
    assert choose(tiny, "auto", card).reason
    for_tensorrt = card.with_changes(precision="int8", quantisation={"for": "tensorrt"})
    assert choose(tiny, "auto", for_tensorrt).name == "onnxruntime"
    assert choose(tiny, "openvino", for_tensorrt).name == "openvino"
    with pytest.raises(InputError, match="unknown backend"):
        choose(tiny, "tpu", card)
    with pytest.raises(InputError, match="cannot run it"):
        choose(tmp_path / "m.engine", "openvino", card)


def test_the_self_test_image_is_the_same_everywhere(tiny: Path) -> None:
    image = self_test_input(card_of(tiny))
    assert image.shape == (1, 24, 32, 3)
    assert image[0, 0, 0].tolist() == [107, 190, 10]
    assert int(image.astype(np.int64).sum()) == 298397


def test_a_model_survives_being_copied(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copy(tiny, tmp_path / "name with spaces.onnx")
    with Detector(copy) as detector:
        assert detector.card.name == "tiny"
