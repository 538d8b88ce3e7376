"""Who is heard where nothing can be heard of the microphone: planned once, never late, and not taken back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.simulated_feeds import SimulatedEpoch, exponential, in_order
from encode.voice import voice_pieces
from lesson.model import Kind, Role, SourceSpec
from lesson.records import BackupHeard, Record, SegmentCommitted, SegmentMeasured
from lesson.roles import voice_order
from lesson.signal_record_types import SoundLevels
from lesson.time import Span, merged
from tests.kit.lessons import source
from tests.tracking.simulation import AUDIO, Run, S, lesson, stop
from tracking.backups import LEAST_MUTE
from tracking.rules import PATIENCE

MIC = source("mic", backup="ceiling")
CEILING = source(Role.MIC, "ceiling")
Entries = list[tuple[float, Record]]


def recorded(end_s: float, *specs: SourceSpec) -> Entries:
    jitter = exponential(0.01)
    return in_order(
        [SimulatedEpoch(spec, 0.1 * n, end_s + 0.3, kinds=AUDIO, jitter=jitter, finished=True)
         for n, spec in enumerate(specs)]
    )  # fmt: skip


def listened(entries: Entries, mute: dict[str, list[Span]], *, after_s: float = 0.3, until_s: float = 1e9) -> Entries:
    """With what was measured of each segment; `mute`: in source ticks."""
    out = list(entries)
    for at, record in entries:
        if isinstance(record, SegmentCommitted) and at < until_s:
            one = record.segment
            span = one.span(Kind.AUDIO)
            assert span is not None
            parts = tuple(p for stretch in mute.get(one.source, []) if (p := stretch.intersection(span)))
            levels = SoundLevels(rms_db=-30.0, peak_db=-9.0, clipped=0.0, hum=0.0, mute=parts)
            out.append((at + after_s, SegmentMeasured(source=one.source, epoch=one.epoch, seq=one.seq, sound=levels)))
    return sorted(out, key=lambda entry: entry[0])


def planned(mute: dict[str, list[Span]], *, end_s: float = 60, specs: tuple[SourceSpec, ...] = (MIC, CEILING)) -> Run:
    entries = sorted([*listened(recorded(end_s, *specs), mute), stop(end_s)], key=lambda entry: entry[0])
    run = lesson(*specs).go(entries, end_s + 20, blind=True)
    assert run.state.final
    return run


def heard(run: Run) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {}
    for span, epoch in voice_pieces(run.state, Span(0, run.state.frozen_until)):
        found.setdefault(epoch.source if epoch else "", []).append(span)
    return found


def secs(*pairs: tuple[float, float]) -> list[Span]:
    return [Span(round(a * S), round(b * S)) for a, b in pairs]


def near(found: list[Span], wanted: list[Span], within: int) -> bool:
    pairs = zip(found, wanted, strict=False)
    close = all(abs(a.start - b.start) <= within and abs(a.end - b.end) <= within for a, b in pairs)
    return len(found) == len(wanted) and close


def test_the_backup_is_heard_exactly_where_the_microphone_is_mute() -> None:
    run = planned({"mic": secs((10, 17.5), (30, 41), (50, 51))})
    assert near(heard(run)["ceiling"], secs((10, 17.5), (30, 41)), S * 40 // 1000)
    lines = [record for record in run.plan if isinstance(record, BackupHeard)]
    assert {(one.source, one.backup) for one in lines} == {("mic", "ceiling")}
    assert near(merged(one.span for one in lines), heard(run)["ceiling"], 0), "journaled as it is heard"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(4, 50), st.floats(0.5, 20)), max_size=4), st.integers(0, 4))
def test_whatever_is_mute_the_rule_is_the_same(pieces: list[tuple[int, float]], kind: int) -> None:
    mute = merged(Span(start * S, start * S + round(length * S)) for start, length in pieces)
    run = planned({"mic": mute, "ceiling": secs((20, 30)) if kind == 0 else []})
    window = Span(0, run.state.frozen_until)
    muted = long = [p for one in mute if one.duration >= LEAST_MUTE and (p := one.intersection(window))]
    if kind == 0:  # nothing is said of a backup that is as mute
        long = [p for one in long for part in secs((0, 20), (30, 90)) if (p := one.intersection(part))]
    silence_at_the_edge = 4 * S  # where the lesson was frozen before it was known how long it lasts
    found = merged(heard(run).get("ceiling", []))
    for one in found:
        assert any(one.start >= part.start - 2000 and one.end <= part.end + 2000 for part in muted)
    for part in long:
        inside = [one for one in found if one.overlaps(part)]
        assert sum(one.duration for one in inside) >= part.duration - silence_at_the_edge
        assert all(a.end <= b.start for a, b in pairwise(inside))


def test_a_backup_of_the_backup_is_asked_and_order_follows_what_stands_in() -> None:
    specs = (source("mic", backup="ceiling"), source("teacher"), source(Role.BOARD, "ceiling", backup="desk"),
             source(Role.STUDENTS, "desk"))  # fmt: skip
    run = planned({"mic": secs((10, 30)), "ceiling": secs((20, 40))}, specs=specs)
    assert voice_order(run.state) == ["mic", "ceiling", "desk", "teacher"]
    assert near(heard(run)["ceiling"], secs((10, 20.2)), S * 40 // 1000)  # its own clock began 0.2 s later
    assert near(heard(run)["desk"], secs((20.2, 30)), S * 40 // 1000)


def test_without_a_backup_silence_is_silence() -> None:
    run = planned({"mic": secs((10, 30))}, specs=(source("mic"), CEILING))
    assert "ceiling" not in heard(run)
    assert not [record for record in run.plan if isinstance(record, BackupHeard)]


@pytest.mark.parametrize("deaf_from_s", [0.0, 12.0])
def test_nobody_who_listens_delays_a_lesson_by_more_than_the_patience_with_any_source(deaf_from_s: float) -> None:
    specs = (MIC, CEILING, source("teacher"))
    run = lesson(*specs).go(listened(recorded(60, *specs), {}, until_s=deaf_from_s), 58, blind=True)
    at, until = run.frozen[-1]
    assert at - until / S < PATIENCE / S + 20
    assert run.state.frozen_until > 30 * S


def test_what_is_decided_live_is_what_is_decided_afterwards_where_nothing_was_late() -> None:
    mute = {"mic": secs((10, 17.5), (30, 41))}
    live = planned(mute)
    entries = listened(recorded(60, MIC, CEILING), mute)
    later = lesson(MIC, CEILING).go([(0.0, record) for _, record in [*entries, stop(60)]], 70, blind=True)
    assert near(heard(later)["ceiling"], heard(live)["ceiling"], 0)
