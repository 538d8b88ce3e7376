"""`python -m capture LESSON_DIR SOURCE_ID`: record one source of one lesson until the lesson stops."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from capture.session import record_source
from lesson.folder import LessonFolder
from process.stage import run_stage


def main() -> None:
    """The process body; ends the process."""
    parser = argparse.ArgumentParser(prog="python -m capture", description="Record one source of one lesson.")
    parser.add_argument("lesson", type=Path, help="the lesson folder")
    parser.add_argument("source", help="the id of the source in lesson.json")
    arguments = parser.parse_args()
    folder = LessonFolder(arguments.lesson)
    try:
        code = run_stage(f"capture-{arguments.source}", lambda: record_source(folder, arguments.source))
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)  # a driver may hang in a thread: tearing down libav around it would crash


if __name__ == "__main__":
    main()
