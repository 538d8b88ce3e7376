"""A classroom whose lessons are recorded by hand: real journals, real small pictures, no cameras."""

from __future__ import annotations

import hashlib
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

from lesson.clock import Moment, boot_id, wall_now
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.ladders import ladder
from lesson.lifecycle import LessonTemplate
from lesson.model import Anchor, ChunkRecord, Kind, PtsRange, Rendition, Role, SegmentRecord, SourceSpec
from lesson.records import ChunkEncoded, EpochStarted, Record, RenditionStarted, SegmentCommitted, SourceLost
from lesson.time import TICKS_PER_SECOND, Span
from tests.kit.lessons import MILLISECOND, epoch_started, old_chunk, old_init, source

TEACHER = source("teacher", required=True)
STUDENTS = source("students")
BOARD = source("board", required=True)
MIC = source("mic", uri="test:tone", required=True)


def template(*sources: SourceSpec) -> LessonTemplate:
    """Room 3 with a teacher's camera and a microphone, or the `sources` given."""
    return LessonTemplate(
        room="Room 3",
        timezone="Asia/Shanghai",
        languages=("bo", "zh", "en"),
        sources=sources or (TEACHER, MIC),
        ladder=ladder("thin"),
    )


def draw_segment(path: Path, *, seconds: int = 4, luma: int = 120, size: tuple[int, int] = (320, 180)) -> Path:
    """A Matroska file of a plain grey with a brighter square in it, 5 pictures a second."""
    width, height = size
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w", format="matroska") as file:
        stream = file.add_stream("libx264", rate=5, options={"preset": "ultrafast", "g": "5"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(seconds * 5):
            picture = np.full((height * 3 // 2, width), 128, np.uint8)
            picture[:height] = luma
            picture[height // 4 : height // 2, width // 4 : width // 2] = 220
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 5)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def committed(folder: LessonFolder, spec: SourceSpec, seq: int, *, age_s: float = 1.0, media: Path | None = None,
              epoch: int = 0, seconds: float = 4.0) -> SegmentCommitted:  # fmt: skip
    """The record of a segment of `seconds` whose last sample arrived `age_s` ago; its file is a copy of `media`, or
    is drawn.
    """
    path = folder.segment_path(spec.id, epoch, seq)
    path.parent.mkdir(parents=True, exist_ok=True)
    if media is not None:
        path.write_bytes(media.read_bytes())
    elif spec.role is Role.MIC:
        path.write_bytes(b"no sound in here, nobody listens")
    else:
        draw_segment(path)
    first, length = seq * round(seconds * 1000), round(seconds * 1000)
    pts = PtsRange(first=first, last=first + length - 40, end=first + length, key=first, packets=20)
    sound = spec.role is Role.MIC
    arrived = Moment.now().monotonic_ns - round((age_s + seconds) * 1e9)
    data = path.read_bytes()
    return SegmentCommitted(
        segment=SegmentRecord(
            source=spec.id,
            epoch=epoch,
            seq=seq,
            path=folder.relative(path),
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            time_base=MILLISECOND,
            video=None if sound else pts,
            audio=pts if sound else None,
            anchors=(Anchor(pts=first, monotonic_ns=arrived),),
        )
    )


def ago(seconds: float) -> Moment:
    """The moment `seconds` before now."""
    now = Moment.now()
    return Moment(boot_id(), now.monotonic_ns - round(seconds * 1e9), wall_now())


def began(spec: SourceSpec, *, seconds_ago: float = 10.0, epoch: int = 0) -> EpochStarted:
    return epoch_started(spec, epoch, at=ago(seconds_ago))


def lost(spec: SourceSpec, reason: str = "no packets for 5 s", *, epoch: int = 0) -> SourceLost:
    return SourceLost(source=spec.id, epoch=epoch, at=Moment.now(), reason=reason)


def deliver(
    folder: LessonFolder, spec: SourceSpec, *, segments: int = 1, age_s: float = 1.0, media: Path | None = None
) -> None:
    """Let a source of a running lesson start and commit `segments`, the newest of which ended `age_s` ago."""
    records: list[Record] = [began(spec, seconds_ago=age_s + 4.0 * segments)]
    records += [
        committed(folder, spec, seq, age_s=age_s + 4.0 * (segments - 1 - seq), media=media) for seq in range(segments)
    ]
    append_records(folder.raw_journal(spec.id), records)


def encode_for_players(folder: LessonFolder, *, chunks: int = 3) -> None:
    """Really playable chunks of a test picture and a tone for every rendition of the folder's ladder."""
    for journal, records in playable_records(folder, chunks=chunks).items():
        append_records(journal, records)


def playable_records(folder: LessonFolder, *, chunks: int) -> dict[Path, list[Record]]:
    """The files of `encode_for_players`, and the records that commit them, by journal: first the start of the
    rendition, then one record a chunk.
    """
    return {
        folder.rendition_journal(rendition.name): _encode_rendition(folder, rendition, chunks)
        for rendition in folder.header.ladder
    }


def _encode_rendition(folder: LessonFolder, rendition: Rendition, chunks: int) -> list[Record]:
    grid = folder.header.grid
    end = chunks * grid.chunk
    target = folder.rendition_folder(rendition.name)
    target.mkdir(parents=True)
    sound = rendition.kind is Kind.AUDIO
    picture = f"testsrc2=size={rendition.width}x{rendition.height}:rate={grid.fps}"
    codec = (
        ["-c:a", "aac", "-b:a", str(rendition.bitrate)]
        if sound
        else ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", str(grid.frames_per_chunk)]
    )
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i",
         "sine=440:sample_rate=48000" if sound else picture, "-t", str(end / TICKS_PER_SECOND), *codec,
         "-f", "hls", "-hls_segment_type", "fmp4", "-hls_time", str(grid.chunk / TICKS_PER_SECOND),
         "-hls_list_size", "0", "-hls_fmp4_init_filename", "init.mp4",
         "-hls_segment_filename", str(target / "%06d.m4s"), str(target / "ffmpeg.m3u8")],
        check=True,
    )  # fmt: skip
    init = old_init(folder, rendition.name).read_bytes()
    started = RenditionStarted(
        rendition=rendition.name,
        digest=rendition.digest,
        codecs="mp4a.40.2" if sound else "avc1.42c00d",
        init_path=folder.relative(old_init(folder, rendition.name)),
        init_bytes=len(init),
        init_sha256=hashlib.sha256(init).hexdigest(),
    )
    return [started, *(_chunk_record(folder, rendition, index, span) for index, span in enumerate(grid.spans(end)))]


def _chunk_record(folder: LessonFolder, rendition: Rendition, index: int, span: Span) -> ChunkEncoded:
    path = old_chunk(folder, rendition.name, index)
    data = path.read_bytes()
    return ChunkEncoded(
        chunk=ChunkRecord(
            rendition=rendition.name,
            index=index,
            span=span,
            path=folder.relative(path),
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            inputs="0" * 16,
        )
    )
