"""Figures for Prometheus: requests as they pass, everything else read from the journals when asked."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.health import RoomStatus, SourceHealth, SourceStatus
from lesson.box import Fault
from lesson.errors import ClassreelError
from lesson.hls import reached
from lesson.signal import Flaw
from lesson.state import LessonState
from lesson.time import seconds_from_ticks

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.box import Box

PREFIX = "classreel"


class RequestMetrics:
    """ASGI middleware that counts and times requests by route, so that ids in paths do not multiply series."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        labels = ("method", "route")
        self._requests = Counter(f"{PREFIX}_http_requests", "Requests answered", (*labels, "status"), registry=registry)
        self._seconds = Histogram(
            f"{PREFIX}_http_request_duration_seconds", "Time to the end of the answer", labels, registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._requests.labels(scope["method"], route, status).inc()
            self._seconds.labels(scope["method"], route).observe(time.monotonic() - began)


class RoomCollector(Collector):
    """State of the room and of the newest lesson on its way to the store."""

    def __init__(self, box: Box, version: str) -> None:
        self._box = box
        self._version = version

    def describe(self) -> list[Metric]:
        """Nothing beforehand: registering must not read the disk."""
        return []

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily(f"{PREFIX}_build_info", "1, and which version this is", labels=["version"])
        build.add_metric([self._version], 1.0)
        yield build
        health, disk = self._box.health(), self._box.disk()
        yield _gauge("disk_free_bytes", "Free disk where the lessons lie", disk.free)
        yield _gauge("disk_hours", "Hours of recording for which it has room", self._box.rate.hours(disk.free))
        light = GaugeMetricFamily(f"{PREFIX}_room_state", "1 for the state the room is in", labels=["state"])
        for state in RoomStatus:
            light.add_metric([state.value], float(state is health.status))
        yield light
        recording = GaugeMetricFamily(
            f"{PREFIX}_source_recording", "1 while recent media of the source is durable", labels=["source", "role"]
        )
        age = GaugeMetricFamily(
            f"{PREFIX}_source_last_segment_age_seconds", "Age of the newest durable media", labels=["source", "role"]
        )
        for source in health.sources:
            recording.add_metric([source.id, source.role], float(source.state is SourceStatus.RECORDING))
            if source.age_s is not None:
                age.add_metric([source.id, source.role], source.age_s)
        yield recording
        yield age
        yield from _signals(health.sources)
        faults = GaugeMetricFamily(f"{PREFIX}_fault", "1 while something is wrong", labels=["code", "about"])
        for fault in health.faults:
            faults.add_metric([fault.code, fault.about], 1.0)
        yield faults
        yield from self._processes()
        yield from self._newest()

    def _newest(self) -> list[Metric]:
        """Figures of the newest lesson; none where there is none, or it cannot be read."""
        library = self._box.library
        try:
            newest = library.running() or library.catalogue.newest()
            if newest is None:
                return []
            with library.reading(newest.id) as lesson:
                return _progress(lesson)
        except ClassreelError:  # the other figures must not go with it
            return []

    def _processes(self) -> Iterator[Metric]:
        """What the box's journal has counted."""
        box = self._box.faults.state()
        yield _counters("process_starts", "Processes started", "stage", box.starts)
        yield _counters("process_failures", "Processes that failed or were replaced", "stage", box.failures)
        yield _counters("process_restarts", "Processes started again after a failure", "stage", box.restarts)
        yield _counters("faults", "Faults raised, each once until it was cleared", "code", box.raised)
        yield _counters(
            "store_failures", "Times the store began to refuse or could not be reached", "code",
            {code: box.raised[code] for code in (Fault.STORE_REFUSES, Fault.STORE_UNREACHABLE)},
        )  # fmt: skip


def _signals(sources: Iterable[SourceHealth]) -> list[Metric]:
    """What was measured of what the sources record."""
    flaws = GaugeMetricFamily(
        f"{PREFIX}_source_flaw", "1 while what the source records has this flaw", labels=["source", "role", "flaw"]
    )
    peak = GaugeMetricFamily(
        f"{PREFIX}_source_sound_peak_db", "Loudest sample of its newest segment", labels=["source", "role"]
    )
    tested = GaugeMetricFamily(
        f"{PREFIX}_source_tested_age_seconds", "Age of the look at it between lessons", labels=["source", "role"]
    )
    for source in sources:
        if source.tested_s is not None:
            tested.add_metric([source.id, source.role], source.tested_s)
        for flaw in Flaw:
            flaws.add_metric([source.id, source.role, flaw.value], float(flaw.value in source.flaws))
        if source.peak_db is not None:
            peak.add_metric([source.id, source.role], source.peak_db)
    return [flaws, peak, tested]


def _counters(name: str, text: str, label: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _progress(state: LessonState) -> list[Metric]:
    """How far the newest lesson has come in each stage, in seconds of the lesson."""
    encoded = GaugeMetricFamily(
        f"{PREFIX}_lesson_encoded_seconds", "Encoded part of the newest lesson", labels=["rendition"]
    )
    for rung in state.ladder:
        until = reached(state, rung, state.renditions[rung.name].leading)
        encoded.add_metric([rung.name], seconds_from_ticks(until))
    return [
        *_delivered(state),
        _gauge("lesson_duration_seconds", "Length of the newest lesson", seconds_from_ticks(state.duration)),
        _gauge("lesson_planned_seconds", "Planned part of the newest lesson", seconds_from_ticks(state.frozen_until)),
        encoded,
        _gauge("lesson_objects_stored", "Objects of the newest lesson in the store", len(state.objects)),
        _gauge("lesson_verified", "1 when the newest lesson is verified in the store", float(bool(state.verified))),
    ]


def _delivered(state: LessonState) -> list[Metric]:
    """What the sources of the newest lesson gave and lost, and its bytes in the store; from 0 with each lesson."""
    labels = ["source", "role"]
    recorded = CounterMetricFamily(f"{PREFIX}_source_bytes", "Bytes recorded of the newest lesson", labels=labels)
    losses = CounterMetricFamily(f"{PREFIX}_source_losses", "Times the feed of a source of it was lost", labels=labels)
    for source in state.sources.values():
        names = [source.spec.id, source.spec.role.value]
        recorded.add_metric(names, source.bytes)
        losses.add_metric(names, len({loss.epoch for loss in source.losses}))
    stored = sum(stored.bytes for stored in state.objects.values())
    return [
        recorded,
        losses,
        CounterMetricFamily(f"{PREFIX}_store_bytes", "Bytes of the newest lesson in the store", value=stored),
    ]
