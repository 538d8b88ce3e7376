"""Whose failure it is: worlds with bad objects and lines that come and go, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from publish.blame import SURE_AFTER, Blame, Whose

LESSONS = st.sampled_from("abcd")
KEYS = st.sampled_from(["voice", "low"])
OBJECTS = st.tuples(LESSONS, KEYS)


@dataclass
class Told:
    """What came of one try, in the world and in our words."""

    thing: tuple[str, str]
    worked: bool
    whose: Whose | None
    down: bool
    stuck: set[str]


def tell(blame: Blame, thing: tuple[str, str], *, worked: bool, reached: bool = True) -> Told:
    whose = None
    if worked:
        blame.worked(*thing)
    else:
        whose = blame.failed(*thing, reached=reached)
    stuck = {lesson for lesson in "abcd" if blame.is_stuck(lesson)}
    return Told(thing, worked, whose, blame.store_is_down, stuck)


@given(st.lists(st.tuples(OBJECTS, st.booleans(), st.booleans()), max_size=60))
def test_what_is_said_has_its_evidence(tries: list[tuple[tuple[str, str], bool, bool]]) -> None:
    """An object is blamed only if another got through since it failed, a store is down only if none did."""
    blame = Blame()
    past: list[Told] = []
    for thing, worked, reached in tries:
        told = tell(blame, thing, worked=worked, reached=reached)
        past.append(told)
        since_any = past[max((at for at, one in enumerate(past) if one.worked), default=-1) + 1 :]
        of_store = [one for one in since_any if one.whose is Whose.STORE]
        assert told.down == (len(of_store) >= SURE_AFTER)
        if told.whose is Whose.OBJECT:
            assert reached
            own = [at for at, one in enumerate(past[:-1]) if one.thing == thing]
            since = max((at for at in own if past[at].worked), default=-1) + 1
            failed = next(at for at in own if at >= since)
            assert any(one.worked for one in past[failed + 1 :]), "another one got through"
        for lesson in told.stuck:
            rows = [
                [one.worked for one in past if one.thing == (lesson, key)][-SURE_AFTER:] for key in ("voice", "low")
            ]
            assert [False] * SURE_AFTER in rows, "it failed several times in a row"


@given(bad=OBJECTS, order=st.lists(st.tuples(OBJECTS, st.booleans()), min_size=1, max_size=40))
def test_one_bad_object_is_never_the_store(bad: tuple[str, str], order: list[tuple[tuple[str, str], bool]]) -> None:
    """Nor once it is the only one left: what got through while it failed is not forgotten."""
    blame = Blame()
    failures = own = 0
    overtaken = False
    for thing, alone in [*order, *[(bad, True)] * 5]:
        if thing != bad:
            told = tell(blame, thing, worked=True)
            overtaken = failures > 0
        if thing == bad or not alone:
            told = tell(blame, bad, worked=False)
            failures += 1
            own += overtaken
            assert told.whose is (Whose.OBJECT if overtaken else Whose.STORE)
            if failures == SURE_AFTER and not overtaken:
                return  # nothing else was tried meanwhile: it looks like a store that is down, and is called that
        assert not told.down
        assert told.stuck == ({bad[0]} if own >= SURE_AFTER else set())


@given(before=st.lists(OBJECTS, max_size=10), during=st.lists(OBJECTS, min_size=SURE_AFTER, max_size=20), again=OBJECTS)
def test_a_line_that_goes_down_is_the_lines_failure(
    before: list[tuple[str, str]], during: list[tuple[str, str]], again: tuple[str, str]
) -> None:
    blame = Blame()
    for thing in before:
        assert not tell(blame, thing, worked=True).down
    for count, thing in enumerate(during, start=1):
        told = tell(blame, thing, worked=False)
        assert told.whose is Whose.STORE
        assert told.down == (count >= SURE_AFTER)
        assert told.stuck == set()
    assert not tell(blame, again, worked=True).down
    for thing in during:  # all that failed is sent now
        assert tell(blame, thing, worked=True).stuck == set()


@given(st.lists(st.tuples(OBJECTS, st.booleans()), max_size=40))
def test_where_no_connection_came_about_no_object_is_at_fault(tries: list[tuple[tuple[str, str], bool]]) -> None:
    blame = Blame()
    for thing, worked in tries:
        told = tell(blame, thing, worked=worked, reached=False)
        assert told.whose in {None, Whose.STORE}
        assert told.stuck == set()


def test_what_is_forgotten_begins_anew() -> None:
    blame = Blame()
    for _ in range(SURE_AFTER + 1):
        tell(blame, ("a", "low"), worked=False)
        tell(blame, ("b", "low"), worked=True)
    assert blame.is_stuck("a")
    blame.forget("a")
    assert tell(blame, ("a", "low"), worked=False).whose is Whose.STORE
    assert not blame.is_stuck("a")
