"""`python -m capture LESSON_DIR SOURCE_ID`: record one source of one lesson until the lesson stops."""

from __future__ import annotations

import argparse
from pathlib import Path

from capture.session import record_source
from lesson.folder import LessonFolder
from process.stage import run_stage_and_exit


def main() -> None:
    """The process body; ends the process."""
    parser = argparse.ArgumentParser(prog="python -m capture", description="Record one source of one lesson.")
    parser.add_argument("lesson", type=Path, help="the lesson folder")
    parser.add_argument("source", help="the id of the source in lesson.json")
    arguments = parser.parse_args()
    folder = LessonFolder(arguments.lesson)
    run_stage_and_exit(f"capture-{arguments.source}", lambda: record_source(folder, arguments.source))


if __name__ == "__main__":
    main()
