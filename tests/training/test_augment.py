import numpy as np
import pytest

from edgessd_training.augment import Labelled, distort, flip, flip_vertical, mosaic, random_crop, widen, zoom_out
from edgessd_training.augment.crop import centres_inside, cut
from edgessd_training.augment.photometric import shift_hue_saturation

EMPTY = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)


def picture(height=40, width=60):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def marked(height=40, width=60):
    """A black image with one white box at x 10..30, y 5..15."""
    image = np.zeros((height, width, 3), np.uint8)
    image[5:15, 10:30] = 255
    return image, boxes((10, 5, 30, 15)), np.array([3])


def white_box(image):
    rows, columns = np.nonzero((image == 255).all(axis=2))
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_flip_carries_pixels_and_boxes():
    image, boxes_xyxy, _ = flip(*marked())
    assert white_box(image) == boxes_xyxy[0].tolist() == [30, 5, 50, 15]
    image, boxes_xyxy, _ = flip_vertical(*marked())
    assert white_box(image) == boxes_xyxy[0].tolist() == [10, 25, 30, 35]


def test_zoom_out_carries_pixels_and_boxes():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        image, boxes_xyxy, classes = zoom_out(*marked(), rng, most=3.0, fill_bgr=(1, 2, 3))
        assert white_box(image) == boxes_xyxy[0].tolist()
        assert classes.tolist() == [3]
        assert 40 <= image.shape[0] <= 120
        assert 60 <= image.shape[1] <= 180


def test_widen_carries_pixels_and_boxes():
    widths = set()
    for seed in range(10):
        image, boxes_xyxy, classes = widen(*marked(), np.random.default_rng(seed), most=2.5, fill_bgr=(1, 2, 3))
        assert white_box(image) == boxes_xyxy[0].tolist()
        assert classes.tolist() == [3]
        assert image.shape[0] == 40
        widths.add(image.shape[1])
    assert 60 <= min(widths) < max(widths) <= 100


def test_widen_leaves_what_is_wide_enough():
    image, boxes_xyxy, _ = widen(*marked(), np.random.default_rng(0), most=1.2)
    assert (image == marked()[0]).all()
    assert boxes_xyxy.tolist() == [[10, 5, 30, 15]]


def test_zoom_out_by_one_changes_nothing():
    image, boxes_xyxy, _ = zoom_out(*marked(), np.random.default_rng(0), most=1.0)
    assert (image == marked()[0]).all()
    assert boxes_xyxy.tolist() == [[10, 5, 30, 15]]


def test_cut_keeps_boxes_by_their_centres():
    objects = boxes((0, 0, 10, 10), (10, 10, 30, 30), (35, 5, 55, 15))
    part = cut(picture(), objects, np.array([0, 1, 2]), np.array([8, 8, 48, 38], np.float32))
    assert part.image.shape == (30, 40, 3)
    assert (part.image == picture()[8:38, 8:48]).all()
    assert part.boxes_xyxy.tolist() == [[2, 2, 22, 22], [27, 0, 40, 7]]
    assert part.classes.tolist() == [1, 2]


def test_centre_on_the_far_edge_is_outside():
    inside = centres_inside(boxes((0, 0, 20, 20)), boxes((0, 0, 10, 40), (10, 0, 20, 40)))
    assert inside.tolist() == [[False], [True]]


def test_crop_always_holds_an_object_that_was_there():
    image, boxes_xyxy, classes = marked()
    sizes = set()
    for seed in range(60):
        part = random_crop(image, boxes_xyxy, classes, np.random.default_rng(seed))
        assert part.classes.tolist() == [3]
        left, top, right, bottom = part.boxes_xyxy[0]
        assert right > left
        assert bottom > top
        if part.image.any():
            assert white_box(part.image) == part.boxes_xyxy[0].tolist()
        sizes.add(part.image.shape)
    assert len(sizes) > 10


def test_everything_takes_an_image_without_objects():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        for part in (
            random_crop(picture(), *EMPTY, rng),
            zoom_out(picture(), *EMPTY, rng),
            flip(picture(), *EMPTY),
            mosaic([Labelled(picture(), *EMPTY)] * 4, rng, height=50, width=70),
        ):
            assert part.boxes_xyxy.shape == (0, 4)
            assert min(part.image.shape[:2]) > 0


def test_crop_takes_an_image_of_one_pixel():
    image = np.zeros((1, 1, 3), np.uint8)
    for seed in range(10):
        part = random_crop(image, boxes((0, 0, 1, 1)), np.array([0]), np.random.default_rng(seed))
        assert part.image.shape == (1, 1, 3)


def test_distort_leaves_its_input_alone_and_depends_on_the_generator_alone():
    image = picture()
    before = image.copy()
    first = distort(image, np.random.default_rng(5))
    assert (image == before).all()
    assert (first == distort(image, np.random.default_rng(5))).all()
    assert any((distort(image, np.random.default_rng(seed)) != image).any() for seed in range(5))
    assert (distort(image, np.random.default_rng(5), strength=0.0) == image).all()


def test_hue_turns_by_degrees_and_grey_stays_grey():
    red = np.full((1, 1, 3), (0, 0, 255), np.uint8)
    turned = shift_hue_saturation(red, 120, 1.0)[0, 0].astype(int)
    assert turned == pytest.approx([0, 255, 0], abs=4)
    grey = np.full((1, 1, 3), 77, np.uint8)
    assert (shift_hue_saturation(grey, 90, 1.4) == 77).all()


def test_mosaic_carries_pixels_and_boxes():
    part = mosaic([Labelled(*marked())] * 4, np.random.default_rng(1), height=80, width=120)
    assert part.image.shape == (80, 120, 3)
    assert len(part.boxes_xyxy) == len(part.classes) >= 1
    for left, top, right, bottom in part.boxes_xyxy.round().astype(int):
        assert part.image[top + 2 : bottom - 2, left + 2 : right - 2].min() == 255
