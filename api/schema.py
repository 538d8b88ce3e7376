"""The JSON the API speaks: pydantic models, and how they follow from the state of a lesson."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from api.library import LessonSummary, summarise
from lesson.hls import INDEX
from lesson.loss import loss_words, public_code
from lesson.model import Kind, Rendition, StreamInfo
from lesson.state import Gap, LessonState, SourceState
from lesson.time import seconds_from_ticks
from lesson.titles import MAX_TITLE, checked_title


def _title(value: object) -> object:
    return checked_title(value) if isinstance(value, str) else value


class StartRequest(BaseModel):
    """What may be said when a lesson is started."""

    title: Annotated[str, BeforeValidator(_title), Field(max_length=MAX_TITLE)] | None = None


class SummaryOut(BaseModel):
    """One lesson of `GET /lessons`. `state`: created, recording, processing, published or damaged."""

    lesson_id: str
    title: str
    state: str
    room: str
    timezone: str
    started: str | None
    stopped: str | None
    duration_s: float
    gap_count: int | None = Field(description="null in the list until the lesson is sealed: ask for the lesson itself")
    playable: bool
    verified: bool
    published_url: str | None
    problem: str | None = None

    @classmethod
    def of(cls, summary: LessonSummary) -> SummaryOut:
        found = cls.model_validate(summary, from_attributes=True)
        return found.model_copy(update={"problem": _inside(found.lesson_id, found.problem)})


def _inside(lesson_id: str, problem: str | None) -> str | None:
    """What is wrong with a lesson, its files named from its own folder on: where that lies is for the box's log."""
    if problem is None or "/" not in problem:
        return problem
    return problem.rpartition(f"/{lesson_id}/")[2] if f"/{lesson_id}/" in problem else "This lesson is damaged."


class LessonsOut(BaseModel):
    """`GET /lessons`, newest first. `next`: address of older lessons, if there are any."""

    lessons: list[SummaryOut]
    next: str | None = None


class StreamOut(BaseModel):
    """One stream of a source."""

    kind: str
    codec: str
    width: int
    height: int
    fps: float | None
    rate: int
    channels: int

    @classmethod
    def of(cls, stream: StreamInfo) -> StreamOut:
        fps = None if stream.fps is None else round(float(stream.fps), 3)
        return cls(
            kind=stream.kind.value,
            codec=stream.codec,
            width=stream.width,
            height=stream.height,
            fps=fps,
            rate=stream.rate,
            channels=stream.channels,
        )


class SourceOut(BaseModel):
    """One source of a lesson; `streams` are those of its newest epoch."""

    id: str
    role: str
    required: bool
    epochs: int
    segments: int
    bytes: int
    finished: bool
    streams: list[StreamOut]
    thumbnail: str | None

    @classmethod
    def of(cls, lesson_id: str, source: SourceState) -> SourceOut:
        return cls(
            id=source.spec.id,
            role=source.spec.role.value,
            required=source.spec.required,
            epochs=len(source.epochs),
            segments=len(source.segments),
            bytes=source.bytes,
            finished=source.finished,
            streams=[StreamOut.of(stream) for stream in source.epochs[-1].streams] if source.epochs else [],
            thumbnail=thumbnail_path(lesson_id, source.spec.id) if source.delivered(Kind.VIDEO) else None,
        )


class RenditionOut(BaseModel):
    """One rendition as it is so far; bit rates are measured over the chunks, `codecs` is read from its bytes."""

    name: str
    kind: str
    codec: str
    codecs: str | None
    width: int | None
    height: int | None
    fps: float | None
    chunks: int
    bytes: int
    avg_bps: int
    peak_bps: int

    @classmethod
    def of(cls, state: LessonState, rendition: Rendition) -> RenditionOut:
        progress = state.renditions[rendition.name]
        fps = state.header.grid.fps / rendition.frame_divisor if rendition.kind is Kind.VIDEO else None
        return cls(
            name=rendition.name,
            kind=rendition.kind.value,
            codec=rendition.codec,
            codecs=progress.started.codecs if progress.started else None,
            width=rendition.width or None,
            height=rendition.height or None,
            fps=None if fps is None else round(float(fps), 3),
            chunks=progress.leading,
            bytes=progress.rate.bytes,
            avg_bps=progress.rate.average_bps,
            peak_bps=progress.rate.peak_bps,
        )


class GapOut(BaseModel):
    """A stretch in which a source delivered nothing, in seconds of the lesson."""

    source: str
    kind: str
    start_s: float
    end_s: float
    code: str
    reason: str

    @classmethod
    def of(cls, gap: Gap) -> GapOut:
        start, end = seconds_from_ticks(gap.span.start), seconds_from_ticks(gap.span.end)
        return cls(
            source=gap.source,
            kind=gap.kind.value,
            start_s=round(start, 3),
            end_s=round(end, 3),
            code=public_code(gap.code),
            reason=loss_words(gap.code),  # the page is no place for a camera's address
        )


class LessonOut(SummaryOut):
    """`GET /lessons/{id}`. `hls` is the address of the playlist on this box once there is something to play."""

    created: str
    languages: list[str]
    captured: bool
    planned_s: float
    encoded: bool
    objects_stored: int
    sources: list[SourceOut]
    renditions: list[RenditionOut]
    gaps: list[GapOut]
    problems: list[str]
    hls: str | None

    @classmethod
    def of_state(cls, state: LessonState, damage: list[str]) -> LessonOut:
        header = state.header
        summary = summarise(state)
        return cls(
            **SummaryOut.of(summary).model_dump(),
            created=header.created_wall,
            languages=list(header.languages),
            captured=state.captured,
            planned_s=round(seconds_from_ticks(state.frozen_until), 3),
            encoded=state.encoded,
            objects_stored=len(state.objects),
            sources=[SourceOut.of(header.id, source) for source in state.sources.values()],
            renditions=[RenditionOut.of(state, rendition) for rendition in state.ladder],
            gaps=[GapOut.of(gap) for gap in state.gaps()],
            problems=damage,
            hls=hls_path(header.id) if summary.playable else None,
        )


def hls_path(lesson_id: str) -> str:
    """Address of the multivariant playlist on this box."""
    return f"/lessons/{lesson_id}/hls/{INDEX}"


def thumbnail_path(lesson_id: str, source_id: str) -> str:
    """Address of the newest picture of a source."""
    return f"/lessons/{lesson_id}/thumbs/{source_id}.jpg"
