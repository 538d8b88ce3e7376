"""`python -m encode LESSON_DIR [SETTINGS]`: encode a lesson until every chunk of it is there."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from encode.settings import EncodeSettings
from encode.stage import EncodeStage
from lesson.folder import LessonFolder
from process.stage import repeat, run_stage


def main() -> int:
    """Run the stage on the lesson named on the command line; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m encode", description="Encode one lesson.")
    parser.add_argument("lesson", type=Path, help="the lesson folder")
    parser.add_argument("settings", nargs="?", default="{}", help="encode.settings.EncodeSettings as JSON")
    arguments = parser.parse_args()

    def work() -> None:
        settings = EncodeSettings.parse(arguments.settings)
        with EncodeStage(LessonFolder(arguments.lesson.resolve()), settings.workers, settings.farm) as stage:
            repeat(stage.step, lambda: stage.done)

    return run_stage("encode", work)


if __name__ == "__main__":
    sys.exit(main())
