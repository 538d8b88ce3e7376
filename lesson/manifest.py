"""`manifest.json`: a finished lesson in one document, derived from its journals alone.

It says what a catalogue wants to know and lists every published object with its digest. It holds nothing that is not
the same on each derivation (no time of writing, no store URL), so that equal journals give equal bytes, and nothing
private (no camera addresses).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lesson.errors import LessonFormatError, LessonNotFoundError, storage_errors
from lesson.package import objects
from lesson.reading import open_to_read
from lesson.source_state import SourceState
from lesson.state import LessonState
from lesson.summary import gap_summary, rendition_summary, rounded_s

SCHEMA = 1
_HEAD_BYTES = 16_384
_MOST_HEAD_BYTES = 4 << 20
"""Enough for ten thousand gaps and problems."""
_OBJECTS = b',\n "objects": ['
"""Where the long list begins: thousands of objects that a summary does not need."""


def manifest(state: LessonState) -> bytes:
    """The manifest as UTF-8 JSON.

    Raises:
        ValueError: the lesson is not encoded to its end, or nothing was recorded.
    """
    if not state.encoded or state.frozen_until == 0:
        raise ValueError(f"{state.header.id}: a manifest is derived from a finished lesson")
    header = state.header
    document = {
        "schema": SCHEMA,
        "lesson_id": header.id,
        "title": header.title,
        "room": header.room,
        "created_wall": header.created_wall,
        "timezone": header.timezone,
        "languages": list(header.languages),
        "edition": state.edition.number,
        "duration_s": rounded_s(state.duration),
        "sources": [asdict(sealed_source(source)) for source in state.sources.values()],
        "gaps": [asdict(gap_summary(gap)) for gap in state.gaps()],
        "renditions": [asdict(rendition_summary(state, rendition)) for rendition in state.ladder],
        "left_out": [{"name": one.name} for one in state.edition.left_out],  # why is for whoever knows the box
        "objects": [{"key": one.key, "bytes": one.bytes, "sha256": one.sha256} for one in objects(state)],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What a list of lessons wants to know of a manifest. `gap_count`: gaps of all sources together."""

    lesson_id: str
    duration_s: float
    gap_count: int


def read_sealed(path: Path, lesson_id: str) -> Sealed:
    """The beginning of the manifest at `path`, which has to be that of `lesson_id`; members unknown here are skipped.

    Raises:
        LessonNotFoundError: there is none.
        LessonFormatError: it is damaged, of a newer schema, or another lesson's.
        StorageError: it cannot be read.
    """
    try:
        document = json.loads(_before_objects(path))
        if not isinstance(schema := document["schema"], int) or schema > SCHEMA:
            raise LessonFormatError(f"{path}: schema {schema} is newer than this version knows")
        found = Sealed(
            lesson_id=document["lesson_id"],
            duration_s=float(document["duration_s"]),
            gap_count=len([gap["source"] for gap in document["gaps"]]),
        )
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise LessonFormatError(f"{path}: not a manifest") from error
    if found.lesson_id != lesson_id or not 0 < found.duration_s < float("inf"):
        raise LessonFormatError(f"{path}: not the manifest of a lesson {lesson_id}")
    return found


def _before_objects(path: Path) -> bytes:
    """The document without its list of objects, which `manifest` writes last."""
    data = b""
    with storage_errors(path):
        try:
            with open_to_read(path) as file:
                while len(data) < _MOST_HEAD_BYTES and (piece := file.read(_HEAD_BYTES)):
                    data += piece
                    if (end := data.find(_OBJECTS, max(0, len(data) - len(piece) - len(_OBJECTS)))) >= 0:
                        return data[:end] + b"}"
        except FileNotFoundError as error:
            raise LessonNotFoundError(f"{path}: no manifest") from error
    return data


@dataclass(frozen=True, slots=True)
class SealedSource:
    """What a source gave: a manifest's entry of it. `sha256_of_sha256`: of the digests of its segments in hex."""

    id: str
    role: str
    segments: int
    bytes: int
    sha256_of_sha256: str


def sealed_source(source: SourceState) -> SealedSource:
    """What a source gave, by its journal as it is now."""
    digest = hashlib.sha256("".join(segment.sha256 for segment in source.segments).encode())
    spec = source.spec
    return SealedSource(spec.id, spec.role.value, len(source.segments), source.bytes, digest.hexdigest())


def read_sealed_sources(path: Path) -> list[SealedSource]:
    """What each source gave when the manifest at `path` was written. Raises as `read_sealed`."""
    names = [one.name for one in fields(SealedSource)]
    try:
        entries = json.loads(_before_objects(path))["sources"]
        return [SealedSource(*(entry[name] for name in names)) for entry in entries]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise LessonFormatError(f"{path}: not a manifest") from error
