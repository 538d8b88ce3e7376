"""Which recordings may make room, and when: for any row of lessons, clocks and free bytes."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lesson.folder import LessonFolder
from lesson.glance import LessonEntry, glance
from lesson.keeping import WaterMarks, pin_lesson, reclaimable
from lesson.listing import lesson_summary, listed_lesson
from lesson.phase import Phase
from lesson.records import Start, Stop
from lesson.view import load_state
from tests.kit.lessons import make_lesson, moment, start, stop

DAY = 86_400.0


@given(low=st.integers(1, 89), more=st.integers(1, 60), parts=st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_room_is_made_from_the_low_mark_up_to_the_high_one(low: int, more: int, parts: list[float]) -> None:
    marks, total = WaterMarks(low, low + more), 1 << 40
    was = False
    for part in parts:
        free = round(part * total)
        now = marks.look(free, total)
        assert now or 100 * free >= low * total
        assert not now or 100 * free < (low + more) * total
        assert now == was or (now and 100 * free < low * total) or (was and 100 * free >= (low + more) * total)
        was = now


@st.composite
def entries(draw: st.DrawFn) -> list[LessonEntry]:
    found = []
    for number in range(draw(st.integers(0, 6))):
        began, boot = draw(st.floats(-100 * DAY, 100 * DAY)), draw(st.sampled_from(["boot-1", "boot-2"]))
        stopped = draw(st.booleans())
        found.append(
            LessonEntry(
                folder=LessonFolder(Path(f"lesson-{number}")),
                phase=draw(
                    st.sampled_from([Phase.PUBLISHED, Phase.PUBLISHED, Phase.PROCESSING, Phase.RECORDING, None])
                ),
                start=Start(at=moment(began, boot=boot)),
                stop=Stop(at=moment(began + 100, boot=boot)) if stopped else None,
                pinned=draw(st.sampled_from([False, False, True])),
                raw_reclaimed=draw(st.sampled_from([None, None, "2026-11-02"])),
                problem=draw(st.sampled_from([None, None, "damaged"])),
            )
        )
    return found


@given(found=entries(), now_s=st.floats(-200 * DAY, 200 * DAY), keep_s=st.floats(0, 50 * DAY))
def test_oldest_first_and_never_what_is_pinned_young_unsafe_or_of_unknown_age(
    found: list[LessonEntry], now_s: float, keep_s: float
) -> None:
    due = reclaimable(found, moment(now_s, boot="boot-2"), keep_s)
    by_id = {one.folder.id: one for one in found}
    ended = []
    for folder in due:
        one = by_id[folder.id]
        assert (one.phase, one.pinned, one.raw_reclaimed, one.problem) == (Phase.PUBLISHED, False, None, None)
        assert one.start is not None
        over = (one.stop or one.start).at
        assert moment(now_s).seconds_since(over) >= keep_s - 1
        ended.append(over.wall)
    assert ended == sorted(ended)


def test_a_lesson_is_pinned_and_let_go_again(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    start(folder)
    stop(folder)
    for pinned in (True, False, True):
        assert pin_lesson(folder, pinned=pinned)
        assert not pin_lesson(folder, pinned=pinned), "said once"
        said = (load_state(folder).pinned, glance(folder).pinned, listed_lesson(glance(folder)).pinned)
        assert said == (pinned, pinned, pinned)
        assert lesson_summary(load_state(folder)).pinned is pinned
