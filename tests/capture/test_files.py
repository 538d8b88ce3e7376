"""Imported and paced files: everything that is in them, once, at its place."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from capture.session import record_source
from lesson.errors import UnusableMediaError
from lesson.folder import LessonFolder
from lesson.journal import append_records, read_journal
from lesson.ledger import ledger_problems
from lesson.model import Kind
from lesson.records import EpochStarted, Mapped, SegmentCommitted, StreamAccount, Unknown
from lesson.time import TICKS_PER_SECOND, ClockMap, Span, Ticks
from lesson.view import load_state
from media.decode.pictures import pictures
from media.decode.sound import sound
from media.feeds.probe import probe
from tests.kit.camera_content import FRAME
from tests.kit.capturing import (
    Capture,
    by_epoch,
    epochs,
    files,
    finished,
    live_lesson,
    losses,
    marks,
    records,
    segments,
    stop_now,
)
from tests.kit.clicks import find_clicks
from tests.kit.clips import marked_clip
from tests.kit.films import clicks, tape
from tests.kit.footage import clips
from tests.kit.lessons import source
from tests.kit.waiting import wait_until

MS = TICKS_PER_SECOND // 1000


def imported(root: Path, file: Path, *, start: Ticks = 0) -> LessonFolder:
    return live_lesson(root, source("teacher", uri=f"file:{file}", imported=True, start=start))


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Recording in this process takes SIGTERM for itself."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def run(folder: LessonFolder) -> tuple[int, str]:
    """Record in this process; its exit code were it one of its own, and why it failed."""
    try:
        record_source(folder, "teacher")
    except UnusableMediaError as error:
        return 2, str(error)
    return 0, ""


def click_times(folder: LessonFolder, origin: Ticks) -> list[Ticks]:
    found: list[Ticks] = []
    for block in _joined(files(folder, segments(folder, "teacher"))):
        found += find_clicks(block[1], start=block[0] - origin)
    return found


def _joined(paths: list[Path]) -> Iterator[tuple[Ticks, NDArray[np.float32]]]:
    blocks = list(sound(paths))
    if blocks:
        yield blocks[0].at, np.concatenate([block.pcm for block in blocks])


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "mov", "avi"])
def test_every_picture_and_click_is_there_once_at_its_place(tmp_path: Path, suffix: str) -> None:
    video, audio = ("mpeg4", "mp2") if suffix == "avi" else ("libx264", "aac")
    clip = marked_clip(tmp_path / f"clip.{suffix}", seconds=9, video=video, audio=audio)
    folder = imported(tmp_path, clip, start=5 * TICKS_PER_SECOND)
    code, log = run(folder)
    assert code == 0, log
    found = segments(folder, "teacher")
    (epoch,) = epochs(folder, "teacher")
    assert epoch.start == 5 * TICKS_PER_SECOND
    assert [s.seq for s in found] == list(range(len(found)))
    assert len(found) == 3
    shown = marks(folder, found)
    assert [mark.at if mark else None for _, mark in shown] == [n * FRAME for n in range(225)]
    first_mark_at = shown[0][0]
    assert all(abs(at - first_mark_at - n * FRAME) <= MS for n, (at, _) in enumerate(shown))
    clicks = click_times(folder, first_mark_at)
    assert [round(at / TICKS_PER_SECOND) for at in clicks] == [0, 2, 4, 6, 8][-len(clicks) :]
    assert len(clicks) >= 4
    assert all(abs(at - round(at / TICKS_PER_SECOND) * TICKS_PER_SECOND) < 40 * MS for at in clicks)
    assert finished(folder, "teacher")
    assert not any(segment.anchors for segment in found)


@pytest.mark.parametrize("start_s", [0.0, 7.4, 93_000.0])
def test_the_origin_is_the_first_time_stamp_of_the_file(tmp_path: Path, start_s: float) -> None:
    clip = marked_clip(tmp_path / "clip.mkv", seconds=2, audio=None, start=round(start_s * TICKS_PER_SECOND))
    folder = imported(tmp_path, clip)
    assert run(folder)[0] == 0
    (epoch,) = epochs(folder, "teacher")
    shown = marks(folder, segments(folder, "teacher"))
    assert abs(shown[0][0] - epoch.origin) <= MS


def test_pictures_out_of_order_are_copied_with_their_order(tmp_path: Path) -> None:
    options = {"preset": "medium", "bf": "3", "b-adapt": "0", "tune": "", "x264-params": "open-gop=1"}
    clip = marked_clip(tmp_path / "clip.mp4", seconds=9, options={k: v for k, v in options.items() if v})
    folder = imported(tmp_path, clip)
    assert run(folder)[0] == 0
    found = segments(folder, "teacher")
    assert [mark.at for _, mark in marks(folder, found) if mark] == [n * FRAME for n in range(225)]
    assert {info.codec for info in epochs(folder, "teacher")[0].streams} == {"h264", "aac"}


def test_a_bare_stream_without_times_is_encoded_anew(tmp_path: Path) -> None:
    clip = marked_clip(
        tmp_path / "clip.h264", seconds=3, audio=None, options={"bf": "2", "preset": "fast", "crf": "18"}
    )
    folder = imported(tmp_path, clip)
    code, log = run(folder)
    assert code == 0, log
    assert [mark.at for _, mark in marks(folder, segments(folder, "teacher")) if mark] == [n * FRAME for n in range(75)]


def test_an_interrupted_import_goes_on_where_it_was(tmp_path: Path) -> None:
    clip = marked_clip(tmp_path / "clip.mp4", seconds=30, options={"tune": "zerolatency"})
    folder = imported(tmp_path, clip)
    for committed in (2, 5):
        with Capture(folder, "teacher") as capture:
            wait_until(
                lambda n=committed: len(segments(folder, "teacher")) >= n or capture.process.poll() is not None, 20
            )
            capture.kill()
    code, log = run(folder)
    assert code == 0, log
    found = segments(folder, "teacher")
    assert [s.seq for s in found] == list(range(8))
    assert len(epochs(folder, "teacher")) == 1
    assert [mark.at for _, mark in marks(folder, found) if mark] == [n * FRAME for n in range(30 * 25)]
    assert run(folder)[0] == 0, "once more changes nothing"
    assert segments(folder, "teacher") == found


def test_an_import_told_to_end_goes_on_later(tmp_path: Path) -> None:
    clip = marked_clip(tmp_path / "clip.mp4", seconds=30, options={"tune": "zerolatency"})
    folder = imported(tmp_path, clip)
    with Capture(folder, "teacher") as capture:
        capture.wait_for_segments(2)
        capture.terminate()
    assert run(folder)[0] == 0
    assert len(marks(folder, segments(folder, "teacher"))) == 750


def test_an_import_does_not_care_that_the_lesson_was_stopped(tmp_path: Path) -> None:
    folder = imported(tmp_path, marked_clip(tmp_path / "clip.mp4", seconds=3))
    stop_now(folder)
    assert run(folder)[0] == 0
    assert len(marks(folder, segments(folder, "teacher"))) == 75


def test_time_stamps_that_start_anew_make_an_epoch_that_follows(tmp_path: Path) -> None:
    """Two recordings joined byte by byte, as cameras with a memory card do."""
    one = marked_clip(tmp_path / "a.ts", seconds=5, start=500 * TICKS_PER_SECOND)
    two = marked_clip(tmp_path / "b.ts", seconds=5)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() + two.read_bytes())
    folder = imported(tmp_path, joined)
    code, log = run(folder)
    assert code == 0, log
    _, second = epochs(folder, "teacher")
    assert second.start is not None
    assert abs(second.start - 5 * TICKS_PER_SECOND) < 100 * MS
    for number, found in by_epoch(segments(folder, "teacher")).items():
        shown = [mark.at for _, mark in marks(folder, found) if mark]
        assert len(shown) >= 120, f"epoch {number}"
        assert shown == sorted(set(shown))


@pytest.mark.parametrize("content", [b"", b"hello", bytes(100_000)], ids=["empty", "text", "zeros"])
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "lesson.mp4"
    file.write_bytes(content)
    folder = imported(tmp_path, file)
    code, log = run(folder)
    assert code == 2
    (reason,) = losses(folder, "teacher")
    assert str(file) in reason
    assert reason == log
    assert "\n" not in reason
    assert finished(folder, "teacher"), "the lesson must not wait for it"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    folder = imported(tmp_path, tmp_path / "nowhere.mp4")
    assert run(folder)[0] == 2
    assert "nowhere.mp4" in losses(folder, "teacher")[0]


def test_a_file_cut_off_gives_what_is_there(tmp_path: Path) -> None:
    clip = marked_clip(tmp_path / "clip.ts", seconds=8)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 5 // 8])
    folder = imported(tmp_path, clip)
    assert run(folder)[0] == 0
    shown = [mark.at for _, mark in marks(folder, segments(folder, "teacher")) if mark]
    assert 100 < len(shown) < 150
    assert shown == [n * FRAME for n in range(len(shown))]


def test_a_paced_file_takes_as_long_as_it_is_and_loops_without_a_break(tmp_path: Path) -> None:
    clip = marked_clip(tmp_path / "clip.mp4", seconds=2)
    folder = live_lesson(tmp_path, source("teacher", uri=f"file:{clip}?loop"))
    with Capture(folder, "teacher") as capture:
        found = capture.wait_for_segments(1)
        stop_now(folder)
        assert capture.wait() == 0
    (epoch,) = epochs(folder, "teacher")
    shown = marks(folder, segments(folder, "teacher"))
    assert len(shown) >= 100
    assert [mark.at for _, mark in shown if mark] == [n % 50 * FRAME for n in range(len(shown))]
    steps = [b - a for (a, _), (b, _) in pairwise(shown)]
    assert max(steps) <= FRAME + 30 * MS
    anchor = found[0].anchors[0]
    real_ms = (anchor.monotonic_ns - epoch.at.monotonic_ns) / 1e6
    assert abs(real_ms - (anchor.pts - shown[0][0] / MS)) < 150


def test_a_paced_file_that_is_over_is_finished(tmp_path: Path) -> None:
    clip = marked_clip(tmp_path / "clip.mp4", seconds=2)
    folder = live_lesson(tmp_path, source("teacher", uri=f"file:{clip}"))
    assert run(folder)[0] == 0
    assert finished(folder, "teacher")
    assert len(marks(folder, segments(folder, "teacher"))) == 50


REFUSED = {"exo_invalid-bitstream.webm", "mp4parse_invalid_userdata.mp4", "no_moov.mp4", "oc_nostreams.mp4"}


@pytest.mark.footage
@pytest.mark.parametrize("clip", clips("odd", "slides"))
def test_a_real_world_file_is_recorded_whole_or_refused(footage: Path, clip: Path, tmp_path: Path) -> None:
    """The same pictures at the same times as in the file, or one line of refusal."""
    assert footage.is_dir()
    assert _import_problems(tmp_path, clip) == []


def _import_problems(root: Path, clip: Path) -> list[str]:
    folder = imported(root, clip)
    code, reason = run(folder)
    if code:
        return [] if clip.name in REFUSED and str(clip) in reason else [f"refused: {reason}"]
    if clip.name in REFUSED:
        return ["not refused"]
    return _differences(clip, folder) if clip.parent.name == "odd" else []


def _differences(clip: Path, folder: LessonFolder) -> list[str]:
    """How the pictures within what was recorded differ from those that the file shows."""
    (epoch,) = epochs(folder, "teacher")
    start = probe(clip).start
    found = segments(folder, "teacher")
    if not load_state(folder).sources["teacher"].has(Kind.VIDEO):
        return [] if any(segment.audio for segment in found) else ["no sound"]
    span = found[0].span(Kind.VIDEO), found[-1].span(Kind.VIDEO)
    begin, end = span[0].start if span[0] else 0, span[1].end if span[1] else 0
    original = [(p.at - start, p.width, p.height) for p in pictures([clip]) if p.at >= start]
    recorded = [p for p in pictures(files(folder, found)) if begin <= p.at < end]
    stored = [(p.at - epoch.origin, p.width, p.height) for p in recorded]
    if len(original) != len(stored):
        return [f"{len(original)} pictures became {len(stored)}"]
    if any(abs(o[0] - s[0]) > MS for o, s in zip(original, stored, strict=True)):
        return ["times differ"]
    if {o[1:] for o in original} != {s[1:] for s in stored} and clip.suffix != ".h264":  # that one changes its size
        return ["sizes differ"]
    return []


def parts_lesson(root: Path, *files: Path, start: Ticks = 0) -> LessonFolder:
    uris = tuple(f"file:{file}" for file in files)
    return live_lesson(root, source("teacher", uri=uris[0], parts=uris, imported=True, start=start))


def test_parts_follow_each_other_each_in_its_own_epoch(tmp_path: Path) -> None:
    one = marked_clip(tmp_path / "one.mp4", seconds=5)
    two = marked_clip(tmp_path / "two.mkv", seconds=2, audio="libopus", start=9 * TICKS_PER_SECOND)
    three = marked_clip(tmp_path / "three.mp4", seconds=3, audio=None)
    folder = parts_lesson(tmp_path, one, two, three, start=2 * TICKS_PER_SECOND)
    assert run(folder) == (0, "")
    started = epochs(folder, "teacher")
    assert [epoch.epoch for epoch in started] == [0, 1, 2]
    lengths = [(b.start or 0) - (a.start or 0) for a, b in pairwise(started)]
    assert started[0].start == 2 * TICKS_PER_SECOND
    assert lengths == [
        pytest.approx(5 * TICKS_PER_SECOND, abs=50 * MS),
        pytest.approx(2 * TICKS_PER_SECOND, abs=50 * MS),
    ]
    shown = [
        [mark.at for _, mark in marks(folder, part) if mark] for part in by_epoch(segments(folder, "teacher")).values()
    ]
    assert shown == [[n * FRAME for n in range(25 * seconds)] for seconds in (5, 2, 3)]
    assert [segment.seq for segment in segments(folder, "teacher")] == list(range(len(segments(folder, "teacher"))))


def test_parts_that_were_interrupted_are_read_on_as_if_they_had_not_been(tmp_path: Path) -> None:
    clips = [marked_clip(tmp_path / f"{name}.mp4", seconds=5) for name in "ab"]
    whole = parts_lesson(tmp_path / "whole", *clips)
    assert run(whole) == (0, "")
    again = parts_lesson(tmp_path / "again", *clips)
    kept = [
        record for record in read_journal(whole.raw_journal("teacher"))
        if isinstance(record, EpochStarted | SegmentCommitted)
    ][:4]  # fmt: skip
    append_records(again.raw_journal("teacher"), [record for record in kept if not isinstance(record, Unknown)])
    assert run(again) == (0, "")
    assert [(s.seq, s.epoch, s.video) for s in segments(again, "teacher")] == [
        (s.seq, s.epoch, s.video) for s in segments(whole, "teacher")
    ]
    assert [(e.epoch, e.start) for e in epochs(again, "teacher")] == [
        (e.epoch, e.start) for e in epochs(whole, "teacher")
    ]


def test_a_part_that_broke_off_leaves_a_hole_and_a_line(tmp_path: Path) -> None:
    clip = marked_clip(tmp_path / "clip.mkv", seconds=8)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    folder = parts_lesson(tmp_path, cut, clip)
    assert run(folder) == (0, "")
    first, second = epochs(folder, "teacher")
    assert (first.start, second.start) == (0, pytest.approx(8 * TICKS_PER_SECOND, abs=60 * MS))
    problems = ledger_problems(load_state(folder))
    assert len(problems) == 2
    sentence = re.compile(r"teacher: (picture|sound) ends after [345](\.\d)? of 8 s \(of the part from 0 s on\)")
    assert all(sentence.fullmatch(line) for line in problems)


def test_a_voice_on_the_second_track_is_in_the_recording(tmp_path: Path) -> None:
    voice = tape(tmp_path / "voice.wav", clicks(4 * TICKS_PER_SECOND, [TICKS_PER_SECOND]), codec="pcm_s16le")
    both = tmp_path / "both.mkv"
    with av.open(str(voice)) as source_file, av.open(str(both), "w") as out:
        silent = out.add_stream("pcm_s16le", rate=TICKS_PER_SECOND, layout="mono")
        heard = out.add_stream_from_template(source_file.streams[0])
        for packet in source_file.demux(audio=0):
            if packet.size:
                frame = av.AudioFrame.from_ndarray(
                    np.zeros((1, packet.duration), np.int16), format="s16", layout="mono"
                )
                frame.sample_rate, frame.pts = TICKS_PER_SECOND, packet.pts
                out.mux(silent.encode(frame))
                packet.stream = heard
                out.mux(packet)
    folder = imported(tmp_path, both)
    assert run(folder) == (0, "")
    origin = epochs(folder, "teacher")[0].origin
    assert click_times(folder, origin) == [pytest.approx(TICKS_PER_SECOND, abs=2 * MS)]
    assert ledger_problems(load_state(folder)) == []
    assert len([record for record in records(folder, "teacher", StreamAccount) if record.used]) == 2


def test_a_hole_in_all_streams_is_a_gap(tmp_path: Path) -> None:
    clip = marked_clip(tmp_path / "clip.mkv", seconds=14)
    holed = tmp_path / "holed.mkv"
    with av.open(str(clip)) as whole, av.open(str(holed), "w") as out:
        copies = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in whole.streams}
        for packet in whole.demux():
            if packet.size and packet.pts is not None and not 4 <= packet.pts * packet.time_base < 12:
                packet.stream = copies[packet.stream.index]
                out.mux_one(packet)
    folder = imported(tmp_path, holed)
    assert run(folder) == (0, "")
    state = load_state(folder)
    (epoch,) = epochs(folder, "teacher")
    state.apply(Mapped(map=ClockMap("teacher", 0, Span(0, 20 * TICKS_PER_SECOND), -epoch.origin)))
    gaps = [(gap.kind, gap.span.start, gap.span.end) for gap in state.gaps()]
    assert gaps
    for kind in {kind for kind, _, _ in gaps}:
        (found,) = [(start, end) for gap, start, end in gaps if gap is kind]
        assert found == (
            pytest.approx(4 * TICKS_PER_SECOND, abs=TICKS_PER_SECOND // 10),
            pytest.approx(12 * TICKS_PER_SECOND, abs=TICKS_PER_SECOND // 10),
        )


def test_pictures_before_the_first_key_frame_are_counted_as_dropped(tmp_path: Path) -> None:
    """A recording that was started, or cut, in the middle of a group of pictures."""
    clip, headless = marked_clip(tmp_path / "clip.ts", seconds=4), tmp_path / "headless.ts"
    with av.open(str(clip)) as whole, av.open(str(headless), "w") as out:
        copies = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in whole.streams}
        pictures_seen = 0
        for packet in whole.demux():
            pictures_seen += packet.stream.type == "video"
            if packet.size and pictures_seen > 10:
                packet.stream = copies[packet.stream.index]
                out.mux_one(packet)
    folder = imported(tmp_path, headless)
    assert run(folder) == (0, "")
    (picture,) = [r for r in records(folder, "teacher", StreamAccount) if r.kind is Kind.VIDEO]
    assert (picture.dropped_packets, picture.dropped, picture.code) == (15, 15 * FRAME, "undecodable")
    (problem,) = ledger_problems(load_state(folder))
    assert problem == "teacher: picture: 0.6 s in 15 packets were dropped: not decodable"
