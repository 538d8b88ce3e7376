"""How an object above `MAX_WHOLE_BYTES` is cut into parts: always alike, so that what an earlier life sent fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lesson.records import ObjectStored, PartStored, PublishStarted, Record, UploadStarted
from publish.body import Body, md5_of
from publish.protocol import MIN_PART_BYTES, Part, etag_of_parts

PART_BYTES = MIN_PART_BYTES
"""The less is sent twice after a break: at 64 kbit/s it is 11 minutes. S3 takes 10 000 parts of an object, 52 GB so."""


def parts_of(body: Body) -> Iterator[tuple[int, Body]]:
    """The parts of a body with their numbers, which begin with 1."""
    for number, offset in enumerate(range(0, body.length, PART_BYTES), start=1):
        yield number, body.part(offset, PART_BYTES)


def etag_in_parts(body: Body) -> str:
    """The ETag S3 gives the body when it is sent in these parts."""
    return etag_of_parts([md5_of(part) for _, part in parts_of(body)])


@dataclass(slots=True)
class OpenUpload:
    """An object on its way in parts: the store's id of the upload, and the parts that are confirmed."""

    id: str
    sha256: str
    parts: dict[int, Part] = field(default_factory=dict)


def open_uploads(records: Iterable[Record]) -> dict[str, OpenUpload]:
    """What a lesson's publish journal knows of uploads that are not objects yet, by key."""
    found: dict[str, OpenUpload] = {}
    url: str | None = None
    for record in records:
        match record:
            case PublishStarted():
                if record.url != url:  # another store knows nothing of them
                    found.clear()
                url = record.url
            case UploadStarted():
                found[record.key] = OpenUpload(record.upload, record.sha256)
            case PartStored() if record.key in found and found[record.key].id == record.upload:
                found[record.key].parts[record.number] = Part(record.number, record.bytes, record.etag)
            case ObjectStored():
                found.pop(record.key, None)
    return found
