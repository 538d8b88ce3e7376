"""Segment files written at once, without a recorder and its disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lesson.model import Kind
from media.feeds.packets import FeedStream
from media.feeds.segment import Contents, SegmentWriter


class SegmentOnDisk(SegmentWriter):
    """A segment writer with a plain file, unbuffered: every byte is there as soon as it is written."""

    def __init__(self, path: Path, streams: Mapping[Kind, FeedStream]) -> None:
        self._file = path.open("wb", buffering=0)
        super().__init__(path, self._file, streams)

    def finish(self) -> Contents:
        contents = super().finish()
        self._file.close()
        return contents
