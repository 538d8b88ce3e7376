"""Why a request may be refused: a URI (RFC 9457 `type`), a status and a title each; docs/problems.md lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from lesson.errors import (
    ClassreelError,
    DiskFullError,
    JournalBusyError,
    LessonFormatError,
    LessonNotFoundError,
    MediaError,
    StorageError,
)
from lesson.translatable import gettext_noop

PATH = "/problems/"
"""Below it the box explains each cause: relative, as a box far from the internet can show only pages of its own."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One kind of problem. `name`: the end of its URI; `title`, `detail`: English, as in the catalogues.

    `detail` may hold `%(name)s` for what differs from one occurrence to the next.
    """

    name: str
    status: HTTPStatus
    title: str
    detail: str

    @property
    def uri(self) -> str:
        return PATH + self.name


LESSON_NOT_FOUND = Cause(
    "lesson-not-found", HTTPStatus.NOT_FOUND,
    gettext_noop("No such lesson"), gettext_noop("There is no such lesson."),
)  # fmt: skip
NOTHING_TO_PLAY = Cause(
    "nothing-to-play", HTTPStatus.NOT_FOUND,
    gettext_noop("Nothing to play yet"), gettext_noop("There is nothing to play yet."),
)  # fmt: skip
RENDITION_NOT_FOUND = Cause(
    "rendition-not-found", HTTPStatus.NOT_FOUND,
    gettext_noop("No such rendition"), gettext_noop("There is no such rendition."),
)  # fmt: skip
FILE_NOT_FOUND = Cause(
    "file-not-found", HTTPStatus.NOT_FOUND,
    gettext_noop("No such file"), gettext_noop("No journal names such a file."),
)  # fmt: skip
FILE_GONE = Cause(
    "file-gone", HTTPStatus.NOT_FOUND,
    gettext_noop("No longer here"), gettext_noop("This file is no longer on this box."),
)  # fmt: skip
SOURCE_NOT_FOUND = Cause(
    "source-not-found", HTTPStatus.NOT_FOUND,
    gettext_noop("No such source"), gettext_noop("There is no such source."),
)  # fmt: skip
PICTURE_NOT_YET = Cause(
    "picture-not-yet", HTTPStatus.NOT_FOUND,
    gettext_noop("No picture yet"), gettext_noop("This source has no picture yet."),
)  # fmt: skip
PLAYER_NOT_FOUND = Cause(
    "player-not-found", HTTPStatus.NOT_FOUND,
    gettext_noop("No such player"), gettext_noop("There is no hls.js on this box."),
)  # fmt: skip
PROBLEM_NOT_FOUND = Cause(
    "problem-not-found", HTTPStatus.NOT_FOUND,
    gettext_noop("No such problem"), gettext_noop("This recorder knows no problem of this name."),
)  # fmt: skip
NOT_RECORDING = Cause(
    "not-recording", HTTPStatus.CONFLICT,
    gettext_noop("Not being recorded"), gettext_noop("This lesson is not being recorded here."),
)  # fmt: skip
RECORDING_NOW = Cause(
    "recording-now", HTTPStatus.CONFLICT,
    gettext_noop("A lesson is being recorded"),
    gettext_noop("Nothing is tested while a lesson is being recorded: the page shows what arrives."),
)  # fmt: skip
CANNOT_TEST = Cause(
    "cannot-test", HTTPStatus.SERVICE_UNAVAILABLE,
    gettext_noop("Not possible here"), gettext_noop("The feeds of this room cannot be looked at between lessons."),
)  # fmt: skip
INPUT_INVALID = Cause(
    "input-invalid", HTTPStatus.UNPROCESSABLE_ENTITY,
    gettext_noop("Wrong input"), gettext_noop("This cannot be used as it was sent: %(fields)s."),
)  # fmt: skip
TITLE_TOO_LONG = Cause(
    "title-too-long", HTTPStatus.UNPROCESSABLE_ENTITY,
    gettext_noop("Title too long"), gettext_noop("A title has at most %(most)s characters."),
)  # fmt: skip
BODY_UNKNOWN = Cause(
    "body-unknown", HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    gettext_noop("Unknown kind of body"), gettext_noop("Send JSON or an HTML form."),
)  # fmt: skip
BODY_TOO_LARGE = Cause(
    "body-too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    gettext_noop("Too much was sent"), gettext_noop("At most %(most)s bytes are read."),
)  # fmt: skip
BODY_TOO_SLOW = Cause(
    "body-too-slow", HTTPStatus.REQUEST_TIMEOUT,
    gettext_noop("Too slow"), gettext_noop("The request came too slowly."),
)  # fmt: skip
FOREIGN_PAGE = Cause(
    "foreign-page", HTTPStatus.FORBIDDEN,
    gettext_noop("A page of another site"), gettext_noop("This request comes from a page of another site."),
)  # fmt: skip
FOREIGN_NAME = Cause(
    "foreign-name", HTTPStatus.MISDIRECTED_REQUEST,
    gettext_noop("Not this recorder's name"),
    gettext_noop("The recorder is not called %(host)s. If it is, add that name to allowed_hosts in classroom.toml."),
)  # fmt: skip
DISK_FULL = Cause(
    "disk-full", HTTPStatus.INSUFFICIENT_STORAGE,
    gettext_noop("The disk is full"), gettext_noop("The recorder's disk is full."),
)  # fmt: skip
DISK_REFUSES = Cause(
    "disk-refuses", HTTPStatus.SERVICE_UNAVAILABLE,
    gettext_noop("The disk refuses"), gettext_noop("The recorder's disk refused: %(reason)s."),
)  # fmt: skip
LESSON_BUSY = Cause(
    "lesson-busy", HTTPStatus.SERVICE_UNAVAILABLE,
    gettext_noop("Busy"), gettext_noop("The recorder is busy with this lesson."),
)  # fmt: skip
PICTURE_FAILS = Cause(
    "picture-fails", HTTPStatus.SERVICE_UNAVAILABLE,
    gettext_noop("No picture"), gettext_noop("No picture could be made of this recording."),
)  # fmt: skip
LESSON_DAMAGED = Cause(
    "lesson-damaged", HTTPStatus.INTERNAL_SERVER_ERROR,
    gettext_noop("The lesson is damaged"), gettext_noop("This lesson is damaged."),
)  # fmt: skip
RECORDER_FAILS = Cause(
    "recorder-fails", HTTPStatus.INTERNAL_SERVER_ERROR,
    gettext_noop("The recorder failed"), gettext_noop("The recorder could not do that."),
)  # fmt: skip
RECORDER_MISTAKE = Cause(
    "recorder-mistake", HTTPStatus.INTERNAL_SERVER_ERROR,
    gettext_noop("The recorder's mistake"), gettext_noop("The recorder made a mistake; its log says which."),
)  # fmt: skip

CAUSES: Mapping[str, Cause] = {found.uri: found for found in list(globals().values()) if isinstance(found, Cause)}
"""All of them, by URI."""

STATUS_TITLES: Mapping[int, str] = {
    400: gettext_noop("This request makes no sense"),
    404: gettext_noop("There is no such page"),
    405: gettext_noop("This address does not do that"),
}
"""What the framework refuses by itself has no cause but its status: `about:blank`."""
OTHER_TITLE = gettext_noop("That did not work")

DISK_REASONS = frozenset({
    gettext_noop("Input/output error"),
    gettext_noop("No such file or directory"),
    gettext_noop("Not a directory"),
    gettext_noop("Permission denied"),
    gettext_noop("Read-only file system"),
})  # fmt: skip
"""What the system says of a disk, as far as it is in the catalogues."""
OTHER_REASON = gettext_noop("its log says why")

OF_ERRORS: tuple[tuple[type[ClassreelError], Cause], ...] = (  # first match wins
    (LessonNotFoundError, LESSON_NOT_FOUND),
    (DiskFullError, DISK_FULL),
    (StorageError, DISK_REFUSES),
    (JournalBusyError, LESSON_BUSY),
    (MediaError, PICTURE_FAILS),
    (LessonFormatError, LESSON_DAMAGED),
    (ClassreelError, RECORDER_FAILS),
)
"""A browser is told what helps the person before it; paths and addresses of the box stay in its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One time that it happened. `values` fill in the detail.

    `cause` None: the framework refused, and nothing is known but the `status` and what it `said`, in English.
    """

    cause: Cause | None
    status: int
    values: Mapping[str, str] = field(default_factory=dict)
    said: str | None = None
    errors: tuple[Mapping[str, str], ...] = ()


def occurrence(cause: Cause, **values: object) -> Occurrence:
    """`cause` happened, with these values for its detail."""
    texts = {name: str(value) for name, value in values.items()}
    return Occurrence(cause=cause, status=cause.status, values=texts)


class RefusedError(Exception):
    """A request is refused, by the problem given as argument; `api.problems` answers with it."""

    def __init__(self, cause: Cause, **values: object) -> None:
        super().__init__(cause.name)
        self.occurrence = occurrence(cause, **values)
