"""How far the feeds of a lesson drift apart, though the crystals of cameras and sound cards differ.

`python -m benchmarks.clock_drift --json OUT [--plot PNG] [--minutes N]`

A microphone, which is the lesson clock, and two cameras run up to ±100 ppm fast and are recorded for 90 minutes of
simulated time, over networks of several kinds. What was seen and heard at the same instant is looked for in the lesson
as the planner places it: `max_offset_ms` is the worst distance of any camera from the voice at any time.

The peer lines the recordings up once, where they begin, as one does with files in an editor.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks.measuring import machine, say, write_result
from benchmarks.simulated_feeds import FIRST_BOOT, Jitter, SimulatedEpoch, bursts, exponential, in_order, no_jitter
from lesson.ladders import ladder
from lesson.model import Kind, LessonHeader, Role, SourceSpec
from lesson.records import Start
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND
from tracking.clocks import LessonClock
from tracking.evidence import Evidence
from tracking.planner import Planner

MINUTES = 90.0
PPM = ((0.0, 100.0, -100.0), (100.0, -100.0, 0.0), (-100.0, 100.0, 30.0))
"""Of the microphone, the teacher's camera and the board's."""
NETWORKS: Mapping[str, Jitter] = {
    "cable": no_jitter,
    "20 ms": exponential(0.02),
    "bursts of 400 ms": bursts(0.01),
    "100 ms": exponential(0.1),
}
"""How late packets come: not at all, or by so much on average."""
GOAL_MS = 40.0
_LOOK_S = 1.0
_MIC = SourceSpec(id="mic", role=Role.MIC, uri="alsa:hw:1")
_CAMERAS = tuple(SourceSpec(id=one.value, role=one, uri=f"rtsp://10.0.0.1/{one}") for one in (Role.TEACHER, Role.BOARD))
_HEADER = LessonHeader(
    id="drift",
    title="Drift",
    room="Room 3",
    created_wall=FIRST_BOOT.moment(0.0).wall,
    sources=(_MIC, *_CAMERAS),
    ladder=ladder("thin"),
)


@dataclass(frozen=True, slots=True)
class Distance:
    """A camera against the voice at a moment of the lesson: as the lesson places it, and as the peer would."""

    at_s: float
    ours_ms: float
    peer_ms: float


def distances(jitter: Jitter, ppm: tuple[float, float, float], minutes: float) -> dict[str, list[Distance]]:
    """By camera, for every second of a lesson that is planned while it is recorded."""
    end_s = 60.0 * minutes
    mic = SimulatedEpoch(_MIC, 0.2, end_s, kinds=(Kind.AUDIO,), ppm=ppm[0], origin_s=3.0)
    cameras = [
        SimulatedEpoch(spec, begin_s, end_s, ppm=drift, jitter=jitter, origin_s=origin_s)
        for spec, drift, begin_s, origin_s in zip(_CAMERAS, ppm[1:], (0.0, 1.1), (7.4, 90_000.0), strict=True)
    ]
    state = LessonState(_HEADER)
    state.apply(Start(at=FIRST_BOOT.moment(0.0)))
    planner = Planner(state=state, clock=LessonClock(state), evidence=Evidence(), blind=True)
    for at, record in in_order([mic, *cameras]):
        state.apply(record)
        while due := planner.due(FIRST_BOOT.moment(at)):
            for news in due:
                state.apply(news)
    return {camera.spec.id: _followed(state, camera, mic) for camera in cameras}


def _followed(state: LessonState, camera: SimulatedEpoch, mic: SimulatedEpoch) -> list[Distance]:
    once = state.sources[camera.spec.id].maps[camera.epoch][0].offset
    found, at = [], max(camera.begin_s, mic.begin_s)
    while at < camera.end_s:
        seen = round(camera.source_seconds(at) * TICKS_PER_SECOND)
        heard = state.sources[mic.spec.id].to_lesson(mic.epoch, round(mic.source_seconds(at) * TICKS_PER_SECOND))
        placed = state.sources[camera.spec.id].to_lesson(camera.epoch, seen)
        if placed is None or heard is None:
            raise RuntimeError(f"at {at:.0f} s {camera.spec.id} has no place in the lesson")
        found.append(Distance(at, _ms(placed - heard), _ms(seen + once - heard)))
        at += _LOOK_S
    return found


def _ms(ticks: int) -> float:
    return 1000 * ticks / TICKS_PER_SECOND


def clock_drift(minutes: float) -> tuple[dict[str, Any], dict[str, list[Distance]]]:
    """The fields of the benchmark's JSON, and the course of the worst network for the plot."""
    runs: list[dict[str, Any]] = []
    shown: dict[str, list[Distance]] = {}
    for network, jitter in NETWORKS.items():
        for ppm in PPM:
            say(f"{network}: microphone {ppm[0]:+.0f} ppm, cameras {ppm[1]:+.0f} and {ppm[2]:+.0f} ppm")
            drifts = dict(zip((one.id for one in _CAMERAS), ppm[1:], strict=True))
            for camera, course in distances(jitter, ppm, minutes).items():
                ours = sorted(abs(one.ours_ms) for one in course)
                run = {
                    "network": network, "camera": camera, "ppm": drifts[camera],
                    "microphone_ppm": ppm[0], "max_offset_ms": round(ours[-1], 2),
                    "median_offset_ms": round(ours[len(ours) // 2], 2),
                    "peer_max_offset_ms": round(max(abs(one.peer_ms) for one in course), 2),
                }  # fmt: skip
                runs.append(run)
                shown[f"{network}, {drifts[camera] - ppm[0]:+.0f} ppm"] = course
    return {
        "max_offset_ms": max(run["max_offset_ms"] for run in runs),
        "peer_max_offset_ms": max(run["peer_max_offset_ms"] for run in runs),
        "goal_ms": GOAL_MS,
        "minutes": minutes,
        "runs": runs,
    }, shown


def plot(courses: Mapping[str, Sequence[Distance]]) -> bytes:
    """PNG: each camera against the voice over the lesson."""
    mpl.use("Agg")
    figure, (ours, peer) = plt.subplots(2, 1, figsize=(10, 7), sharex=True, layout="constrained")
    for name, course in courses.items():
        minutes = [one.at_s / 60 for one in course]
        ours.plot(minutes, [one.ours_ms for one in course], linewidth=0.6, label=name)
        peer.plot(minutes, [one.peer_ms for one in course], linewidth=0.6)
    ours.axhspan(-GOAL_MS, GOAL_MS, color="tab:green", alpha=0.1, label=f"goal: within {GOAL_MS:g} ms")
    ours.set(ylabel="ms", title="Pictures against the voice: placed by classreel")
    peer.set(ylabel="ms", xlabel="minutes", title="Lined up once, where they begin")
    figure.legend(loc="outside right center", fontsize=6)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    plt.close(figure)
    return data.getvalue()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clock_drift", description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="where the result goes; - for stdout")
    parser.add_argument("--plot", type=Path, help="where a picture of it goes")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of simulated time")
    arguments = parser.parse_args(argv)
    before = machine()
    result, courses = clock_drift(arguments.minutes)
    write_result({**result, "machine": before}, arguments.json)
    if arguments.plot:
        arguments.plot.write_bytes(plot(courses))
    return 0


if __name__ == "__main__":
    sys.exit(main())
