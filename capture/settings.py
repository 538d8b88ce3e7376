"""What the settings say of a source: `[[sources]]` in `classroom.toml`. Its capture process reads it in the lesson."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from capture.kinds import missing_password, parse_source, rtsp, source_kind
from lesson.errors import ConfigError
from lesson.folder import is_name
from lesson.hours import parse_hours
from lesson.model import Role, SourceSpec
from process.section import Section


def _plain_name(text: str) -> str:
    """The id of a source: it becomes a folder name and part of object keys."""
    if not is_name(text):
        raise ValueError(f"{text!r} is no name: use a-z, 0-9, _ and -")
    return text


def _uri(uri: str) -> str:
    """What a source is: kind, device or address, and every option of it."""
    try:
        parse_source(uri)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return uri


def _substream(uri: str) -> str:
    """A second, smaller stream of the same network camera."""
    if source_kind(uri) is not rtsp.KIND:
        raise ValueError("write the address of the camera's smaller stream, for example rtsp://10.0.0.11/sub")
    return _uri(uri)


class SourceSettings(Section):
    """One source."""

    id: Annotated[str, AfterValidator(_plain_name)]
    role: Role
    uri: Annotated[str, AfterValidator(_uri)]
    user_env: str | None = None
    password_env: str | None = Field(default=None, validate_default=True)
    substream: Annotated[str, AfterValidator(_substream)] | None = None
    required: bool = False
    backup: str | None = None

    @field_validator("password_env")
    @classmethod
    def _needed(cls, name: str | None, others: ValidationInfo) -> str | None:
        missing = "" if name else missing_password(others.data.get("uri", ""))
        if missing:
            raise ValueError(missing)
        return name

    def spec(self) -> SourceSpec:
        return SourceSpec(**self.model_dump())

    @property
    def stands_by(self) -> bool:
        """Whether it can be kept open between lessons."""
        kind = source_kind(self.uri)
        return kind is not None and kind.stands_by


def _hours(text: str) -> str:
    parse_hours(text)
    return text


class CaptureSettings(Section):
    """How feeds are kept.

    `standby`: between lessons they stay open, so that a lesson begins with the press; in `standby_hours` of the room's
    day, always if there are none.
    """

    standby: bool = True
    standby_hours: tuple[Annotated[str, AfterValidator(_hours)], ...] = ()
