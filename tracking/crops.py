"""The virtual camera: a crop that follows a small teacher calmly. Pure; resumable at every key.

Only a teacher lower than 45 % of the frame is worth a crop. The camera has a dead zone (it rests while the teacher
moves within it) and moves like a critically damped spring, so that it starts and stops softly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from lesson.model import FULL_FRAME, CropKey, Rectangle
from lesson.records import CropPath
from lesson.time import Span, Ticks, seconds_from_ticks
from tracking.evidence import Seen
from tracking.rules import CropRules


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the camera looks: centre and height, with their speeds per second."""

    x: float = 0.5
    y: float = 0.5
    h: float = 1.0
    vx: float = 0.0
    vy: float = 0.0
    vh: float = 0.0


def crop_path(
    seen: Sequence[Seen], rules: CropRules, source: str, span: Span, *, cut: bool, before: CropPath | None = None
) -> CropPath | None:
    """The path over `span`; None = the full frame.

    `cut`: a new shot, the camera may stand anywhere at once. Else it goes on from `before`, or from the full frame when
    that does not end where `span` starts. `seen`: observations from `span.start - rules.memory` to
    `span.end + rules.ahead`.
    """
    start = _goal(seen, rules, span.start)
    if cut:
        pose = goal = start or Pose()
    else:
        pose = _pose_of(before) if before is not None and before.span.end == span.start else Pose()
        moving = abs(pose.vx) + abs(pose.vy) + abs(pose.vh) > rules.still_speed
        goal = (start if moving else None) or pose
    keys = [CropKey(at=span.start, box=_crop(pose, rules))]
    for tick in range(span.start + rules.step, span.end + rules.step, rules.step):
        at = min(tick, span.end)
        wanted = _goal(seen, rules, at)
        if wanted is not None and _worth_moving(pose, goal, wanted, rules):
            goal = wanted
        pose = _moved(pose, goal, rules, seconds_from_ticks(at - keys[-1].at))
        keys.append(CropKey(at=at, box=_crop(pose, rules)))
    if all(key.box == FULL_FRAME for key in keys):
        return None
    return CropPath(source=source, span=span, keys=_thinned(keys))


def _goal(seen: Sequence[Seen], rules: CropRules, at: Ticks) -> Pose | None:
    """Where a camera operator would point at `at`; None while nobody is seen.

    Motion shows a part of a body more often than all of it, and never more: the size is near the greatest height of
    the last seconds, the place across that of the moving part now, the place in height that of the head: the highest
    that anything moved lately, as a hand or a leg moves below it.
    """
    largest = [(s.at, s.what.motion[0]) for s in seen if at - rules.memory <= s.at < at + rules.ahead and s.what.motion]
    now = [box for when, box in largest if when >= at - rules.ahead]
    if len(now) < rules.evidence_now or len(largest) < rules.evidence:
        return None
    heights = sorted(box.h for _, box in largest)
    # nine looks in ten are no higher: the greatest of all may be two people, or a shadow
    height = heights[int(len(heights) * rules.tallest)]
    size = max(rules.least, height * rules.headroom)
    # three reasons for the whole frame: a body that fills it, a crop hardly smaller, and one wider than the frame is
    if height >= rules.small or size >= rules.wide or size * rules.aspect > 1.0:
        return Pose()
    tops = sorted(box.y for _, box in largest)
    x = median(box.x + box.w / 2 for box in now)
    y = tops[len(tops) // 10] + height * rules.centre
    return Pose(x, y, round(size, 2))  # hundredths: one look more or less is no reason to zoom


def _worth_moving(pose: Pose, goal: Pose, wanted: Pose, rules: CropRules) -> bool:
    moving = abs(pose.x - goal.x) + abs(pose.y - goal.y) > rules.still
    zone = rules.dead_zone * pose.h * (rules.zone_in_motion if moving else 1.0)
    return abs(wanted.x - pose.x) > zone or abs(wanted.y - pose.y) > zone or abs(wanted.h - pose.h) > rules.zoom_zone


def _moved(pose: Pose, goal: Pose, rules: CropRules, seconds: float) -> Pose:
    x, vx = _spring(pose.x, pose.vx, goal.x, rules.stiffness, seconds)
    y, vy = _spring(pose.y, pose.vy, goal.y, rules.stiffness, seconds)
    h, vh = _spring(pose.h, pose.vh, goal.h, rules.stiffness, seconds)
    return Pose(x, y, h, vx, vy, vh)


def _spring(at: float, speed: float, goal: float, omega: float, seconds: float) -> tuple[float, float]:
    """A critically damped spring after `seconds`: x(t) = goal + (d + (v + ωd)·t)·e^-ωt with d = x(0) - goal."""
    offset = at - goal
    decay = 2.718281828459045 ** (-omega * seconds)
    drive = speed + omega * offset
    return goal + (offset + drive * seconds) * decay, (speed - omega * drive * seconds) * decay


def _crop(pose: Pose, rules: CropRules) -> Rectangle:
    """The crop, kept inside the frame; rounded, so that journals stay short and runs agree to the last digit."""
    h = min(1.0, max(rules.least, pose.h), 1.0 / rules.aspect)
    w = h * rules.aspect
    if h > rules.snap and rules.aspect == 1.0:
        return FULL_FRAME
    x = min(max(0.0, pose.x - w / 2), 1.0 - w)
    y = min(max(0.0, pose.y - h / 2), 1.0 - h)
    return Rectangle(round(x, 4), round(y, 4), round(w, 4), round(h, 4))


def _pose_of(path: CropPath) -> Pose:
    """The camera as `path` left it, its speed read off the last two keys."""
    last = path.keys[-1]
    x, y = last.box.centre
    if len(path.keys) < 2:
        return Pose(x, y, last.box.h)
    before = path.keys[-2]
    seconds = max(seconds_from_ticks(last.at - before.at), 1e-3)
    bx, by = before.box.centre
    return Pose(x, y, last.box.h, (x - bx) / seconds, (y - by) / seconds, (last.box.h - before.box.h) / seconds)


def _thinned(keys: Sequence[CropKey]) -> tuple[CropKey, ...]:
    """Keys without those in the middle of a rest."""
    kept = [keys[0]]
    kept += [b for a, b, c in zip(keys, keys[1:], keys[2:], strict=False) if not a.box == b.box == c.box]
    return (*kept, *keys[-1:]) if len(keys) > 1 else tuple(kept)
