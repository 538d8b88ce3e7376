"""The JSON of `/health`."""

from __future__ import annotations

from pydantic import BaseModel, Field

from api.health import RoomHealth, SourceHealth
from api.translation import Translation
from lesson.box import remedy as fault_remedy
from lesson.records import FaultRaised
from process.disk import DiskSpace
from process.logs import without_addresses


class SourceHealthOut(BaseModel):
    """One source in `/health`."""

    id: str
    role: str
    required: bool
    state: str
    last_segment_age_s: float | None
    segments: int
    bytes: int
    has_picture: bool
    has_sound: bool
    reason: str | None
    code: str | None = Field(description="why it is lost, for machines")
    flaws: tuple[str, ...] = Field(description="what is wrong with what it records now: black, silent …")
    measured: bool = Field(description="whether somebody looked lately at what it records; else flaws are not known")
    peak_db: float | None = Field(description="of its newest sound, below full scale")
    rms_db: float | None
    backup: str | None = Field(description="the source that is heard instead of it, while nothing can be heard of it")
    tested_s: float | None = Field(description="between lessons: how long ago somebody looked at what it delivers")
    testable: bool = Field(description="whether it can be looked at between lessons")
    suspected: tuple[str, ...] = Field(description="what seemed wrong in that look, which may pass")
    width: int | None = Field(description="of the picture that was looked at between lessons")
    height: int | None
    fps: float | None = Field(description="pictures a second, as they came")

    @classmethod
    def of(cls, source: SourceHealth) -> SourceHealthOut:
        return cls(
            id=source.id,
            role=source.role,
            required=source.required,
            state=source.state.value,
            last_segment_age_s=None if source.age_s is None else round(source.age_s, 3),
            segments=source.segments,
            bytes=source.bytes,
            has_picture=source.has_picture,
            has_sound=source.has_sound,
            reason=source.reason,
            code=source.code,
            flaws=source.flaws,
            measured=source.measured,
            peak_db=source.peak_db,
            rms_db=source.rms_db,
            backup=source.backup,
            tested_s=None if source.tested_s is None else round(source.tested_s, 1),
            testable=source.able,
            suspected=source.look.flaws if source.look else (),
            width=source.look.width if source.look and source.look.width else None,
            height=source.look.height if source.look and source.look.width else None,
            fps=source.look.fps if source.look and source.look.width else None,
        )


class FaultOut(BaseModel):
    """Something that is wrong with the box. `about`: the lesson, job or disk; `since`: ISO 8601, UTC.

    `detail` is English from the log; `remedy` is in the language asked for by Accept-Language, else English.
    """

    code: str = Field(examples=["store_refuses"])
    since: str
    about: str
    detail: str
    remedy: str

    @classmethod
    def of(cls, fault: FaultRaised, language: Translation) -> FaultOut:
        return cls(
            code=fault.code,
            since=fault.at.wall,
            about=fault.about,
            detail=without_addresses(fault.detail),
            remedy=language.gettext(fault_remedy(fault.code)),
        )


class HealthOut(BaseModel):
    """`/health`. `status`: idle, starting, recording (every required source has recent durable media) or trouble.

    `feeds` are the `sources` and `lesson_id` is the `lesson`: the newer names of the same.
    """

    status: str = Field(examples=["recording"])
    ok: bool = Field(description="false when somebody should look: trouble, a fault, a flaw, the disk nearly full")
    tested: bool | None = Field(
        description="between lessons: whether every source that can be was looked at within a minute, and is well"
    )
    lesson: str | None = Field(description="id of the running lesson")
    lesson_id: str | None
    elapsed_s: float | None
    sources: list[SourceHealthOut]
    feeds: list[SourceHealthOut]
    faults: list[FaultOut]
    disk_free_bytes: int
    disk_hours: float = Field(description="of recording for which the disk has room, by what lessons of this room take")
    disk_low: bool

    @classmethod
    def of(cls, room: RoomHealth, language: Translation, *, disk: DiskSpace, disk_hours: float) -> HealthOut:
        sources = [SourceHealthOut.of(source) for source in room.sources]
        return cls(
            status=room.status.value,
            ok=room.status.value != "trouble" and not disk.low and not room.faults and not room.flawed,
            tested=None if room.lesson_id else not room.untested and room.status.value == "idle",
            lesson=room.lesson_id,
            lesson_id=room.lesson_id,
            elapsed_s=None if room.elapsed_s is None else round(room.elapsed_s, 3),
            sources=sources,
            feeds=sources,
            faults=[FaultOut.of(fault, language) for fault in room.faults],
            disk_free_bytes=disk.free,
            disk_hours=round(disk_hours, 1),
            disk_low=disk.low,
        )
