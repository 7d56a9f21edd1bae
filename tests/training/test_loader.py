from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest
import torch
from squares import write_squares

from edgessd.errors import DataError, InputError
from edgessd.model.card import VARIANCES
from edgessd.model.priors import generate
from edgessd_training.data.read import read_data
from edgessd_training.data.records import DataSet, Record
from edgessd_training.networks.prior_layouts import ssdlite_spec
from edgessd_training.recipe import Augment
from edgessd_training.samples.cache import ImageCache, annotated_image
from edgessd_training.samples.loader import Batch, Order, Plan, batches, check_plan, make_loader
from edgessd_training.samples.maker import Draw, Grid, SampleMaker
from edgessd_training.samples.matching import IGNORED, priors_of

PLAN = Plan(images=10, batch_size=4, epochs=3, seed=7)


def grid(height, width):
    return Grid(height, width, priors_of(generate(ssdlite_spec(64, (4, 2))), VARIANCES))


def make(data, **changes):
    settings = {
        "records": data.records,
        "read": annotated_image,
        "augment": Augment(mosaic=0.3),
        "grids": (grid(64, 48), grid(32, 32)),
        "seed": 3,
        "plain_from": 2,
        "threshold": 0.5,
        "ignore_difficult": False,
    }
    return SampleMaker(**{**settings, **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return read_data(write_squares(tmp_path_factory.mktemp("squares") / "data", 10))


def flat(order):
    return [draw for draws in order for draw in draws]


def test_an_epoch_has_whole_batches_of_different_images():
    draws = flat(Order(PLAN, 0, 0, 1))
    assert len(draws) == 3 * 2 * 4
    for epoch in range(3):
        indices = [draw.record for draw in draws if draw.epoch == epoch]
        assert len(set(indices)) == len(indices) == 8
    first, second = ([draw.record for draw in draws if draw.epoch == epoch] for epoch in (0, 1))
    assert first != second


def test_processes_share_the_batches_of_one():
    alone = list(Order(PLAN, 0, 0, 1))
    shares = [list(Order(PLAN, 0, rank, 2)) for rank in (0, 1)]
    assert [first + second for first, second in zip(*shares, strict=True)] == alone


@pytest.mark.parametrize("done", [0, 1, 2, 3, 5, 6])
def test_order_goes_on_where_the_run_stands(done):
    assert list(Order(PLAN, done, 0, 1)) == list(Order(PLAN, 0, 0, 1))[done:]
    assert len(Order(PLAN, done, 0, 1)) == 6 - done


def test_batches_that_cannot_be_made_are_refused():
    with pytest.raises(InputError, match="batch_size 11 is more than the 10 images"):
        check_plan(PLAN._replace(batch_size=11), 1)
    with pytest.raises(InputError, match="multiple of 3"):
        check_plan(PLAN, 3)


def test_a_sample_depends_on_seed_epoch_and_index_alone(data):
    maker = make(data)
    for draw in (Draw(0, 4), Draw(1, 5, 1)):
        first, again = maker(draw), maker(draw)
        assert (first[0] == again[0]).all()
        assert (first[1].offsets == again[1].offsets).all()
    assert (maker(Draw(0, 4))[0] != maker(Draw(1, 4))[0]).any()
    assert maker(Draw(0, 4, 0))[0].shape == (64, 48, 3)
    assert maker(Draw(0, 4, 1))[0].shape == (32, 32, 3)


def test_plain_epochs_are_the_resized_image(data):
    maker = make(data)
    image, _ = maker(Draw(2, 4))
    assert (image == cv2.resize(annotated_image(data.records[4]), (48, 64), interpolation=cv2.INTER_LINEAR_EXACT)).all()
    labelled = maker.labelled(Draw(2, 5))
    expected = data.records[5].boxes_xyxy * np.array([48 / 80, 64 / 60] * 2)
    assert labelled.boxes_xyxy == pytest.approx(expected)


def test_difficult_boxes_train_unless_ignored(data):
    record = replace(data.records[5], difficult=np.array([True, True]))
    _, wanted = make(data, records=[record], plain_from=0)(Draw(0, 0))
    assert (wanted.labels > 0).any()
    _, wanted = make(data, records=[record], plain_from=0, ignore_difficult=True)(Draw(0, 0))
    assert not (wanted.labels > 0).any()
    assert (wanted.labels == IGNORED).any()


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_gives_the_same_batches_with_any_workers(data, workers):
    maker = make(data, read=ImageCache(data.records))
    plan = PLAN._replace(epochs=1)
    got = list(batches(make_loader(maker, Order(plan, 0, 0, 1), workers=workers, pin_memory=False)))
    assert len(got) == 2
    for batch, draws in zip(got, Order(plan, 0, 0, 1), strict=True):
        assert isinstance(batch, Batch)
        assert batch.images.shape == (4, 64, 48, 3)
        assert batch.images.dtype == torch.uint8
        assert batch.labels.shape == (4, 120)
        assert batch.indices.tolist() == [draw.record for draw in draws]
        for position, draw in enumerate(draws):
            image, wanted = make(data)(draw)
            assert (batch.images[position].numpy() == image).all()
            assert (batch.offsets[position].numpy() == wanted.offsets).all()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_one_named_error(data, tmp_path, workers):
    broken = tmp_path / "broken.png"
    broken.write_bytes(data.records[0].path.read_bytes()[:100])
    records = [replace(record, path=broken) for record in data.records]
    loader = make_loader(make(data, records=records), Order(PLAN, 0, 0, 1), workers=workers, pin_memory=False)
    with pytest.raises(DataError) as caught:
        list(batches(loader))
    assert str(broken) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_image_of_another_size_is_refused(data):
    with pytest.raises(DataError, match="80x60 pixels, annotated as 80x61"):
        annotated_image(replace(data.records[0], height=61))


@pytest.mark.parametrize(("suffix", "orientation"), [(".jpg", 1), (".jpg", 6), (".png", 1)])
def test_a_large_photograph_is_shrunk_with_its_boxes(tmp_path, suffix, orientation):
    picture = np.full((900, 1210, 3), 60, np.uint8)
    picture[300:600, 605:1089] = (255, 200, 90)
    boxes_xyxy = np.array([[605, 300, 1089, 600]], np.float32)
    content = cv2.imencode(suffix, picture)[1].tobytes()
    if orientation == 6:  # the camera was held upright: the picture is turned clockwise when it is read
        content = content[:2] + exif(orientation) + content[2:]
        picture = cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE)
        boxes_xyxy = np.array([[300, 605, 600, 1089]], np.float32)
    (tmp_path / f"large{suffix}").write_bytes(content)
    none = np.zeros(1, bool)
    height, width = picture.shape[:2]
    record = Record("large", tmp_path / f"large{suffix}", height, width, boxes_xyxy, np.zeros(1, np.int64), none, none)
    image = annotated_image(record, (200, 200))
    assert min(image.shape[:2]) == 200
    assert max(image.shape[:2]) == pytest.approx(200 * 1210 / 900, abs=1)
    maker = make(DataSet("", ("box",), (record,)), plain_from=0, read=partial(annotated_image, least_hw=(200, 200)))
    labelled = maker.labelled(Draw(0, 0))
    left, top, right, bottom = labelled.boxes_xyxy[0].round().astype(int)
    bright = labelled.image[..., 1] > 130
    assert bright[top + 1 : bottom - 1, left + 1 : right - 1].all()
    bright[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1] = False
    assert not bright.any()


def test_an_image_that_is_small_enough_is_not_touched(data):
    record = data.records[4]
    assert (annotated_image(record, (60, 500)) == annotated_image(record)).all()


def test_a_large_image_of_another_size_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "large.jpg"), np.zeros((900, 1200, 3), np.uint8))
    none = np.zeros(0, bool)
    record = Record(
        "large", tmp_path / "large.jpg", 899, 1200, np.zeros((0, 4), np.float32), np.zeros(0, np.int64), none, none
    )
    with pytest.raises(DataError, match="1200x900 pixels, annotated as 1200x899"):
        annotated_image(record, (100, 100))


def exif(orientation):
    """Return the EXIF segment of a JPEG that says how the camera was held."""
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + bytes([0, orientation, 0, 0, 0, 0, 0, 0])
    segment = b"Exif\0\0" + tiff
    return b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment
