"""Every kind of line a journal may hold, and their text form.

A line is one JSON object, `{"type": …, fields…, "crc": "8 hex digits"}`: readable with any JSON tool, and the CRC-32
over the bytes before `,"crc"` makes the line a commit. Unknown fields and unknown types (of later versions) are
skipped, so that an older version can still read what it understands.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from lesson.box_record_types import FaultCleared, FaultRaised, JobEnded, JobStarted
from lesson.damage_record_types import SegmentDamaged, SegmentJoined, SegmentUnheard, SegmentUnseen
from lesson.errors import LessonFormatError
from lesson.publish_record_types import (
    FileDamaged,
    ObjectStored,
    PartStored,
    PlaylistPublished,
    PublishStarted,
    UploadStarted,
    Verified,
)
from lesson.record_types import (
    BackupHeard,
    ChunkEncoded,
    ChunksKept,
    CropPath,
    EditionStarted,
    EpochStarted,
    FrozenUntil,
    LessonPinned,
    Mapped,
    Origin,
    Planning,
    RawReclaimed,
    RenditionStarted,
    RungSkipped,
    SegmentCommitted,
    SegmentObserved,
    Shot,
    SourceFinished,
    SourceLost,
    Start,
    Stop,
    StreamAccount,
)
from lesson.signal_record_types import SegmentMeasured

_CRC_FIELD = b',"crc":"'
_TYPE_FIRST = re.compile(rb'\{"type":"(\w+)"')
_TAIL_LENGTH = len(_CRC_FIELD) + 8 + len(b'"}')

__all__ = [
    "RECORD_TYPES",
    "BackupHeard",
    "ChunkEncoded",
    "ChunksKept",
    "CropPath",
    "DamagedLineError",
    "EditionStarted",
    "EpochStarted",
    "FaultCleared",
    "FaultRaised",
    "FileDamaged",
    "FrozenUntil",
    "JobEnded",
    "JobStarted",
    "LessonPinned",
    "Looked",
    "Mapped",
    "ObjectStored",
    "Origin",
    "PartStored",
    "Planning",
    "PlaylistPublished",
    "PublishStarted",
    "RawReclaimed",
    "Record",
    "RenditionStarted",
    "RungSkipped",
    "SegmentCommitted",
    "SegmentDamaged",
    "SegmentJoined",
    "SegmentMeasured",
    "SegmentObserved",
    "SegmentUnheard",
    "SegmentUnseen",
    "Shot",
    "SourceFinished",
    "SourceLost",
    "Start",
    "Stop",
    "StreamAccount",
    "Unknown",
    "UploadStarted",
    "Verified",
    "decode_line",
    "encode_line",
    "line_parts",
]

Looked: TypeAlias = SegmentDamaged | SegmentUnseen | SegmentUnheard | SegmentJoined | SegmentMeasured
"""What somebody who looked at a segment found."""
Record: TypeAlias = (
    Start
    | Stop
    | EditionStarted
    | RungSkipped
    | LessonPinned
    | RawReclaimed
    | EpochStarted
    | SegmentCommitted
    | SourceLost
    | StreamAccount
    | SourceFinished
    | SegmentMeasured
    | SegmentObserved
    | SegmentUnheard
    | SegmentUnseen
    | SegmentJoined
    | Origin
    | Mapped
    | Shot
    | CropPath
    | BackupHeard
    | FrozenUntil
    | RenditionStarted
    | SegmentDamaged
    | ChunkEncoded
    | ChunksKept
    | PublishStarted
    | ObjectStored
    | UploadStarted
    | FileDamaged
    | PartStored
    | PlaylistPublished
    | Verified
    | JobStarted
    | JobEnded
    | FaultRaised
    | FaultCleared
)
RECORD_TYPES: dict[str, type[Record]] = {cls.__name__: cls for cls in Record.__args__}


@dataclass(frozen=True, slots=True)
class Unknown:
    """A sound line of a type this version does not know."""

    type: str


class DamagedLineError(LessonFormatError):
    """A journal line that is torn or altered: its CRC does not match."""


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(RECORD_TYPES[name])


def _crc_tail(body: bytes) -> bytes:
    return _CRC_FIELD + f"{zlib.crc32(body):08x}".encode() + b'"}'


def encode_line(record: Record) -> bytes:
    """The journal line of a record, newline included."""
    name = type(record).__name__
    # most of what a detector could have found it has not: those fields would be half of the longest journals
    thinly = isinstance(record, SegmentObserved)
    fields = _adapter(name).dump_python(record, mode="json", exclude_none=True, exclude_defaults=thinly)
    text = json.dumps({"type": name, **fields}, ensure_ascii=False, separators=(",", ":"))
    body = text.encode(errors="backslashreplace")[:-1]  # file names that are no UTF-8 become JSON's own \\udcXX
    return body + _crc_tail(body) + b"\n"


def line_parts(line: bytes) -> tuple[bytes, bytes, bytes]:
    """What the CRC of a line covers, its end with that CRC, and the end that it should have."""
    text = line.rstrip(b"\n")
    body = text[:-_TAIL_LENGTH]
    return body, text[-_TAIL_LENGTH:], _crc_tail(body)


def decode_line(line: bytes) -> Record | Unknown:
    """The record of one complete line (newline optional).

    Raises:
        DamagedLineError: the CRC is missing or wrong.
        LessonFormatError: the line is sound but does not hold what its type promises.
    """
    body, tail, wanted_tail = line_parts(line)
    if tail != wanted_tail:
        raise DamagedLineError("journal line is torn or altered")
    return _known_record(body + b"}") or _any_record(body + b"}")


def _known_record(text: bytes) -> Record | None:
    """The record of a line as this version writes them, read in one pass; None for any other."""
    start = _TYPE_FIRST.match(text)
    if start is None or (name := start[1].decode()) not in RECORD_TYPES:
        return None
    try:
        record: Record = _adapter(name).validate_json(text)
    except ValidationError:  # perhaps only because of a name that is no UTF-8, which JSON in Python may hold
        return None
    return record


def _any_record(text: bytes) -> Record | Unknown:
    try:
        fields = json.loads(text)
        name = str(fields.pop("type"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise LessonFormatError("journal line is no JSON object with a type") from error
    if name not in RECORD_TYPES:
        return Unknown(name)
    try:
        record: Record = _adapter(name).validate_python(fields)
    except ValidationError as error:
        raise LessonFormatError(f"{name} line does not fit: {error.errors()[0]['msg']}") from error
    return record
