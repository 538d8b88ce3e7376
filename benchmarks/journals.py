"""A lesson's journals read as the JSON lines they are, without the product's own reader.

Instants are nanoseconds of CLOCK_MONOTONIC of the boot they were written in.
"""

from __future__ import annotations

import contextlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

Record = dict[str, Any]
_NANOSECOND = Fraction(1, 1_000_000_000)


def lessons(root: Path) -> list[Path]:
    """Lesson folders, oldest first."""
    return sorted(path.parent for path in root.glob("*/lesson.json"))


def records(path: Path) -> list[Record]:
    """The whole lines of a journal, in order; a torn last line is none."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                found.append(record)
    return found


def of_type(journal: Path, name: str) -> list[Record]:
    """The records of one type."""
    return [record for record in records(journal) if record.get("type") == name]


def raw_journal(lesson: Path, source: str) -> Path:
    """The journal of a source's capture process."""
    return lesson / "raw" / source / "journal.jsonl"


def segments(lesson: Path, source: str) -> list[Record]:
    """What `SegmentCommitted` says, in order."""
    return [dict(record["segment"]) for record in of_type(raw_journal(lesson, source), "SegmentCommitted")]


def epochs(lesson: Path, source: str) -> list[Record]:
    """The `EpochStarted` of a source."""
    return of_type(raw_journal(lesson, source), "EpochStarted")


def epoch_start_ns(lesson: Path, source: str, epoch: int) -> int | None:
    """When an epoch was announced."""
    return next(
        (int(record["at"]["monotonic_ns"]) for record in epochs(lesson, source) if record["epoch"] == epoch), None
    )


def media_end_ns(lesson: Path, source: str, epoch: int | None = None) -> int | None:
    """When the newest committed media of a source (of one epoch) had arrived; None before the first segment.

    Packets are never early: of all arrivals that an epoch's anchors tell, the least `arrival - time stamp` is the
    offset of its clock, and the end of its last segment on that clock is the instant up to which it is safe.
    """
    offsets: dict[int, float] = {}
    ends: dict[int, float] = {}
    for segment in segments(lesson, source):
        number, unit_ns = segment["epoch"], Fraction(segment["time_base"]) / _NANOSECOND
        pts = segment.get("video") or segment.get("audio")
        for anchor in segment.get("anchors", ()):
            offset = anchor["monotonic_ns"] - float(anchor["pts"] * unit_ns)
            offsets[number] = min(offsets.get(number, offset), offset)
        if pts:
            ends[number] = max(ends.get(number, 0.0), float(pts["end"] * unit_ns))
    known = [offsets[number] + ends[number] for number in ends if number in offsets and epoch in (None, number)]
    return round(max(known)) if known else None


def media_s(lesson: Path, source: str, kind: str) -> float:
    """Seconds of `video` or `audio` in a source's committed segments."""
    ranges = [(segment.get(kind), Fraction(segment["time_base"])) for segment in segments(lesson, source)]
    return float(sum((pts["end"] - pts["first"]) * unit for pts, unit in ranges if pts))


def packets(lesson: Path, source: str, kind: str) -> int:
    """How many packets of `video` or `audio` are committed."""
    return sum(segment[kind]["packets"] for segment in segments(lesson, source) if segment.get(kind))


def stopped(lesson: Path) -> Record | None:
    """The `Stop` of a lesson, if it has one."""
    return next(iter(of_type(lesson / "control.jsonl", "Stop")), None)
