"""What plain ffmpeg loses when it is killed with -9 while it copies a camera to a file."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg  # type: ignore[import-untyped]  # no stubs exist

from benchmarks.camera import Cameras, cameras
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

    Lost: from the last picture that can be read to the kill, on the clock of the camera, which began with PLAY.
    """
    rng = random.Random(seed)  # noqa: S311 - when to kill, no secret
    clip = work / "peer.mp4"
    write_clip(clip, seconds=8.0, size=(640, 360))
    found: dict[str, list[float]] = {form: [] for form in FORMS}
    with cameras(clip) as feed:
        for turn in range(TURNS):
            for form, loss in _one_turn(work, feed, turn, rng.uniform(*RECORDED_S)).items():
                found[form].append(loss)
    return {form: {"max_loss_s": max(losses, default=None), "each_s": losses} for form, losses in found.items()}


def _one_turn(work: Path, feed: Cameras, turn: int, recorded_s: float) -> dict[str, float]:
    names = {form: f"peer-{turn}-{number}" for number, form in enumerate(FORMS)}
    recorders = {form: _recorder(feed.url, name, work, FORMS[form]) for form, name in names.items()}
    try:
        waited(lambda: all(feed.played_s(name) for name in names.values()), _START_WITHIN_S)
        time.sleep(recorded_s)
    finally:
        killed = {form: _killed(recorder) for form, recorder in recorders.items()}
    return {
        form: round(max(0.0, killed[form] - played - readable_s(work / name)), 3)
        for form, name in names.items()
        if (played := feed.played_s(name)) is not None
    }


def _killed(recorder: subprocess.Popen[bytes]) -> float:
    at = time.monotonic()
    recorder.kill()
    recorder.wait()
    return at


def _recorder(url: str, name: str, work: Path, form: list[str]) -> subprocess.Popen[bytes]:
    argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-rtsp_transport", "tcp"]
    argv += ["-i", f"{url}/{name}", "-c", "copy", *form, str(work / name)]
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
