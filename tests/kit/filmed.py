"""Lessons with real media in them: marked pictures and clicking sound in Matroska segments, through real journals."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.model import Anchor, Kind, PtsRange, SegmentRecord, SourceSpec, StreamInfo
from lesson.records import Record, SegmentCommitted
from lesson.time import TICKS_PER_SECOND, Ticks
from tests.kit.clicks import draw_click
from tests.kit.lessons import epoch_started, moment
from tests.kit.marks import MARK_PERIOD, Mark, draw_flash, draw_mark

MS = Fraction(1, 1000)


@dataclass(frozen=True)
class Take:
    """One epoch to be filmed: `seconds` of scene from scene tick `scene`, its PTS starting at `pts` ticks.

    `number`: source number in the marks, 0 = no pictures. `shade`: luma of the background. `frames`: times of the
    pictures in ticks from the start, if they are not regular. `live`: from `moment()` on, each segment arriving as it
    is filmed.
    """

    number: int = 1
    seconds: float = 8.0
    scene: Ticks = 0
    pts: Ticks = 0
    size: tuple[int, int] = (320, 180)
    fps: int = 25
    shade: int = 90
    sound: bool = False
    segment_s: float = 4.0
    frames: tuple[Ticks, ...] = ()
    live: bool = False


def film(folder: LessonFolder, spec: SourceSpec, take: Take, *, epoch: int = 0, seq: int = 0) -> list[Record]:
    """Write the segments of `take`; the records that commit them, for the source's journal."""
    streams = []
    if take.number:
        streams.append(StreamInfo(kind=Kind.VIDEO, codec="h264", width=take.size[0], height=take.size[1],
                                  fps=Fraction(take.fps)))  # fmt: skip
    if take.sound:
        streams.append(StreamInfo(kind=Kind.AUDIO, codec="pcm_s16le", rate=48_000, channels=1))
    records: list[Record] = [epoch_started(spec, epoch, streams=tuple(streams))]
    end = round(take.seconds * TICKS_PER_SECOND)
    step = round(take.segment_s * TICKS_PER_SECOND)
    for start in range(0, end, step):
        path = folder.segment_path(spec.id, epoch, seq)
        path.parent.mkdir(parents=True, exist_ok=True)
        video, audio = _write(path, take, start, min(start + step, end))
        data = path.read_bytes()
        arrival = Anchor(pts=_ms(take.pts + start), monotonic_ns=moment(start / TICKS_PER_SECOND).monotonic_ns)
        segment = SegmentRecord(source=spec.id, epoch=epoch, seq=seq, path=folder.relative(path), bytes=len(data),
                                sha256=hashlib.sha256(data).hexdigest(), time_base=MS, video=video,
                                audio=audio, anchors=(arrival,) if take.live else ())  # fmt: skip
        records.append(SegmentCommitted(segment=segment))
        seq += 1
    append_records(folder.raw_journal(spec.id), records)
    return records


def _times(take: Take, start: Ticks, end: Ticks) -> list[Ticks]:
    if take.frames:
        return [at for at in take.frames if start <= at < end]
    step = TICKS_PER_SECOND // take.fps
    return list(range(start, end, step))


def _write(path: Path, take: Take, start: Ticks, end: Ticks) -> tuple[PtsRange | None, PtsRange | None]:
    ranges: dict[Kind, PtsRange | None] = {Kind.VIDEO: None, Kind.AUDIO: None}
    with av.open(str(path), "w", format="matroska") as container:
        if take.number:
            video = container.add_stream("libx264", rate=take.fps)
            video.width, video.height, video.pix_fmt = *take.size, "yuv420p"
            video.time_base = MS
            video.codec_context.time_base = Fraction(1, TICKS_PER_SECOND)
            video.options = {"preset": "ultrafast", "crf": "12", "g": "25", "tune": "zerolatency"}
            video.codec_context.thread_count = 1
        if take.sound:
            audio = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        if take.number:
            times = _times(take, start, end)
            for at in times:
                container.mux(video.encode(_picture(take, at)))
            container.mux(video.encode(None))
            firsts = [_ms(take.pts + at) for at in times]
            if firsts:
                last = take.pts + min(times[-1] + TICKS_PER_SECOND // take.fps, end)
                ranges[Kind.VIDEO] = PtsRange(first=firsts[0], last=firsts[-1], end=_ms(last), key=firsts[0],
                                              packets=len(times))  # fmt: skip
        if take.sound:
            for at in range(start, end, 960):
                container.mux(audio.encode(_sound(take, at, min(960, end - at))))
            container.mux(audio.encode(None))
            ranges[Kind.AUDIO] = PtsRange(first=_ms(take.pts + start), last=_ms(take.pts + end - 960),
                                          end=_ms(take.pts + end), key=_ms(take.pts + start),
                                          packets=-(-(end - start) // 960))  # fmt: skip
    return ranges[Kind.VIDEO], ranges[Kind.AUDIO]


def _ms(ticks: Ticks) -> int:
    return round(ticks * 1000 / TICKS_PER_SECOND)


def draw(take: Take, at: Ticks) -> NDArray[np.uint8]:
    """Luma of the picture `at` ticks after the start of the take."""
    width, height = take.size
    luma = np.full((height, width), take.shade, np.uint8)
    x = (take.scene + at) * 40 // TICKS_PER_SECOND % width
    luma[height // 3 : height // 2, x : x + width // 8] = 200
    draw_flash(luma, take.scene + at)
    draw_mark(luma, Mark(take.number, take.scene + at))
    return luma


def _picture(take: Take, at: Ticks) -> av.VideoFrame:
    luma = draw(take, at)
    chroma = np.full((luma.shape[0] // 2, luma.shape[1]), 128, np.uint8)
    frame = av.VideoFrame.from_ndarray(np.vstack([luma, chroma]), format="yuv420p")
    frame.pts, frame.time_base = take.pts + at, Fraction(1, TICKS_PER_SECOND)
    return frame


def _sound(take: Take, at: Ticks, count: int) -> av.AudioFrame:
    first = take.scene + at
    pcm = (0.02 * np.sin(2 * np.pi * 220 / 48_000 * (first + np.arange(count)))).astype(np.float32)
    for click in range(first // MARK_PERIOD * MARK_PERIOD, first + count, MARK_PERIOD):
        part = np.zeros(count, np.float32)
        draw_click(part, click - first)
        pcm = np.where(part != 0, part, pcm)
    frame = av.AudioFrame.from_ndarray((pcm * 32767).astype(np.int16)[None, :], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, take.pts + at, Fraction(1, 48_000)
    return frame
