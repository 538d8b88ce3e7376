"""What the detectors say about pictures whose content is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lesson.model import Rectangle, Role
from tests.tracking.drawn_room import Drawn, board, person, sensor_noise
from tracking.detector import Detector
from tracking.detectors.faces import Faces
from tracking.detectors.ink import Ink
from tracking.detectors.motion import Motion

Gray = NDArray[np.uint8]
INK_SIZE, SIZE = Ink.size, Motion.size


def ink(detector: Detector, picture: Gray) -> float:
    return detector.feed(Drawn(picture)).board_activity


def ink_over(pictures: list[Gray], *, role: Role = Role.BOARD) -> list[float]:
    detector = Ink(role)
    return [ink(detector, picture) for picture in pictures]


def moving(detector: Detector, picture: Gray) -> tuple[tuple[Rectangle, ...], float]:
    found = detector.feed(Drawn(picture))
    return found.motion, found.motion_level


def test_writing_is_counted_once_and_only_after_it_settled() -> None:
    before, after = [board(0, INK_SIZE)] * 8, [board(1, INK_SIZE)] * 12
    found = ink_over([*before, *after])
    assert sum(found[:8]) == 0
    counted = [index for index, value in enumerate(found) if value > 0]
    assert counted == [11]
    assert 2e-4 < sum(found) < 2e-2


def test_wiping_counts_like_writing() -> None:
    found = ink_over([board(3, INK_SIZE)] * 8 + [board(0, INK_SIZE)] * 8)
    assert sum(found) > 1e-3


def test_thin_pale_strokes_are_seen() -> None:
    """A pencil line of 2 px at 720p with a quarter of the contrast of ink."""
    plain = np.full((720, 1280), 170, np.uint8)
    drawn = plain.copy()
    cv2.line(drawn, (300, 300), (520, 330), 140, 2)
    small = [cv2.resize(picture, INK_SIZE, interpolation=cv2.INTER_AREA).astype(np.uint8) for picture in (plain, drawn)]
    assert sum(ink_over([small[0]] * 8 + [small[1]] * 8)) > 3e-5


def test_noise_and_changing_light_are_no_ink() -> None:
    light = [1.0 + 0.1 * np.sin(index / 6) for index in range(60)]
    pictures = [sensor_noise(board(2, INK_SIZE) * gain, seed) for seed, gain in enumerate(light)]
    assert sum(ink_over(pictures)) == 0


def test_a_person_before_the_board_is_no_ink() -> None:
    empty = board(2, INK_SIZE)
    detector = Ink(Role.BOARD)
    walking = [person(empty.copy(), 0.1 + 0.02 * step, 0.3) for step in range(20)]
    standing = [person(empty.copy(), 0.5, 0.3)] * 12
    gone = [empty] * 12
    assert sum(ink(detector, picture) for picture in [*[empty] * 8, *walking, *standing, *gone]) < 3e-5


def test_a_new_slide_counts_whole() -> None:
    slides = [np.full(INK_SIZE[::-1], 240, np.uint8) for _ in range(2)]
    for row in range(40, 500, 24):
        slides[0][row : row + 10, 60:800] = 30
        slides[1][row + 12 : row + 22, 160:900] = 30
    assert sum(ink_over([slides[0]] * 8 + [slides[1]] * 8, role=Role.SCREEN)) > 0.2


def test_a_clock_in_the_picture_is_mostly_ignored_after_a_while() -> None:
    rng = np.random.default_rng(1)
    pictures = []
    for _ in range(30):
        picture = board(1, INK_SIZE)
        picture[400:420, 700:800] = rng.integers(0, 2, (20, 20)).repeat(5, axis=1).astype(np.uint8) * 120 + 60
        pictures += [picture] * 6
    found = ink_over(pictures)
    assert sum(found[:60]) > 0
    assert sum(found[120:]) < 0.3 * sum(found[:60])


def test_the_margin_is_not_looked_at() -> None:
    picture = board(1, INK_SIZE)
    marked = picture.copy()
    marked[-12:] = 255
    assert sum(ink_over([picture] * 8 + [marked] * 8)) == 0


def test_a_moving_body_is_one_region_of_its_size() -> None:
    detector = Motion(Role.TEACHER)
    empty = board(0, SIZE)
    boxes, level = moving(detector, person(empty.copy(), 0.30, 0.3))
    assert boxes == ()
    assert level == 0.0
    for step in range(1, 8):
        boxes, level = moving(detector, sensor_noise(person(empty.copy(), 0.30 + 0.01 * step, 0.3), step))
    assert len(boxes) == 1
    (box,) = boxes
    assert 0.3 < box.centre[0] < 0.5
    assert box.h == pytest.approx(0.6, abs=0.12)
    assert 0.002 < level < 0.2


def test_noise_is_no_motion_and_lights_are_nobody() -> None:
    detector = Motion(Role.TEACHER)
    for seed in range(8):
        boxes, level = moving(detector, sensor_noise(board(2, SIZE), seed, sigma=5))
        assert boxes == ()
        assert level < 1e-3
    boxes, level = moving(detector, (board(2, SIZE) * 0.5).astype(np.uint8))
    assert boxes == ()
    assert level > 0.6


def test_a_picture_without_anything_has_no_faces() -> None:
    assert Faces(Role.TEACHER).feed(Drawn(np.full((SIZE[1], SIZE[0], 3), 120, np.uint8))).faces == ()


@pytest.mark.footage
def test_faces_of_real_people_are_found(footage: object) -> None:
    clip = cv2.VideoCapture(f"{footage}/classroom/intel_head-pose-face-detection-female-and-male.gif")
    found = 0
    detector = Faces(Role.TEACHER)
    for _ in range(10):
        good, picture = clip.read()
        assert good
        found += bool(detector.feed(Drawn(picture.astype(np.uint8))).faces)
    clip.release()
    assert found >= 8
