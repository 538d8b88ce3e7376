"""What the benchmarks measure with is checked before it measures anything."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.camera import cameras
from benchmarks.clip import write_clip
from benchmarks.crash_loss import part_of
from benchmarks.file_watch import FileWatch
from benchmarks.journals import epoch_start_ns, media_end_ns, media_s, packets, records
from benchmarks.library import craft_interrupted, craft_library
from benchmarks.loss_peer import readable_s
from benchmarks.memory import memory_of
from benchmarks.outside import Source, capture_pids, cpu_s, environment, stage_pids, waited, write_config
from classroom.settings import load_settings
from lesson.folder import LessonFolder, lessons_in
from lesson.model import Kind
from lesson.phase import Phase
from lesson.view import load_state
from tests.kit.lessons import make_lesson, record_all
from tests.kit.waiting import wait_until


@given(st.lists(st.floats(0, 100), min_size=1), st.sampled_from([0.5, 0.95, 1.0]))
def test_a_part_of_the_values_is_not_above_it(values: list[float], share: float) -> None:
    ordered = sorted(values)
    limit = part_of(ordered, share)
    assert limit in {round(value, 3) for value in ordered}
    assert limit is not None
    assert sum(value <= limit + 0.001 for value in ordered) >= share * len(ordered)
    assert part_of([], share) is None


def test_journals_tell_how_much_media_is_safe(tmp_path: Path) -> None:
    folder = make_lesson(tmp_path)
    record_all(folder, segments=3)
    for source in load_state(folder).sources.values():
        kind = Kind.AUDIO if source.spec.id == "mic" else Kind.VIDEO
        assert media_s(folder.path, source.spec.id, kind) == 12.0
        stored = [pts.packets for segment in source.segments if (pts := segment.range(kind))]
        assert packets(folder.path, source.spec.id, kind) == sum(stored) > 0


def anchored(path: Path, *segments: tuple[int, int, int, list[tuple[int, int]]]) -> None:
    path.parent.mkdir(parents=True)
    lines = [
        {"type": "SegmentCommitted", "segment": {
            "epoch": epoch, "time_base": "1/1000", "video": {"first": first, "end": end, "packets": 1},
            "anchors": [{"pts": pts, "monotonic_ns": ns} for pts, ns in anchors]}}
        for epoch, first, end, anchors in segments
    ]  # fmt: skip
    lines.insert(0, {"type": "EpochStarted", "epoch": 0, "at": {"monotonic_ns": 77}})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"type": "Segment')


def test_the_promptest_arrival_is_the_clock(tmp_path: Path) -> None:
    second = 1_000_000_000
    anchored(
        tmp_path / "raw" / "teacher" / "journal.jsonl",
        (0, 0, 4_000, [(0, 100 * second), (1_000, 103 * second)]),  # the second packet came two seconds late
        (0, 4_000, 8_000, [(4_000, 105 * second)]),
        (1, 0, 500, [(0, 120 * second)]),
    )
    assert media_end_ns(tmp_path, "teacher", 0) == 108 * second
    assert media_end_ns(tmp_path, "teacher") == 120 * second + second // 2
    assert media_end_ns(tmp_path, "teacher", 2) is None
    assert media_end_ns(tmp_path, "board") is None
    assert epoch_start_ns(tmp_path, "teacher", 0) == 77
    assert len(records(tmp_path / "raw" / "teacher" / "journal.jsonl")) == 4, "a torn line is none"


def test_processes_are_found_by_their_arguments(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import time; time.sleep(60)", "-m", "capture", str(tmp_path), "mic"]
    other = [*argv[:-2], str(tmp_path / "other"), "mic"]
    both = [subprocess.Popen(one) for one in (argv, other)]
    try:
        wait_until(lambda: capture_pids(tmp_path) == {"mic": both[0].pid}, 10)
        assert stage_pids(tmp_path) == {"capture-mic": [both[0].pid]}
    finally:
        for one in both:
            one.kill()
            one.wait()
    assert capture_pids(tmp_path) == {}
    assert cpu_s(both[0].pid) == 0.0
    assert cpu_s(os.getpid()) > 0.0


def test_shared_memory_is_counted_once() -> None:
    """Two processes that share 60 MB of pages, and own 20 MB each."""
    program = (
        "import os, sys, time; shared = bytearray(os.urandom(60_000_000)); child = os.fork();"
        "own = bytearray(os.urandom(20_000_000)); print(os.getpid(), flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        pids = [int(parent.stdout.readline()), int(parent.stdout.readline())]
        found = memory_of(pids)
        assert found.sum >= 2 * 80_000_000 / (1 << 20)
        assert 95_000_000 / (1 << 20) <= found.together <= found.sum - 55_000_000 / (1 << 20)
        assert found.pss == pytest.approx(found.together, rel=0.2)
    finally:
        os.kill(max(pids), 9)
        parent.kill()
        parent.communicate()


def test_files_are_counted_by_name_and_process(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (below / "a").write_text("x")
    watch = FileWatch(tmp_path / "watch", below)
    program = (
        f"import os, pathlib; below = pathlib.Path({str(below)!r}); (below / 'a').read_text(); list(below.iterdir());"
        "open('/dev/null').close(); child = os.fork(); child or (below / 'a').read_bytes(); child and os.wait()"
    )
    subprocess.run([sys.executable, "-P", "-c", program], env=environment(watch.environment), check=True)
    seen = watch.opened()
    assert [(one.event, one.path) for one in seen] == [
        ("open", str(below / "a")), ("os.listdir", str(below)), ("open", str(below / "a")),
    ]  # fmt: skip
    assert seen[0].pid == seen[1].pid != seen[2].pid
    assert watch.opened(before_ns=seen[1].at_ns) == seen[:1]


def test_a_crafted_library_is_what_the_product_calls_published(tmp_path: Path) -> None:
    craft_library(tmp_path, 3, minutes=1.0)
    broken = craft_interrupted(tmp_path)
    states = [load_state(folder) for folder in lessons_in(tmp_path)]
    assert [state.phase for state in states] == [Phase.PUBLISHED] * 3 + [Phase.RECORDING]
    assert states[-1].header.id == broken.name
    assert len({state.header.title for state in states}) == 4
    for folder, state in zip(lessons_in(tmp_path), states[:3], strict=False):
        document = json.loads(folder.manifest_path.read_bytes())
        assert document["lesson_id"] == state.header.id
        assert document["title"] == state.header.title
        assert document["duration_s"] == 60.0
    copies = [LessonFolder(tmp_path / state.header.id).raw_journal("mic").stat().st_ino for state in states[:3]]
    assert len(set(copies)) == 1, "hard links: three thousand of them take no space"


def test_a_broken_off_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_clip(clip, seconds=4.0, size=(320, 180))
    assert readable_s(clip) == pytest.approx(4.0, abs=0.05)
    whole = tmp_path / "whole.ts"
    with av.open(str(clip)) as read, av.open(str(whole), "w", format="mpegts") as write:
        stream = write.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(read.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                write.mux(packet)
    half = tmp_path / "half.ts"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 1.0 < readable_s(half) < 3.0
    no_index = tmp_path / "half.mp4"
    no_index.write_bytes(clip.read_bytes()[:10_000])
    assert readable_s(no_index) == 0.0


def test_a_camera_replays_its_clip_without_a_break(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_clip(clip, seconds=2.0, size=(320, 180))
    with cameras(clip) as feed:
        with av.open(f"{feed.url}/one", options={"rtsp_transport": "tcp"}, timeout=10) as read:
            stamps: list[float] = []
            for packet in read.demux(read.streams.video[0]):
                stamps += [float(packet.pts * packet.time_base)] if packet.pts is not None else []
                if len(stamps) > 90:  # more than one round
                    break
        assert waited(lambda: feed.played_s("one"), 5)
        assert feed.played_s("two") is None
    steps = [b - a for a, b in itertools.pairwise(stamps)]
    assert min(steps) == pytest.approx(0.04, abs=0.002)
    assert max(steps) == pytest.approx(0.04, abs=0.002)


def test_a_written_configuration_is_one(tmp_path: Path) -> None:
    sources = (Source("teacher", "test:teacher", required=True), Source("m", "test:tone", role="mic"))
    path = write_config(tmp_path / "c.toml", tmp_path / "root", sources, store='url = "file:///x"', more='room = "R"')
    settings = load_settings(path)
    assert [(s.id, s.role.value, s.required) for s in settings.sources] == [
        ("teacher", "teacher", True), ("m", "mic", False),
    ]  # fmt: skip
    assert (settings.store.url, settings.room, settings.root) == ("file:///x", "R", tmp_path / "root")
