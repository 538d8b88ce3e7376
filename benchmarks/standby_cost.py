"""What it costs to keep feeds open between lessons: CPU and memory of an idle box, beside one ffmpeg for each camera.

`python -m benchmarks.standby_cost --json OUT [--seconds N] [--camera-url rtsp://…]`

Three cameras 1920×1080 at 25 fps and 6 Mbit/s (H.264, AAC) over real RTSP, and a microphone, stand by in `classreel
serve`; nothing is recorded. `cores` counts the processes that stand by, `box_cores` the whole box. The peer only reads:
ffmpeg copies each camera into nothing. What is measured has a core of its own, if there is another.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg  # type: ignore[import-untyped]  # no stubs exist

from benchmarks.capture_cost import CAMERAS, MICROPHONE, measured, move, three_cameras
from benchmarks.measuring import machine, say, write_result
from benchmarks.memory import memory_of
from benchmarks.outside import Running, Source, command, cpu_s, end_as_by_ctrl_c, standby_pids, waited, write_config
from benchmarks.resume import free_port

_START_WITHIN_S = 60.0
_SETTLED_S = 12.0
"""Until the memory that holds the newest seconds is full."""


def standby_cost(work: Path, url: str, seconds: float, core: set[int]) -> dict[str, Any]:
    """Stand by for `seconds`, and say what that used. Raises `RuntimeError` where the feeds do not stand by."""
    sources = (*(Source(name, f"{url}/{name}", required=True) for name in CAMERAS), Source(MICROPHONE, "test:tone"))
    config = write_config(work / "classroom.toml", work / "root", sources)
    with Running(command("serve", "--config", config, "--port", str(free_port())), work / "serve") as running:
        wanted = {source.id for source in sources}
        if not waited(lambda: set(standby_pids(running.group())) == wanted, _START_WITHIN_S):
            raise RuntimeError(f"not standing by within {_START_WITHIN_S:.0f} s: {running.err.read_text()[-500:]}")
        time.sleep(_SETTLED_S)
        group, standing = running.group(), standby_pids(running.group())
        move(list(standing.values()), core)
        before, began = {pid: cpu_s(pid) for pid in group}, time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        used = {pid: cpu_s(pid) - spent for pid, spent in before.items()}
        if standby_pids(running.group()) != standing:
            raise RuntimeError("a process was replaced while it was measured")
        memory = memory_of(list(standing.values()))
    return {
        "cores": round(sum(used[pid] for pid in standing.values()) / took, 4),
        "box_cores": round(sum(used.values()) / took, 4),
        "rss_mb": round(memory.together, 1),
        "seconds": round(took, 1),
        "processes": {name: round(used[pid] / took, 4) for name, pid in standing.items()},
    }


def reading_cost(url: str, seconds: float, core: set[int]) -> dict[str, Any]:
    """One ffmpeg for each camera, copying into nothing."""
    readers = [
        subprocess.Popen(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i",
             f"{url}/{name}", "-c", "copy", "-f", "null", "-"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for name in CAMERAS
    ]  # fmt: skip
    pids = [reader.pid for reader in readers]
    try:
        time.sleep(_SETTLED_S)
        move(pids, core)
        before, began = sum(map(cpu_s, pids)), time.monotonic()
        time.sleep(seconds)
        if any(reader.poll() is not None for reader in readers):
            raise RuntimeError("ffmpeg does not read the cameras")
        return {"cores": round((sum(map(cpu_s, pids)) - before) / (time.monotonic() - began), 4)}
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 when it could be measured."""
    options = three_cameras("standby_cost", __doc__).parse_args(arguments)
    before = machine()
    with measured(options) as (work, url, core):
        try:
            say("standing by")
            result = standby_cost(work, url, options.seconds, core)
            say("reading with ffmpeg")
            result["peer"] = reading_cost(url, options.seconds, core)
        except RuntimeError as error:
            say(str(error))
            return 1
    result["machine"] = before
    write_result(result, options.json)
    return 0


if __name__ == "__main__":
    end_as_by_ctrl_c()
    sys.exit(main())
