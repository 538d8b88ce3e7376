"""Segment files: what is in them, and what is left of them when they are torn."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from lesson.errors import MediaError
from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND
from media.decode.pictures import pictures
from media.feeds.file_feed import FileFeed
from media.feeds.packets import FeedPacket
from media.feeds.segment import file_digest, inspect_segment
from tests.kit.camera_content import FRAME
from tests.kit.clips import marked_clip
from tests.kit.marks import read_mark
from tests.kit.segment_files import SegmentOnDisk

LONGEST_LOSS_S = 0.5


def test_a_finished_segment_says_what_is_in_it(tmp_path: Path) -> None:
    feed = FileFeed(marked_clip(tmp_path / "clip.mp4", seconds=4), paced=False)
    path = tmp_path / "0.mkv"
    writer = SegmentOnDisk(path, feed.streams)
    taken = list(feed.packets())
    assert all(writer.write(packet) for packet in taken)
    stored = writer.finish()
    feed.close()
    assert file_digest(path) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    found = inspect_segment(path).ranges
    video, audio = stored.ranges[Kind.VIDEO], stored.ranges[Kind.AUDIO]
    assert found[Kind.VIDEO] == video
    assert found[Kind.AUDIO] == replace(audio, first=audio.key), "the file does not tell that its priming is not heard"
    assert audio.first == 1000
    assert (video.first, video.last, video.end, video.key, video.packets) == (1000, 4960, 5000, 1000, 100)
    shown = [read_mark(picture.gray(picture.width, picture.height)) for picture in pictures([path])]
    assert [mark.at for mark in shown if mark] == [n * FRAME for n in range(100)]


def test_the_promptest_arrival_is_the_anchor(tmp_path: Path) -> None:
    feed = FileFeed(marked_clip(tmp_path / "clip.mp4", seconds=2), paced=False)
    writer = SegmentOnDisk(tmp_path / "0.mkv", feed.streams)
    late_ns = {20: 3_000_000, 30: 1_000_000}
    for number, packet in enumerate(p for p in feed.packets() if p.kind is Kind.VIDEO):
        arrival = 7_000_000_000 + packet.pts * 10**9 // TICKS_PER_SECOND + late_ns.get(number, 9_000_000)
        writer.write(
            FeedPacket(packet.kind, packet.pts, packet.dts, packet.duration, packet.key, arrival, packet.coded)
        )
    (anchor,) = writer.finish().anchors
    feed.close()
    assert anchor.pts == 1000 + 30 * 40
    assert abs(anchor.monotonic_ns - 7_001_000_000 - anchor.pts * 1_000_000) < 1_000


@pytest.mark.parametrize("tail", [b"", bytes(60_000)], ids=["cut", "zeros"])
def test_a_torn_segment_is_readable_wherever_it_is_torn(tmp_path: Path, tail: bytes) -> None:
    """Cut, or followed by zeros as a power cut leaves them: all pictures but those of the last quarter second."""
    feed = FileFeed(marked_clip(tmp_path / "clip.mp4", seconds=4), paced=False)
    whole = tmp_path / "whole.mkv"
    writer = SegmentOnDisk(whole, feed.streams)
    flushed: list[tuple[int, int]] = []  # (file size, video packets given to the writer until then)
    count = 0
    for packet in feed.packets():
        writer.write(packet)
        count += packet.kind is Kind.VIDEO
        flushed.append((whole.stat().st_size, count))
    data = whole.read_bytes()
    writer.abandon()
    feed.close()
    for size, given in [flushed[index] for index in range(20, len(flushed), 23)]:
        torn = tmp_path / "torn.mkv"
        torn.write_bytes(data[:size] + tail)
        stored = inspect_segment(torn).ranges.get(Kind.VIDEO)
        found = stored.packets if stored else 0
        assert given - found <= LONGEST_LOSS_S * 25, f"{given - found} of {given} pictures lost at byte {size}"
        assert len(list(pictures([torn]))) == found
    for cut in range(flushed[20][0], len(data), 4_999):
        torn.write_bytes(data[:cut] + tail)
        ranges = inspect_segment(torn).ranges
        assert not ranges or ranges.keys() <= {Kind.VIDEO, Kind.AUDIO}


@pytest.mark.parametrize("content", [b"", b"\x1aE\xdf\xa3", bytes(10_000), b"no matroska at all" * 99])
def test_what_is_no_segment_is_an_error_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "0.mkv"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"^[^\n]*0\.mkv: [^\n]*$"):
        inspect_segment(path)


def test_packets_that_step_back_are_dropped_and_said(tmp_path: Path) -> None:
    feed = FileFeed(marked_clip(tmp_path / "clip.mp4", seconds=1), paced=False)
    writer = SegmentOnDisk(tmp_path / "0.mkv", feed.streams)
    taken = [packet for packet in feed.packets() if packet.kind is Kind.VIDEO]
    assert all(writer.write(packet) for packet in taken)
    earlier = taken[3]
    again = FeedPacket(earlier.kind, earlier.pts, earlier.dts, 1, False, 0, earlier.coded)
    assert not writer.write(again)
    assert writer.finish().ranges[Kind.VIDEO].packets == 25
    feed.close()


def test_digest_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc" * 100_000)
    assert file_digest(path) == (300_000, hashlib.sha256(b"abc" * 100_000).hexdigest())
