"""What plain ffmpeg loses when it is killed with -9 while it copies a camera to a file."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg  # type: ignore[import-untyped]  # no stubs exist

from benchmarks.camera import cameras
from benchmarks.clip import write_clip
from benchmarks.outside import waited

FORMS = {
    "mpegts": ["-f", "mpegts"],
    "fragmented mp4": ["-f", "mp4", "-movflags", "frag_keyframe+empty_moov"],
    "mp4": ["-f", "mp4"],
}
"""How people record with ffmpeg, safest first."""
TURNS = 2
RECORDED_S = (8.0, 12.0)
_START_WITHIN_S = 20.0


def peer_losses(work: Path, *, seed: int) -> dict[str, Any]:
    """Seconds lost by kill, for each form of file: everything of a form at once, `TURNS` times.

    Lost: from the last picture that can be read to the kill, counted from the file's first byte on: what ffmpeg
    needs to connect is given to it.
    """
    rng = random.Random(seed)  # noqa: S311 - when to kill, no secret
    clip = work / "peer.mp4"
    write_clip(clip, seconds=8.0, size=(640, 360))
    found: dict[str, list[float]] = {form: [] for form in FORMS}
    with cameras(clip) as url:
        for turn in range(TURNS):
            for form, loss in _one_turn(work, url, turn, rng.uniform(*RECORDED_S)).items():
                found[form].append(loss)
    return {form: {"max_loss_s": max(losses), "each_s": losses} for form, losses in found.items()}


def _one_turn(work: Path, url: str, turn: int, recorded_s: float) -> dict[str, float]:
    files = {form: work / f"peer-{turn}-{number}.bin" for number, form in enumerate(FORMS)}
    recorders = {form: _recorder(url, file, FORMS[form]) for form, file in files.items()}
    began: dict[str, float] = {}

    def all_begun() -> bool:
        for form, file in files.items():
            if form not in began and file.exists():
                began[form] = time.monotonic()
        return len(began) == len(files)

    try:
        waited(all_begun, _START_WITHIN_S, poll_s=0.01)
        time.sleep(recorded_s)
    finally:
        killed = {form: _killed(recorder) for form, recorder in recorders.items()}
    return {
        form: round(max(0.0, killed[form] - began.get(form, killed[form]) - readable_s(file)), 3)
        for form, file in files.items()
    }


def _killed(recorder: subprocess.Popen[bytes]) -> float:
    at = time.monotonic()
    recorder.kill()
    recorder.wait()
    return at


def _recorder(url: str, file: Path, form: list[str]) -> subprocess.Popen[bytes]:
    argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-rtsp_transport", "tcp"]
    argv += ["-i", f"{url}/peer", "-c", "copy", *form, str(file)]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def readable_s(file: Path) -> float:
    """Seconds of pictures that a reader gets out of a file that was broken off; 0 when it cannot be opened."""
    stamps: list[float] = []
    try:
        with av.open(str(file)) as container:
            stream = container.streams.video[0]
            for packet in container.demux(stream):  # one by one: it may end with an error
                stamps += [float(packet.pts * packet.time_base)] if packet.pts is not None else []
    except (av.FFmpegError, IndexError):  # it ends in the middle of something, or was never readable
        pass
    return max(stamps) - min(stamps) + 0.04 if stamps else 0.0
