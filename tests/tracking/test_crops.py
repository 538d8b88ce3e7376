"""The virtual camera: when it crops, that it is calm, and that it goes on where it was."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesson.model import FULL_FRAME, Observation, Rectangle
from lesson.records import CropPath
from lesson.time import TICKS_PER_SECOND, Span
from tracking.crops import crop_path
from tracking.evidence import Seen
from tracking.rules import CropRules

S = TICKS_PER_SECOND
CAMERA = CropRules()


def walk(*stops: tuple[float, float], height: float = 0.25, until_s: float = 60) -> list[Seen]:
    """A person of this height at x, from second s on, for every (s, x)."""
    seen = []
    for quarter in range(round(until_s * 4)):
        x = [x for since, x in stops if since <= quarter / 4][-1]
        box = Rectangle(x - height / 5, 0.6 - height / 2, height / 2.5, height)
        seen.append(Seen(quarter * S // 4, Observation(at=quarter * S // 4, motion=(box,))))
    return seen


def path_of(seen: list[Seen], start_s: float = 0, end_s: float = 60, before: CropPath | None = None) -> CropPath | None:
    span = Span(round(start_s * S), round(end_s * S))
    return crop_path(seen, CAMERA, "teacher", span, cut=before is None, before=before)


def box_at(path: CropPath, second: float) -> Rectangle:
    """Linear between keys, as the plan promises."""
    at = second * S
    for a, b in pairwise(path.keys):
        if a.at <= at <= b.at:
            part = (at - a.at) / (b.at - a.at)
            return Rectangle(
                *(getattr(a.box, f) + part * (getattr(b.box, f) - getattr(a.box, f)) for f in ("x", "y", "w", "h"))
            )
    return path.keys[-1].box


def test_a_large_teacher_is_not_cropped() -> None:
    assert path_of(walk((0, 0.5), height=0.5)) is None


def test_a_small_teacher_fills_more_of_the_frame() -> None:
    path = path_of(walk((0, 0.5)))
    assert path is not None
    box = box_at(path, 30)
    assert 0.4 <= box.h < 0.6
    assert box.w == pytest.approx(box.h)
    assert box.x < 0.45
    assert box.x + box.w > 0.55
    assert box.y < 0.475
    assert box.y + box.h > 0.725


def test_an_arm_alone_does_not_zoom_in() -> None:
    """Only the arm of a body of 0.6 moves for a while: motion never shows too much, so the largest counts."""
    seen = walk((0, 0.5), height=0.6)
    for index in range(40, 60):
        seen[index] = Seen(seen[index].at, Observation(at=seen[index].at, motion=(Rectangle(0.5, 0.4, 0.1, 0.15),)))
    assert path_of(seen) is None


def test_the_camera_rests_while_the_teacher_sways() -> None:
    seen = walk(*((s, 0.5 + (0.03 if s % 2 else -0.03)) for s in range(60)))
    path = path_of(seen)
    assert path is not None
    assert len({key.box for key in path.keys}) == 1
    assert len(path.keys) == 2


def test_the_camera_follows_a_walk_softly() -> None:
    path = path_of(walk((0, 0.3), (30, 0.7)))
    assert path is not None
    assert box_at(path, 20).centre[0] == pytest.approx(0.3, abs=0.08)
    assert box_at(path, 40).centre[0] == pytest.approx(0.7, abs=0.08)
    speeds = [box_at(path, at / 4 + 0.25).centre[0] - box_at(path, at / 4).centre[0] for at in range(100, 160)]
    assert all(0 <= round(speed, 4) < 0.09 for speed in speeds)
    assert max(abs(b - a) for a, b in pairwise(speeds)) < 0.06


def test_nobody_to_be_seen_leaves_the_camera_where_it_is() -> None:
    seen = [look for look in walk((0, 0.3)) if look.at < 20 * S]
    path = path_of(seen)
    assert path is not None
    assert box_at(path, 58) == box_at(path, 25)


def test_a_path_goes_on_where_the_one_before_ended() -> None:
    seen = walk((0, 0.3), (29, 0.7))
    first = path_of(seen, 0, 30)
    assert first is not None
    second = path_of(seen, 30, 60, first)
    assert second is not None
    assert second.keys[0].box == first.keys[-1].box
    assert box_at(second, 45).centre[0] == pytest.approx(0.7, abs=0.08)


def test_after_a_full_frame_the_camera_moves_in_rather_than_jump() -> None:
    seen = walk((0, 0.3))
    span = Span(30 * S, 40 * S)
    path = crop_path(seen, CAMERA, "teacher", span, cut=False, before=None)
    assert path is not None
    assert path.keys[0].box == FULL_FRAME
    assert box_at(path, 39).h < 0.6


@pytest.mark.parametrize("aspect", [1.0, 0.75, 4 / 3])
def test_crops_have_the_shape_of_the_canvas(aspect: float) -> None:
    camera = CropRules(aspect=aspect)
    path = crop_path(walk((0, 0.3)), camera, "teacher", Span(0, 20 * S), cut=True)
    assert path is not None
    assert all(key.box.w == pytest.approx(key.box.h * aspect, abs=2e-4) for key in path.keys)


boxes = st.builds(
    lambda x, y, w, h: Rectangle(x, y, min(w, 1 - x), min(h, 1 - y)),
    *(st.floats(0, 0.95), st.floats(0, 0.95), st.floats(0.02, 1), st.floats(0.02, 1)),
)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 120), st.none() | boxes), max_size=80), st.sampled_from([1.0, 0.75, 4 / 3]))
def test_whatever_moves_the_camera_stays_in_the_frame(moves: list[tuple[int, Rectangle | None]], aspect: float) -> None:
    camera = CropRules(aspect=aspect)
    looks = {at: Observation(at=at * S // 4, motion=(box,) if box else ()) for at, box in moves}
    seen = [Seen(at * S // 4, look) for at, look in sorted(looks.items())]
    before: CropPath | None = None
    for start in (0, 10, 20):
        span = Span(start * S, (start + 10) * S)
        path = crop_path(seen, camera, "teacher", span, cut=start == 0, before=before)
        assert path == crop_path(seen, camera, "teacher", span, cut=start == 0, before=before)
        if path is None:
            continue
        assert path.keys[0].at == span.start
        assert path.keys[-1].at == span.end
        for a, b in pairwise(path.keys):
            assert a.at < b.at
        for key in path.keys:
            assert key.box.x >= 0
            assert key.box.y >= 0
            assert key.box.x + key.box.w <= 1.0001
            assert key.box.y + key.box.h <= 1.0001
            assert key.box.h >= 0.39
        before = path
