"""VMAF of a rung against the picture the encoder was given, by the libvmaf inside the bundled ffmpeg."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import ffmpeg  # type: ignore[import-untyped]  # no stubs exist
import imageio_ffmpeg  # type: ignore[import-untyped]  # no stubs exist

from benchmarks.encoders import canvas
from benchmarks.measuring import measured
from lesson.model import Rendition

_VIEWED = (1280, 720)  # every rung is judged as it is seen: on the same screen, scaled up
_EVERY = 5  # pictures judged of those a rung shows; neighbours hardly differ


def vmaf(coded: Path, source: Path, rung: Rendition) -> float:
    """Mean VMAF (0…100) of `coded`, whose pictures are every `frame_divisor`-th of the programme made of `source`.

    Raises `CommandError`.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "vmaf.json"
        seen = ffmpeg.input(str(coded)).video.filter("scale", *_VIEWED, flags="bicubic").filter("format", "yuv420p")
        meant = canvas(ffmpeg.input(str(source)).video, *_VIEWED)
        meant = meant.filter("select", f"not(mod(n,{rung.frame_divisor}))")
        judged = ffmpeg.filter(
            [_numbered(seen), _numbered(meant)],
            "libvmaf",
            log_fmt="json",
            log_path=str(log),
            n_threads=os.cpu_count() or 1,
            n_subsample=max(1, _EVERY // rung.frame_divisor),
            shortest=1,
        )
        command = ffmpeg.output(judged, "-", format="null").global_args("-nostdin", "-v", "error")
        measured(ffmpeg.compile(command, cmd=imageio_ffmpeg.get_ffmpeg_exe()))
        return float(json.loads(log.read_text())["pooled_metrics"]["vmaf"]["mean"])


def _numbered(video: ffmpeg.nodes.FilterableStream) -> ffmpeg.nodes.FilterableStream:
    """Picture n at n: compared are equal numbers, whatever the time stamps of the two containers."""
    return video.filter("settb", "1/100").filter("setpts", "N")
