"""`python -m publish LESSON_DIR SETTINGS`: bring one lesson to the store; ends when it is verified there."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lesson.folder import LessonFolder
from process.stage import run_stage
from publish.settings import StoreSettings
from publish.store import open_store
from publish.uploader import Uploader


def main() -> int:
    """Run the stage on the lesson named on the command line; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m publish", description="Bring one lesson to the store.")
    parser.add_argument("lesson", type=Path, help="the lesson folder")
    parser.add_argument("settings", help="publish.settings.StoreSettings as JSON: secrets by reference, never as such")
    arguments = parser.parse_args()

    def work() -> None:
        store = open_store(StoreSettings.parse(arguments.settings))
        Uploader(LessonFolder(arguments.lesson.resolve()), store).run()

    return run_stage("publish", work)


if __name__ == "__main__":
    sys.exit(main())
