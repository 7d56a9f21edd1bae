"""Pictures held out to judge on: by content, the same every time, no video torn apart."""

from pathlib import Path

import cv2
import numpy as np

from edgessd_training.data.alike import groups, sketches
from edgessd_training.data.split import hold_out

WIDTH, HEIGHT = 96, 64


def scene(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 12, 3), dtype=np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def written(folder: Path, pictures: dict[str, np.ndarray]) -> list[Path]:
    for name, image in pictures.items():
        cv2.imwrite(str(folder / name), image)
    return [folder / name for name in pictures]


def video(name: str, seed: int, count: int) -> dict[str, np.ndarray]:
    """Return frames of a scene that moves by a pixel, under a growing light."""
    image = scene(seed)
    lit = [np.roll(image, number, axis=1) * (0.8 + number / 100) for number in range(count)]
    return {f"{name}_{number:04}.png": np.clip(frame, 0, 255).astype(np.uint8) for number, frame in enumerate(lit)}


def test_copies_and_frames_are_groups_and_photographs_are_not(tmp_path: Path) -> None:
    photographs = {f"photo_{number}.png": scene(number) for number in range(12)}
    copy = {"other.jpg": photographs["photo_3.png"]}
    paths = written(tmp_path, {**photographs, **copy, **video("street", 100, 10), **video("yard", 200, 6)})
    of = groups(paths, sketches(paths)).of
    assert len(set(of[:12])) == 12
    assert of[12] == of[3]
    assert len(set(of[13:23])) == 1
    assert len(set(of[23:])) == 1
    assert of[13] != of[23]


def test_roboflow_s_copies_of_one_picture_stay_together(tmp_path: Path) -> None:
    turned = cv2.rotate(scene(1), cv2.ROTATE_180)
    paths = written(tmp_path, {"a_jpg.rf.0a1.jpg": scene(1), "b_jpg.rf.0b2.jpg": scene(2), "a_jpg.rf.9f3.jpg": turned})
    of = groups(paths, sketches(paths)).of
    assert of[0] == of[2] != of[1]


def test_every_class_is_judged_and_no_group_is_torn(tmp_path: Path) -> None:
    pictures = {f"photo_{number}.png": scene(number) for number in range(60)}
    paths = written(tmp_path, {**pictures, **video("street", 100, 10)})
    counts = np.zeros((70, 3), np.int64)
    counts[:, 0] = 2
    counts[:20, 1] = 1
    counts[[5, 40], 2] = 1  # a rare class
    split = hold_out(paths, counts)
    assert 8 <= split.held_out.sum() <= 16
    assert (counts[split.held_out].sum(axis=0) > 0).all()
    assert (counts[~split.held_out].sum(axis=0) > 0).all()
    assert split.held_out[60:].all() or not split.held_out[60:].any()
    assert (hold_out(paths, counts).held_out == split.held_out).all()


def test_one_video_is_cut_at_its_end_and_that_is_said(tmp_path: Path) -> None:
    paths = written(tmp_path, video("street", 100, 40))
    split = hold_out(paths, np.ones((40, 1), np.int64))
    assert np.flatnonzero(split.held_out).tolist() == list(range(32, 40))
    assert "one video" in split.how
