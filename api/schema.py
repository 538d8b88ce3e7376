"""The JSON the API speaks: pydantic models, and how they follow from the state of a lesson."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, PrivateAttr

from lesson.hls import INDEX, playable_until
from lesson.interruptions import interruption_problems
from lesson.ledger import flaw_problems, ledger_problems
from lesson.left_out import LeftOut
from lesson.listing import LessonSummary, lesson_summary
from lesson.model import Kind, StreamInfo
from lesson.sentence import Sentence
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.summary import GapSummary, RenditionSummary, gap_summary, rendition_summary, rounded_s
from lesson.titles import MAX_TITLE, one_line


def _title(value: object) -> object:
    return one_line(value) if isinstance(value, str) else value


class StartRequest(BaseModel):
    """What may be said when a lesson is started."""

    title: Annotated[str, Field(max_length=MAX_TITLE), BeforeValidator(_title)] | None = None


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
    left_out: tuple[LeftOut, ...] = ()
    problem: str | None = None
    pinned: bool = Field(default=False, description="what was recorded is kept, however full the disk")
    raw_reclaimed: str | None = Field(default=None, description="when what was recorded was removed to make room")

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
    def of(cls, lesson_id: str, source: SourceState, *, kept: bool = True) -> SourceOut:
        return cls(
            id=source.spec.id,
            role=source.spec.role.value,
            required=source.spec.required,
            epochs=len(source.epochs),
            segments=len(source.segments),
            bytes=source.bytes,
            finished=source.finished,
            streams=[StreamOut.of(stream) for stream in source.epochs[-1].streams] if source.epochs else [],
            thumbnail=thumbnail_path(lesson_id, source.spec.id) if kept and source.delivered(Kind.VIDEO) else None,
        )


def _no_zero(value: object) -> object:
    """Sound has no size and no frame rate."""
    return value or None


class RenditionOut(BaseModel):
    """One rendition as it is so far; bit rates are measured over the chunks, `codecs` is read from its bytes."""

    name: str
    kind: str
    codec: str
    codecs: str | None
    width: Annotated[int | None, BeforeValidator(_no_zero)]
    height: Annotated[int | None, BeforeValidator(_no_zero)]
    fps: Annotated[float | None, BeforeValidator(_no_zero)]
    chunks: int
    bytes: int
    avg_bps: int
    peak_bps: int

    @classmethod
    def of(cls, summary: RenditionSummary, chunks: int) -> RenditionOut:
        return cls.model_validate({**asdict(summary), "chunks": chunks})


class LessonOut(SummaryOut):
    """`GET /lessons/{id}`. `playable_s`: how much of it can be watched already. `hls`: address of
    the playlist on this box once there is something to play.
    """

    created: str
    languages: list[str]
    captured: bool
    planned_s: float
    playable_s: float
    encoded: bool
    objects_stored: int
    sources: list[SourceOut]
    renditions: list[RenditionOut]
    gaps: list[GapSummary]
    problems: list[str]
    hls: str | None
    _sentences: tuple[str, ...] = PrivateAttr(default=())

    @property
    def sentences(self) -> tuple[str, ...]:
        """The problems, each with what it is made of where it can be said in other languages."""
        return self._sentences

    @classmethod
    def of_state(cls, state: LessonState, damage: list[str]) -> LessonOut:
        header, shown = state.header, state.seen_as(state.shown)
        summary = lesson_summary(state)
        problems = [*damage, *([summary.problem] if summary.problem else []), *_problems(state)]
        made = cls(
            **SummaryOut.of(summary).model_dump(),
            created=header.created_wall,
            languages=list(header.languages),
            captured=state.captured,
            planned_s=rounded_s(state.frozen_until),
            playable_s=rounded_s(playable_until(shown) - shown.edition.start),
            encoded=state.encoded,
            objects_stored=len(state.objects),
            sources=[
                SourceOut.of(header.id, source, kept=state.raw_reclaimed is None) for source in state.sources.values()
            ],
            renditions=[
                RenditionOut.of(rendition_summary(state, rung), state.renditions[rung.name].leading)
                for rung in state.ladder
            ],
            gaps=[gap_summary(gap) for gap in shown.gaps()],
            problems=problems,
            hls=hls_path(header.id) if summary.playable else None,
        )
        made._sentences = tuple(problems)
        return made


def _problems(state: LessonState) -> list[Sentence]:
    """What the ledger says once all is recorded; before that what is wrong with what is recorded, at no great cost."""
    return ledger_problems(state) if state.captured else [*interruption_problems(state), *flaw_problems(state)]


def hls_path(lesson_id: str) -> str:
    """Address of the multivariant playlist on this box."""
    return f"/lessons/{lesson_id}/hls/{INDEX}"


def thumbnail_path(lesson_id: str, source_id: str) -> str:
    """Address of the newest picture of a source."""
    return f"/lessons/{lesson_id}/thumbs/{source_id}.jpg"
