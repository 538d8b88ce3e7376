"""What recording by copy costs: CPU, memory and bytes written by capture, beside one ffmpeg for each camera.

`python -m benchmarks.capture_cost --json OUT [--plot PNG] [--seconds N] [--camera-url rtsp://…]`

Three cameras 1920×1080 at 25 fps and 6 Mbit/s (H.264, AAC) over real RTSP, and a microphone, recorded by
`classreel record`. Only the capture processes are counted. Cameras, conductor and the stages after capture run too,
as they do in class, but are kept off the core on which capture is measured, if there is another.
`rss_mb` is their memory together, a page that they share counted once. `written_mb_per_min` is what they had the disk
write, pages as often as they were written, which is what wears a card; `media_mb_per_min` is what was recorded by it.
The file system's own journal comes on top. None where the folder for temporary files lies in memory.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imageio_ffmpeg  # type: ignore[import-untyped]  # no stubs exist

from benchmarks.camera import cameras
from benchmarks.clip import write_clip
from benchmarks.journals import lessons, media_s, packets, segments
from benchmarks.measuring import machine, say, write_result
from benchmarks.memory import Memory, memory_of
from benchmarks.outside import (
    Running,
    Source,
    capture_pids,
    command,
    cpu_s,
    end_as_by_ctrl_c,
    waited,
    write_config,
    written_bytes,
)

CAMERAS = ("teacher", "students", "board")
MICROPHONE = "mic"
_START_WITHIN_S = 60.0
_MARGIN_S = 60.0


def record_cost(work: Path, url: str, seconds: float, core: set[int]) -> dict[str, Any]:
    """Record for `seconds` and say what the capture processes used. Raises `RuntimeError` when they do not record."""
    sources = (*(Source(name, f"{url}/{name}", required=True) for name in CAMERAS), Source(MICROPHONE, "test:tone"))
    root = work / "root"
    config = write_config(work / "classroom.toml", root, sources)
    argv = command("record", "--for", f"{seconds + _MARGIN_S:.0f}s", "--config", config)
    with Running(argv, work / "record") as running:
        wanted = {source.id for source in sources}
        if not waited(lambda: _recording(root, wanted), _START_WITHIN_S):
            raise RuntimeError(f"not recording within {_START_WITHIN_S:.0f} s: {running.err.read_text()[-500:]}")
        lesson = lessons(root)[0]
        pids = capture_pids(lesson)
        startup = {name: cpu_s(pid) for name, pid in pids.items()}
        move(list(pids.values()), core)
        recorded, written = _recorded(lesson, wanted), sum(map(written_bytes, pids.values()))
        began = time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        written = sum(map(written_bytes, pids.values())) - written
        recorded = _recorded(lesson, wanted) - recorded
        used = {name: cpu_s(pid) - startup[name] for name, pid in pids.items()}
        memory = memory_of(list(pids.values()))
        parts = {name: memory_of([pid]).pss for name, pid in pids.items()}
        if capture_pids(lesson) != pids:
            raise RuntimeError("a capture process was replaced while it was measured")
        pictures = {name: packets(lesson, name, "video") / media_s(lesson, name, "video") for name in CAMERAS}
    return {
        "cores": round(sum(used.values()) / took, 4),
        "rss_mb": round(memory.together, 1),
        "pss_mb": round(memory.pss, 1),
        "rss_sum_mb": round(memory.sum, 1),
        "startup_cpu_s": round(sum(startup.values()), 2),
        "seconds": round(took, 1),
        "written_mb_per_min": _per_min(written, took),
        "media_mb_per_min": _per_min(recorded, took),
        "pictures_per_s": {name: round(rate, 2) for name, rate in pictures.items()},
        "processes": {
            name: {
                "cores": round(used[name] / took, 4),
                "startup_cpu_s": round(startup[name], 2),
                "pss_mb": round(parts[name], 1),
            }
            for name in pids
        },
    }


def _recorded(lesson: Path, sources: Iterable[str]) -> int:
    """Bytes of the segment files there are, whether they are committed yet or not."""
    return sum(file.stat().st_size for source in sources for file in (lesson / "raw" / source).glob("e*/*.mkv"))


def _per_min(count: int, seconds: float) -> float | None:
    return round(count / seconds * 60 / 1e6, 1) if count else None


def _recording(root: Path, wanted: set[str]) -> bool:
    found = lessons(root)
    return bool(found) and all(segments(found[0], source) for source in wanted)


@contextmanager
def a_core_apart() -> Iterator[set[int]]:
    """Keep this process and what it starts from now on off the last core, which is given; of one core, share it."""
    everything = os.sched_getaffinity(0)
    apart = {max(everything)}
    os.sched_setaffinity(0, everything - apart or everything)
    try:
        yield apart
    finally:
        os.sched_setaffinity(0, everything)


def move(pids: Sequence[int], cores: set[int]) -> None:
    """Bind processes, with all their threads, to cores."""
    for pid in pids:
        for task in _threads(pid):
            with contextlib.suppress(OSError):  # it has just ended
                os.sched_setaffinity(task, cores)


def _threads(pid: int) -> list[int]:
    try:
        return [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []


def ffmpeg_cost(work: Path, url: str, seconds: float, core: set[int]) -> dict[str, Any]:
    """One ffmpeg for each camera, copying to segments of 4 s: what a plain recorder costs."""
    running = [_ffmpeg(work, f"{url}/{name}", name) for name in CAMERAS]
    pids = [recorder.pid for recorder in running]
    try:
        if not waited(lambda: all((work / f"{name}-0001.mkv").exists() for name in CAMERAS), _START_WITHIN_S):
            raise RuntimeError("ffmpeg does not record")
        move(pids, core)
        before, written, began = sum(map(cpu_s, pids)), sum(map(written_bytes, pids)), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        cores = (sum(map(cpu_s, pids)) - before) / took
        written = sum(map(written_bytes, pids)) - written
        memory: Memory = memory_of(pids)
    finally:
        for recorder in running:
            recorder.kill()
            recorder.wait()
    return {
        "cores": round(cores, 4),
        "rss_mb": round(memory.together, 1),
        "startup_cpu_s": round(before, 2),
        "written_mb_per_min": _per_min(written, took),
    }


def _ffmpeg(work: Path, url: str, name: str) -> subprocess.Popen[bytes]:
    argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", url]
    argv += ["-c", "copy", "-f", "segment", "-segment_time", "4", str(work / f"{name}-%04d.mkv")]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def draw(result: dict[str, Any], path: Path) -> None:
    """Write the comparison as a picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (cpu, memory) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    labels = ["classreel\n3 cameras + microphone", "ffmpeg\n3 cameras"]
    colours = ["#2f6f9f", "#c9782b"]
    for axes, key, scale, title, goal in (
        (cpu, "cores", 100, "CPU (% of a core)", 6),
        (memory, "rss_mb", 1, "Memory, shared pages once (MB)", 250),
    ):
        values = [result[key] * scale, result["peer"][key] * scale]
        axes.bar_label(axes.bar(labels, values, 0.5, color=colours), fmt="%.3g")
        axes.axhline(goal, color="#6b6b6b", lw=1, label=f"goal: {goal}")
        axes.set_title(title)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"Recording 1080p25 at 6 Mbit/s by copy; {result['machine']['cpu']}", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def three_cameras(name: str, about: str | None) -> argparse.ArgumentParser:
    """The options of a benchmark with three cameras."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long is measured")
    parser.add_argument("--camera-url", help="a server of yours instead; /teacher, /students, /board are added")
    parser.add_argument("--size", default="1920x1080", help="of the pictures of the cameras made on the spot")
    parser.add_argument("--json", type=Path, required=True, help="where the result goes; - for stdout")
    return parser


@contextmanager
def measured(options: argparse.Namespace) -> Iterator[tuple[Path, str, set[int]]]:
    """A folder to work in, where the cameras are, and the core for what is measured."""
    with tempfile.TemporaryDirectory(prefix="three-cameras-") as folder, a_core_apart() as core:
        if options.camera_url is not None:
            yield Path(folder), options.camera_url, core
            return
        say("making what the cameras show")
        width, height = map(int, options.size.split("x"))
        clip = Path(folder) / "clip.mp4"
        write_clip(clip, seconds=8.0, size=(width, height))
        with cameras(clip) as served:
            yield Path(folder), served.url, core


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 when it could be measured."""
    parser = three_cameras("capture_cost", __doc__)
    parser.add_argument("--plot", type=Path, help="where the picture goes")
    options = parser.parse_args(arguments)
    before = machine()
    with measured(options) as (work, url, core):
        try:
            say("recording")
            result = record_cost(work, url, options.seconds, core)
            say("recording with ffmpeg")
            result["peer"] = ffmpeg_cost(work, url, options.seconds, core)
        except RuntimeError as error:
            say(str(error))
            return 1
    result["machine"] = before
    write_result(result, options.json)
    if options.plot:
        draw(result, options.plot)
    return 0


if __name__ == "__main__":
    end_as_by_ctrl_c()
    sys.exit(main())
