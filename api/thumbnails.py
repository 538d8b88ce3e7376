"""The newest picture of each source, decoded once per segment however many phones are looking."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from lesson.model import Kind, SegmentRecord
from lesson.source_state import SourceState
from media.decode.thumbnail import thumbnail

WIDTH = 480
KEPT = 32
"""JPEGs in memory, about 20 kB each."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A JPEG; `tag` names the segment it shows."""

    tag: str
    jpeg: bytes


def newest_picture(source: SourceState) -> SegmentRecord | None:
    """The newest committed segment of a source that holds pictures."""
    return source.newest(Kind.VIDEO)


def picture_tag(segment: SegmentRecord) -> str:
    """Names the picture of a segment among all of its source."""
    return f"{segment.epoch}-{segment.seq}"


class Thumbnails:
    """A small cache; two requests for the same picture decode it once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._kept: OrderedDict[tuple[str, str], Thumbnail] = OrderedDict()

    def get(self, lesson_id: str, segment: SegmentRecord, path: Path) -> Thumbnail | None:
        """The picture of a segment lying at `path`, None if it shows none. Raises `MediaError`."""
        key, tag = (lesson_id, segment.source), picture_tag(segment)
        with self._lock:
            one_at_a_time = self._locks.setdefault(key, threading.Lock())
        with one_at_a_time:
            known = self._kept.get(key)
            if known and known.tag == tag:
                return known
            jpeg = thumbnail(path, width=WIDTH)
            if jpeg is None:
                return None
            made = Thumbnail(tag, jpeg)
            with self._lock:
                self._kept[key] = made
                self._kept.move_to_end(key)
                while len(self._kept) > KEPT:
                    forgotten, _ = self._kept.popitem(last=False)
                    self._locks.pop(forgotten, None)
            return made
