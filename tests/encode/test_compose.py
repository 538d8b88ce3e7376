from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encode.compose import (
    BARS,
    SLATE_COLOUR,
    crop_at,
    fitted,
    inset_place,
    inset_view,
    slate,
    view,
    with_inset,
)
from lesson.model import FULL_FRAME, CropKey, Rectangle
from lesson.records import CropPath
from lesson.time import Span
from media.picture import Yuv

CANVAS = (320, 180)


class Still:
    """A picture made of a `Yuv`."""

    def __init__(self, picture: Yuv) -> None:
        self.picture = picture
        self.width, self.height = picture.size

    def yuv(self, width: int, height: int) -> Yuv:
        return self.picture.scaled(width, height)


def gradient(width: int, height: int) -> Still:
    """Luma rises by column, Cb by column, Cr by row, so that every place can be told."""
    columns = np.linspace(20, 220, width)
    rows = np.linspace(20, 220, height)
    y = np.broadcast_to(columns, (height, width)).astype(np.uint8)
    u = np.broadcast_to(columns[::2], (height // 2, width // 2)).astype(np.uint8)
    v = np.broadcast_to(rows[::2, None], (height // 2, width // 2)).astype(np.uint8)
    return Still(Yuv(y, u, v))


def test_a_picture_of_the_canvas_shape_fills_it_without_a_copy() -> None:
    still = gradient(*CANVAS)
    assert view(still, FULL_FRAME, CANVAS) is still.picture


@pytest.mark.parametrize("size", [(240, 180), (320, 240), (90, 160), (400, 100), (2, 2), (1920, 1080)])
def test_other_shapes_get_bars_and_are_never_stretched(size: tuple[int, int]) -> None:
    still = Still(Yuv.blank(*size, colour=(150, 100, 160)))
    shown = view(still, FULL_FRAME, CANVAS)
    assert shown.size == CANVAS
    inside = shown.y > 100
    height, width = int(inside.any(axis=1).sum()), int(inside.any(axis=0).sum())
    assert width == CANVAS[0] or height == CANVAS[1]
    assert abs(width / height - size[0] / size[1]) <= 0.04 * size[0] / size[1]
    assert set(np.unique(shown.y)) <= {BARS[0], 150}
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    assert abs(rows[0] - (CANVAS[1] - 1 - rows[-1])) <= 2
    assert abs(columns[0] - (CANVAS[0] - 1 - columns[-1])) <= 2


def test_nearly_the_same_shape_gets_no_bars() -> None:
    assert fitted(1920, 1088, (1280, 720)) == fitted(1280, 720, (1280, 720))


@given(st.integers(2, 5000), st.integers(2, 5000))
def test_places_lie_on_the_canvas_at_even_pixels(width: int, height: int) -> None:
    place = fitted(width, height, CANVAS)
    assert all(value % 2 == 0 for value in (place.x, place.y, place.width, place.height))
    assert place.x >= 0
    assert place.y >= 0
    assert place.x + place.width <= CANVAS[0]
    assert place.y + place.height <= CANVAS[1]


@pytest.mark.parametrize(
    "box", [Rectangle(0.25, 0.25, 0.5, 0.5), Rectangle(0.1, 0.3, 0.6, 0.6), Rectangle(0.5, 0.5, 0.5, 0.5)]
)
@pytest.mark.parametrize("size", [(640, 360), (320, 180), (1920, 1080), (3840, 2160)])
def test_the_virtual_camera_shows_its_box(box: Rectangle, size: tuple[int, int]) -> None:
    shown = view(gradient(*size), box, CANVAS)
    assert shown.size == CANVAS
    for column, part in ((0, 0.0), (159, 0.5), (319, 1.0)):
        wanted = 20 + 200 * (box.x + box.w * part)
        assert abs(int(shown.y[90, column]) - wanted) <= 3
    for row, part in ((0, 0.0), (45, 0.5), (89, 1.0)):
        assert abs(int(shown.v[row, 80]) - (20 + 200 * (box.y + box.h * part))) <= 4
    assert abs(int(shown.u[45, 0]) - (20 + 200 * box.x)) <= 4


def test_a_slow_pan_moves_by_less_than_a_pixel() -> None:
    still = gradient(640, 360)
    edge = np.full((360, 640), 40, np.uint8)
    edge[:, 320:] = 200
    still.picture = Yuv(edge, still.picture.u, still.picture.v)
    positions = []
    for step in range(9):
        shown = view(still, Rectangle(0.2 + step * 0.1 / 640, 0.2, 0.5, 0.5), CANVAS)
        positions.append(float((shown.y[90].astype(float) - 40).sum()))
    moves = np.diff(positions)
    assert (moves > 0).all()
    assert moves.max() < 3 * moves.min()


def path(*keys: tuple[int, Rectangle], span: Span | None = None) -> CropPath:
    return CropPath(
        source="teacher", span=span or Span(0, 1000), keys=tuple(CropKey(at=at, box=box) for at, box in keys)
    )


LEFT, RIGHT = Rectangle(0.0, 0.0, 0.5, 0.5), Rectangle(0.5, 0.0, 0.5, 0.5)


@pytest.mark.parametrize(("at", "x"), [(0, 0.0), (100, 0.0), (150, 0.125), (200, 0.25), (300, 0.5), (999, 0.5)])
def test_between_keys_the_camera_moves_evenly_and_beyond_them_it_rests(at: int, x: float) -> None:
    assert crop_at((path((100, LEFT), (300, RIGHT)),), "teacher", at).x == pytest.approx(x)


def test_without_a_path_the_whole_frame_is_shown() -> None:
    crops = (path((0, LEFT), span=Span(0, 10)), path())
    assert crop_at(crops, "teacher", 10) == FULL_FRAME
    assert crop_at(crops, "board", 5) == FULL_FRAME


def test_two_keys_at_one_time_are_a_cut() -> None:
    crops = (path((100, LEFT), (100, RIGHT), (200, RIGHT)),)
    assert crop_at(crops, "teacher", 99).x == 0.0
    assert crop_at(crops, "teacher", 100).x == 0.5


@given(st.builds(Rectangle, *[st.floats(-2, 3, allow_nan=False)] * 4))
def test_a_camera_never_looks_beside_the_frame(box: Rectangle) -> None:
    seen = crop_at((path((0, box)),), "teacher", 0)
    assert 0 <= seen.x <= seen.x + seen.w <= 1 + 1e-9
    assert 0 <= seen.y <= seen.y + seen.h <= 1 + 1e-9
    assert min(seen.w, seen.h) >= 0.02


@pytest.mark.parametrize("canvas", [(1280, 720), (320, 180), (640, 360)])
def test_the_inset_leaves_the_strip_at_the_bottom_free(canvas: tuple[int, int]) -> None:
    main, inset = Yuv.blank(*canvas, colour=(60, 128, 128)), Still(Yuv.blank(640, 360, colour=(180, 90, 200)))
    before = main.y.copy()
    shown = with_inset(main, inset_view(inset, FULL_FRAME, canvas))
    assert np.array_equal(main.y, before)  # what other frames may share is not painted on
    place = inset_place(canvas)
    assert (shown.y[-round(canvas[1] * 0.04) :] == 60).all()
    assert (shown.y[: place.y] == 60).all()
    assert (shown.y[:, : place.x] == 60).all()
    assert 0.25 * canvas[0] <= place.width <= 0.30 * canvas[0]
    middle = shown.y[place.y + place.height // 2, place.x + place.width // 2]
    assert middle == 180
    assert shown.y[place.y, place.x + 10] > 190  # the thin light frame
    assert shown.u[(place.y + place.height // 2) // 2, (place.x + place.width // 2) // 2] == 90


def test_an_inset_of_another_shape_is_not_stretched() -> None:
    shown = inset_view(Still(Yuv.blank(100, 200, colour=(180, 128, 128))), FULL_FRAME, (1280, 720))
    inside = shown.y[4:-4, 4:-4] == 180
    assert abs(inside.any(axis=0).sum() / shown.size[1] - 0.5) < 0.05


def test_the_slate_is_no_black_picture() -> None:
    card = slate((1280, 720))
    assert card.size == (1280, 720)
    assert card.y.min() >= SLATE_COLOUR[0] > 40
    assert card.y.std() > 1
