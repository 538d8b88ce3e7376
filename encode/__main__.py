"""`python -m encode LESSON_DIR [--workers N] [--farm URL]`: encode a lesson until every chunk of it is there."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from encode.stage import EncodeStage
from lesson.folder import LessonFolder
from process.stage import repeat, run_stage


def _default_workers() -> int:
    """One for two cores: the threads of its rungs keep both busy, and what a second one starts with is lost."""
    return max(1, (os.cpu_count() or 1) // 2)


def main() -> int:
    """Run the stage on the lesson named on the command line; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m encode", description=__doc__)
    parser.add_argument("lesson", type=Path, help="lesson folder")
    parser.add_argument(
        "--workers", type=int, default=_default_workers(), help="worker processes (default: %(default)s)"
    )
    parser.add_argument("--farm", metavar="URL", help="Dask scheduler whose workers encode instead, tcp://host:8786")
    arguments = parser.parse_args()

    def work() -> None:
        with EncodeStage(LessonFolder(arguments.lesson.resolve()), max(1, arguments.workers), arguments.farm) as stage:
            repeat(stage.step, lambda: stage.done)

    return run_stage("encode", work)


if __name__ == "__main__":
    sys.exit(main())
