"""Whose turn it is on the line to a store: fresh lessons first, the others alike, whatever comes and goes."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from lesson.package import Object, text_object
from publish.plan import Put, PutPlaylist, Seal, Step
from publish.schedule import TURN_BYTES, LineWindow, Turns, WaitingLesson, bytes_of, schedule

LARGEST = 3_000_000


def put(size: int, key: str = "low/000000.m4s") -> Put:
    return Put(Object(key=key, path=f"enc/{key}", bytes=size, sha256="0", content_type="video/mp4", cache_control=""))


def playlist(text: str) -> PutPlaylist:
    return PutPlaylist(object=text_object("index.m3u8", text, "text/plain", ""), chunks=1, final=False)


STEPS: st.SearchStrategy[Step] = st.one_of(
    st.integers(1, LARGEST).map(put),
    st.text("a", max_size=9).map(playlist),
    st.just(Seal()),
)
WAITING = st.lists(
    st.builds(
        WaitingLesson,
        lesson=st.integers(0, 99).map(lambda number: f"{number:02d}"),
        next=STEPS,
        fresh=st.booleans(),
        sent=st.integers(0, 10 * TURN_BYTES),
    ),
    max_size=100,
    unique_by=lambda one: one.lesson,
)


@given(WAITING, st.sampled_from(LineWindow), st.one_of(st.none(), st.integers(-5, 5)))
def test_one_of_those_that_wait_goes_with_its_own_object(
    waiting: list[WaitingLesson], window: LineWindow, cap: int | None
) -> None:
    turn = schedule(waiting, window, cap)
    may_go = [one for one in waiting if one.fresh or window is LineWindow.ALL]
    if not may_go or (cap is not None and cap <= 0):
        assert turn is None
        return
    assert turn is not None
    chosen = next(one for one in may_go if one.lesson == turn[0])
    assert turn[1] is chosen.next
    assert chosen.fresh or not any(one.fresh for one in waiting)
    rivals = [one for one in may_go if one.fresh == chosen.fresh]
    assert chosen.sent // TURN_BYTES == min(one.sent // TURN_BYTES for one in rivals)


def test_a_hundred_lessons_have_the_same_of_the_line_and_the_oldest_is_first_of_them() -> None:
    turns, had = Turns(), Counter[str]()
    lessons = {f"{number:03d}": (put(4_000_000), False) for number in range(100)}
    order: list[str] = []
    for _ in range(100 * 4 * 2 + 3):
        turn = schedule(turns.waiting(lessons), LineWindow.ALL, None)
        assert turn is not None
        turns.add(turn[0], bytes_of(turn[1]))
        had[turn[0]] += bytes_of(turn[1])
        order += [turn[0]] if not order or order[-1] != turn[0] else []
    assert order == [*sorted(lessons), *sorted(lessons), "000"]
    assert max(had.values()) - min(had.values()) == 12_000_000


@settings(max_examples=25)
@given(data=st.data())
def test_nobody_gets_ahead_of_another_by_more_than_a_turn(data: st.DataObject) -> None:
    """Lessons come and go, become fresh and stale; what each pair got while both waited side by side stays close."""
    turns = Turns()
    stay = ["a", "b", "c"]
    sizes = {lesson: data.draw(st.integers(LARGEST // 3, LARGEST)) for lesson in [*stay, "x", "y"]}
    had = Counter(dict.fromkeys(stay, 0))
    for _ in range(data.draw(st.integers(20, 60))):
        lessons = {lesson: (put(sizes[lesson]), False) for lesson in stay}
        for visitor in data.draw(st.sets(st.sampled_from(["x", "y"]))):
            lessons[visitor] = (put(sizes[visitor]), data.draw(st.booleans()))
        turn = schedule(turns.waiting(lessons), LineWindow.ALL, None)
        assert turn is not None
        assert lessons[turn[0]][1] or not any(fresh for _, fresh in lessons.values())
        turns.add(turn[0], bytes_of(turn[1]))
        had[turn[0]] += bytes_of(turn[1])
    mine = [had[lesson] for lesson in stay]
    assert max(mine) - min(mine) <= TURN_BYTES + LARGEST


def test_who_comes_late_is_owed_nothing() -> None:
    turns = Turns()
    for _ in range(100):
        turns.waiting({"old": (put(1), False)})
        turns.add("old", 1_000_000)
    both = {"old": (put(1), False), "new": (put(1), False)}
    sent = {one.lesson: one.sent for one in turns.waiting(both)}
    assert sent == {"old": 100_000_000, "new": 100_000_000}


def test_who_was_fresh_does_not_pay_for_it() -> None:
    turns = Turns()
    turns.waiting({"today": (put(1), True), "old": (put(1), False)})
    turns.add("today", 900_000_000)
    turns.add("old", 5)
    sent = {one.lesson: one.sent for one in turns.waiting({"today": (put(1), False), "old": (put(1), False)})}
    assert sent == {"today": 5, "old": 5}


def test_an_object_may_overdraw_the_cap_but_nothing_goes_on_credit() -> None:
    waiting = [WaitingLesson(lesson="a", next=put(LARGEST), fresh=True)]
    assert schedule(waiting, LineWindow.FRESH, 1) == ("a", waiting[0].next)
    assert schedule(waiting, LineWindow.ALL, 0) is None
    assert schedule(waiting, LineWindow.ALL, 1 - LARGEST) is None


def test_outside_its_window_a_backlog_waits() -> None:
    backlog = WaitingLesson(lesson="a", next=put(1), fresh=False)
    assert schedule([backlog], LineWindow.FRESH, None) is None
    assert schedule([backlog], LineWindow.ALL, None) == ("a", backlog.next)
