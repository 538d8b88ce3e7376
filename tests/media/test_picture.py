from __future__ import annotations

import numpy as np
import pytest

from media.picture import Yuv


def ramp(width: int = 16, height: int = 8) -> Yuv:
    luma = np.arange(width * height, dtype=np.uint8).reshape(height, width)
    return Yuv(luma, luma[::2, ::2].copy(), 255 - luma[::2, ::2])


def test_blank_is_black_in_limited_range() -> None:
    blank = Yuv.blank(8, 4)
    assert blank.size == (8, 4)
    assert blank.u.shape == blank.v.shape == (2, 4)
    assert [np.unique(plane).tolist() for plane in (blank.y, blank.u, blank.v)] == [[16], [128], [128]]


def test_a_crop_is_a_view_on_even_places() -> None:
    picture = ramp()
    part = picture.crop(5, 3, 7, 5)
    assert part.size == (6, 4)
    assert part.y[0, 0] == picture.y[2, 4]
    assert part.u[0, 0] == picture.u[1, 2]
    assert part.v.shape == (2, 3)
    assert np.shares_memory(part.y, picture.y)


@pytest.mark.parametrize("size", [(32, 16), (8, 4), (10, 6)])
def test_scaling_keeps_brightness_and_colour(size: tuple[int, int]) -> None:
    flat = Yuv.blank(16, 8, (200, 90, 160))
    scaled = flat.scaled(*size)
    assert scaled.size == size
    assert scaled.u.shape == (size[1] // 2, size[0] // 2)
    assert [np.unique(plane).tolist() for plane in (scaled.y, scaled.u, scaled.v)] == [[200], [90], [160]]


def test_scaling_to_the_same_size_costs_nothing() -> None:
    picture = ramp()
    assert picture.scaled(16, 8) is picture


def test_a_copy_may_be_painted_on() -> None:
    picture = ramp()
    picture.copy().y[:] = 0
    assert picture.y.any()
