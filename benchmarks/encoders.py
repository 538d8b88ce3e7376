"""Two ways to make the same renditions of a file: our encode stage, and one ffmpeg command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import ffmpeg  # type: ignore[import-untyped]  # no stubs exist
import imageio_ffmpeg  # type: ignore[import-untyped]  # no stubs exist

from benchmarks.measuring import Cost, measured
from lesson.clock import Moment
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.lifecycle import LessonTemplate
from lesson.model import Kind, Rendition, Role, SourceSpec
from lesson.records import Start, Stop
from lesson.time import Grid
from lesson.view import load_state
from media.output.video_encoder import X264_PARAMS

GRID = Grid()


def recorded(source: Path, root: Path, ladder: tuple[Rendition, ...]) -> LessonFolder:
    """The file as a lesson that is recorded and planned (one wide shot), but not encoded. Raises `CommandError`."""
    spec = SourceSpec(id="teacher", role=Role.TEACHER, uri=source.resolve().as_uri(), imported=True, required=True)
    template = LessonTemplate(room="benchmark", timezone="UTC", languages=(), sources=(spec,), ladder=ladder)
    folder = LessonFolder.create(root, template.header("throughput"))
    append_records(folder.control_journal, [Start(at=Moment.now())])
    measured([sys.executable, "-m", "capture", str(folder.path), spec.id])
    append_records(folder.control_journal, [Stop(at=Moment.now())])
    measured([sys.executable, "-m", "tracking", str(folder.path), "--blind"])
    return folder


def our_stage(folder: LessonFolder, out: Path) -> Cost:
    """Run the encode stage; each rendition is then one file in `out`. Raises `CommandError`."""
    cost = measured([sys.executable, "-m", "encode", str(folder.path)])
    state = load_state(folder)
    for rendition in folder.header.ladder:
        progress = state.renditions[rendition.name]
        parts = [progress.started.init_path] if progress.started else []
        parts += [chunk.path for chunk in progress.named(progress.leading)]
        rung_file(out, rendition).write_bytes(b"".join(folder.absolute(part).read_bytes() for part in parts))
    return cost


def rung_file(out: Path, rendition: Rendition) -> Path:
    """Where a rendition is put to be compared."""
    return out / f"{rendition.name}.mp4"


def one_ffmpeg(source: Path, out: Path, ladder: Sequence[Rendition]) -> Cost:
    """Run one ffmpeg command for the whole ladder. Raises `CommandError`.

    Written as its friend would: decoded once, each rung scaled from the next larger one and only the pictures it
    needs, the same encoder with the same settings, a thread for each encoder as ffmpeg gives them.
    """
    rungs = sorted((r for r in ladder if r.kind is Kind.VIDEO), key=lambda r: r.width, reverse=True)
    file = ffmpeg.input(str(source))
    larger = canvas(file.video, rungs[0].width, rungs[0].height)
    divisor, outputs = 1, []
    for number, rung in enumerate(rungs):
        if rung.frame_divisor != divisor:
            larger = larger.filter("select", f"not(mod(n,{rung.frame_divisor // divisor}))")
            divisor = rung.frame_divisor
        if number:
            larger = larger.filter("scale", rung.width, rung.height, flags="area")
        branches = larger.filter_multi_output("split") if number + 1 < len(rungs) else [larger]
        outputs.append(_video_output(branches[0], out, rung))
        larger = branches[1] if number + 1 < len(rungs) else larger
    outputs += [_audio_output(file.audio, out, r) for r in ladder if r.kind is Kind.AUDIO]
    command = ffmpeg.merge_outputs(*outputs).global_args("-nostdin", "-v", "error").overwrite_output()
    return measured(ffmpeg.compile(command, cmd=imageio_ffmpeg.get_ffmpeg_exe()))


def canvas(video: ffmpeg.nodes.FilterableStream, width: int, height: int) -> ffmpeg.nodes.FilterableStream:
    """The programme of a single wide shot: sample and hold at the grid's rate, fitted with bars."""
    return (
        video.filter("fps", str(GRID.fps), round="up", start_time=0)
        .filter("scale", width, height, force_original_aspect_ratio="decrease", flags="bicubic")
        .filter("pad", width, height, -1, -1)
        .filter("setsar", 1)
        .filter("format", "yuv420p")
    )


def _video_output(video: ffmpeg.nodes.FilterableStream, out: Path, rung: Rendition) -> ffmpeg.nodes.OutputStream:
    options = {
        "c:v": "libx264",
        "threads": rung.threads,
        "preset": rung.preset,
        "crf": rung.crf,
        "maxrate": rung.maxrate,
        "bufsize": rung.bufsize,
        "g": -(-GRID.frames_per_chunk // rung.frame_divisor),
        "x264-params": X264_PARAMS,
    }
    return ffmpeg.output(video, str(rung_file(out, rung)), **options, **_FRAGMENTED, fps_mode="vfr")


def _audio_output(audio: ffmpeg.nodes.FilterableStream, out: Path, voice: Rendition) -> ffmpeg.nodes.OutputStream:
    options = {"c:a": "aac", "b:a": voice.bitrate, "ac": voice.channels, "ar": voice.rate}
    return ffmpeg.output(audio, str(rung_file(out, voice)), **options, **_FRAGMENTED)


_FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": round(GRID.chunk / 0.048)}
