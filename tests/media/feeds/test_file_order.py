"""Files that decode more than they show, say wrongly when, or grow streams: all that is shown is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame

from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks
from media.decode.pictures import pictures
from media.decode.sound import sound
from media.feeds.file_feed import FileFeed
from media.feeds.file_order import REORDER_DEPTH, decodable
from media.feeds.live_feed import Device, LiveFeed
from media.feeds.packets import FeedPacket
from media.feeds.segment import Contents
from tests.kit.camera_content import FRAME
from tests.kit.clips import marked_clip
from tests.kit.marks import read_mark
from tests.kit.segment_files import SegmentOnDisk

MS = TICKS_PER_SECOND // 1000
B_FRAMES = {"preset": "medium", "bf": "3", "b-adapt": "0", "x264-params": "open-gop=1"}


def remuxed(clip: Path, to: Path, *, by: Ticks) -> Path:
    """The packets of a clip with all times moved; what comes to lie below zero, an edit list takes away."""
    with (
        av.open(str(clip)) as source,
        av.open(str(to), "w", container_options={"avoid_negative_ts": "disabled"}) as out,
    ):
        copies = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size and packet.pts is not None and packet.dts is not None:
                assert packet.time_base is not None
                shift = round(Fraction(by, TICKS_PER_SECOND) / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    return to


def stored(packets: Iterator[FeedPacket], feed: FileFeed, path: Path) -> tuple[int, Contents]:
    """How many packets were dropped when all were written to a segment file, and what is in that."""
    writer = SegmentOnDisk(path, feed.streams)
    dropped = sum(not writer.write(packet) for packet in packets)
    return dropped, writer.finish()


def shown(path: Path) -> list[tuple[Ticks, int]]:
    """(time, number) of every picture that a segment decodes to."""
    found = []
    for picture in pictures([path]):
        mark = read_mark(picture.gray(picture.width, picture.height))
        assert mark is not None, f"mud at {picture.at}"
        found.append((picture.at, mark.at // FRAME))
    return found


@pytest.mark.parametrize("options", [{}, B_FRAMES], ids=["in order", "open GOP with B-frames"])
def test_what_an_edit_list_hides_is_kept_as_far_as_it_is_needed(tmp_path: Path, options: dict[str, str]) -> None:
    whole = marked_clip(tmp_path / "whole.mkv", seconds=5, options=options)
    clip = remuxed(whole, tmp_path / "clip.mp4", by=-round(2.6 * TICKS_PER_SECOND))
    visible = [picture.at for picture in pictures([clip])]
    feed = FileFeed(clip, paced=False)
    dropped, found = stored(feed.packets(), feed, tmp_path / "0.mkv")
    feed.close()
    assert dropped == 0
    decoded = shown(tmp_path / "0.mkv")
    assert decoded[0][1] == 50, "begins at the key frame that what is shown is decoded from"
    assert [number for _, number in decoded] == list(range(50, 125))
    kept = [at - feed.origin for at, _ in decoded if at >= feed.origin]
    assert len(kept) == len(visible)
    assert all(abs(at - theirs) <= MS for at, theirs in zip(kept, visible, strict=True))
    video = found.ranges[Kind.VIDEO]
    assert abs(video.first * MS - feed.origin - visible[0]) <= MS, "the range is of what is shown"
    assert video.key < video.first
    assert found.ranges[Kind.AUDIO].first * MS >= feed.origin - 100 * MS


def test_hidden_pictures_before_a_group_that_stands_alone_are_left_out(tmp_path: Path) -> None:
    whole = marked_clip(tmp_path / "whole.mkv", seconds=4)
    clip = remuxed(whole, tmp_path / "clip.mp4", by=-2 * TICKS_PER_SECOND)
    feed = FileFeed(clip, paced=False)
    stored(feed.packets(), feed, tmp_path / "0.mkv")
    feed.close()
    decoded = shown(tmp_path / "0.mkv")
    assert decoded[0][0] == feed.origin
    assert [number for _, number in decoded] == list(range(50, 100))


def test_a_looped_file_never_shows_what_its_edit_list_hides(tmp_path: Path) -> None:
    whole = marked_clip(tmp_path / "whole.mkv", seconds=2, audio=None)
    clip = remuxed(whole, tmp_path / "clip.mp4", by=-round(1.6 * TICKS_PER_SECOND))
    feed = FileFeed(clip, paced=True, loop=True)

    def three_rounds() -> Iterator[FeedPacket]:
        for number, packet in enumerate(feed.packets()):
            if number == 30:
                feed.close()
                return
            yield packet

    dropped, _ = stored(three_rounds(), feed, tmp_path / "0.mkv")
    assert dropped == 0
    assert [number for _, number in shown(tmp_path / "0.mkv")] == [*range(40, 50)] * 3


def test_decoding_times_behind_the_showing_times_cost_no_picture(tmp_path: Path) -> None:
    """As some telephones write them: DTS counted up from the first PTS though pictures are reordered."""
    clip = marked_clip(tmp_path / "clip.mp4", seconds=4, options=B_FRAMES)
    feed = FileFeed(clip, paced=False)
    packets = list(feed.packets())

    def mistimed() -> Iterator[FeedPacket]:
        number = 0
        for packet in packets:
            if packet.kind is Kind.VIDEO:
                packet = replace(packet, dts=feed.origin + number * FRAME)
                number += 1
            yield packet

    wrong = [packet for packet in mistimed() if packet.dts > packet.pts]
    assert len(wrong) > 40
    lowered = list(decodable(mistimed()))
    assert [id(packet.coded) for packet in lowered] == [id(packet.coded) for packet in packets], "order is untouched"
    times = [packet.dts for packet in lowered if packet.kind is Kind.VIDEO]
    assert times == sorted(times)
    dropped, _ = stored(iter(lowered), feed, tmp_path / "0.mkv")
    feed.close()
    assert dropped == 0
    assert [number for _, number in shown(tmp_path / "0.mkv")] == list(range(100))


def test_a_new_timeline_does_not_lower_the_one_before(tmp_path: Path) -> None:
    feed = FileFeed(marked_clip(tmp_path / "clip.mp4", seconds=2, audio=None), paced=False)
    packets = list(feed.packets())
    feed.close()
    later = [replace(p, pts=p.pts + 500 * TICKS_PER_SECOND, dts=p.dts + 500 * TICKS_PER_SECOND) for p in packets]
    joined = later + packets
    assert len(packets) > REORDER_DEPTH
    assert [p.dts for p in decodable(iter(joined))] == [p.dts for p in joined]


@pytest.mark.footage
def test_a_telephone_film_keeps_its_reordered_pictures(tmp_path: Path, footage: Path) -> None:
    """PTS 0 80 40 20 60 (of 1/600 s) with DTS 0 20 40 60 80; the second picture lies behind the end of the edit."""
    clip = footage / "odd" / "exo_dolbyVision-hdr.MOV"
    feed = FileFeed(clip, paced=False)
    dropped, found = stored(feed.packets(), feed, tmp_path / "0.mkv")
    feed.close()
    assert dropped == 0
    assert found.ranges[Kind.VIDEO].packets == 5
    theirs = [picture.gray(64, 36) for picture in pictures([clip])]
    ours = [picture.gray(64, 36) for picture in pictures([tmp_path / "0.mkv"])]
    assert len(theirs) == 4
    assert all(np.array_equal(one, other) for one, other in zip(theirs, ours[:4], strict=True))


def growing_film(path: Path) -> Path:
    """Two seconds of marked pictures, and then the same again beside thirty sound streams that were not announced."""
    marked_clip(path, seconds=2, audio=None)
    tail = path.with_suffix(".tail.ts")
    with av.open(str(tail), "w") as container:
        with av.open(str(path)) as source:
            picture = container.add_stream_from_template(source.streams.video[0])
            sounds = [container.add_stream("mp2", rate=48_000, layout="mono") for _ in range(30)]
            for packet in source.demux(video=0):
                if packet.size and packet.pts is not None and packet.dts is not None:
                    packet.pts, packet.dts = packet.pts + 180_000, packet.dts + 180_000
                    packet.stream = picture
                    container.mux(packet)
        for sound in sounds:
            frame = AudioFrame.from_ndarray(np.zeros((1, 1_152), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 2 * 48_000
            container.mux([*sound.encode(frame), *sound.encode(None)])
    path.write_bytes(path.read_bytes() + tail.read_bytes())
    return path


def test_streams_that_come_up_in_mid_file_do_not_end_the_reading(tmp_path: Path) -> None:
    clip = growing_film(tmp_path / "clip.ts")
    quick = {"probesize": "30000", "skip_estimate_duration_from_pts": "1"}  # as of a stream: the end is not looked at
    feed = LiveFeed(Device(name="clip", url=str(clip), format="mpegts", options=quick))
    assert feed.streams.keys() == {Kind.VIDEO}
    assert len(list(feed.packets())) == 100
    feed.close()


@pytest.mark.parametrize(("codec", "layout"), [("pcm_s16le", "stereo"), ("pcm_s16le", "9 channels"), ("flac", "7.1")])
def test_every_channel_of_a_sound_device_is_heard_and_none_clips(tmp_path: Path, codec: str, layout: str) -> None:
    for only_last in (False, True):
        path = tmp_path / f"{only_last}.mkv"
        channels = several_channels(path, codec, layout, only_last=only_last)
        feed = LiveFeed(Device(name="card", url=str(path), format="matroska", options={}, timeless=True))
        writer = SegmentOnDisk(tmp_path / f"{only_last}-stored.mkv", feed.streams)
        assert all(writer.write(packet) for packet in feed.packets())
        writer.finish()
        feed.close()
        heard = np.concatenate([block.pcm for block in sound([writer.path])])
        assert len(heard) >= TICKS_PER_SECOND // 2
        least = 0.3 / channels if only_last else 0.89
        assert least < np.abs(heard).max() < 0.91


def several_channels(path: Path, codec: str, layout: str, *, only_last: bool) -> int:
    """A second of a tone of amplitude 0.9 in every channel, or in the last one; how many channels there are."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48_000, layout=layout, format="s16")
        channels = stream.codec_context.layout.nb_channels
        tone = 0.9 * 32_767 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
        samples = np.zeros((48_000, channels), np.int16)
        samples[:, (channels - 1 if only_last else 0) :] = tone[:, None]
        for start in range(0, 48_000, 4_800):
            part = samples[start : start + 4_800].reshape(1, -1)
            frame = AudioFrame.from_ndarray(part, format="s16", layout=layout)
            frame.sample_rate, frame.pts = 48_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return channels
