"""What a command says about a lesson when it is done: the JSON of the outside contract."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from lesson.durations import format_duration
from lesson.folder import LessonFolder
from lesson.glance import LessonEntry
from lesson.ledger import StreamSummary, ledger_problems, stream_summaries
from lesson.left_out import LeftOut
from lesson.listing import lesson_summary, listed_lesson
from lesson.summary import gap_summary, rendition_summary, rounded_s
from lesson.time import Ticks
from lesson.titles import one_line
from lesson.view import LessonView, load_state


def lesson_report(folder: LessonFolder, view: LessonView, problems: list[str]) -> dict[str, Any]:
    """The object printed by `record`, `import`, `process` and `demo`: the lesson's line in a list, and all about it."""
    state = view.state
    without = (one.sentence for one in state.edition.left_out)
    return {
        **asdict(lesson_summary(state)),
        "lesson_dir": str(folder.path),
        "renditions": [asdict(rendition_summary(state, rendition)) for rendition in state.ladder],
        "gaps": [asdict(gap_summary(gap)) for gap in state.gaps()],
        "streams": [_stream_entry(summary) for summary in stream_summaries(state)],
        "problems": [*view.damage, *problems, *without, *ledger_problems(state)],
    }


def verify_report(folder: LessonFolder, problems: list[str]) -> dict[str, Any]:
    """The object printed by `verify`. What was left out, and that raw segments made room, is said, and no problem."""
    state = load_state(folder)
    without = [asdict(one) for one in state.edition.left_out]
    gone = state.raw_reclaimed.at.wall if state.raw_reclaimed else None
    return {
        "lesson_id": folder.id,
        "ok": not problems,
        "problems": problems,
        "left_out": without,
        "pinned": state.pinned,
        "raw_reclaimed": gone,
    }


def verify_lines(report: dict[str, Any]) -> list[str]:
    """The same for people: what is wrong, and what was left out."""
    without = [LeftOut(**one).sentence for one in report["left_out"]]
    gone = report["raw_reclaimed"]
    said = [f"its recording was removed on {gone[:10]} to make room; what is published is stored"] if gone else []
    return [*(report["problems"] or [f"lesson {report['lesson_id']} is sound"]), *without, *said]


def _stream_entry(summary: StreamSummary) -> dict[str, Any]:
    """One line of the ledger, in seconds."""
    return {
        "source": summary.source,
        "kind": summary.kind.value,
        "announced": summary.announced,
        "first_s": _seconds(summary.first),
        "last_s": _seconds(summary.last),
        "held_s": _seconds(summary.held),
        "stated_s": _seconds(summary.stated),
        "dropped_s": _seconds(summary.dropped),
        "reason": summary.reason,
    }


def _seconds(ticks: Ticks | None) -> float | None:
    return None if ticks is None else rounded_s(ticks)


def lesson_entry(entry: LessonEntry) -> dict[str, Any]:
    """One entry of `classreel lessons`: the line that the pages have, and where the lesson lies on this box."""
    return {**asdict(listed_lesson(entry)), "lesson_dir": str(entry.folder.path)}


def lesson_row(entry: dict[str, Any]) -> tuple[str, ...]:
    """A lesson as `classreel lessons` shows it to people: id, title, state (and what it lacks), start, length."""
    length = format_duration(entry["duration_s"])
    without = ", ".join(one["name"] for one in entry["left_out"])
    state = f"{entry['state']} without {without}" if without else entry["state"]
    state += ", pinned" if entry["pinned"] else ""
    state += ", recording removed" if entry["raw_reclaimed"] else ""
    return entry["lesson_id"], one_line(entry["title"]), state, _room_time(entry), length


def _room_time(entry: dict[str, Any]) -> str:
    """When the lesson started, as the clock in its room showed it."""
    if not entry["started"]:
        return ""
    return f"{datetime.fromisoformat(entry['started']).astimezone(ZoneInfo(entry['timezone'])):%Y-%m-%d %H:%M}"
