"""`python -m publish LESSON_DIR SETTINGS`: bring one lesson to the store; ends when it is verified there.

`python -m publish --all ROOT SETTINGS`: all unpublished lessons of a root, in turns; ends when each is verified.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lesson.folder import LessonFolder
from process.stage import run_stage
from publish.publisher import Publisher
from publish.settings import StoreSettings
from publish.store import open_store, shares_disk
from publish.uploader import Uploader


def main() -> int:
    """Run the stage on what the command line names; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m publish", description="Bring lessons to the store.")
    parser.add_argument("--all", action="store_true", help="all lessons of a root, not one lesson")
    parser.add_argument("path", type=Path, help="the lesson folder; with --all the root")
    parser.add_argument("settings", help="publish.settings.StoreSettings as JSON: secrets by reference, never as such")
    arguments = parser.parse_args()

    def work() -> None:
        settings, path = StoreSettings.parse(arguments.settings), arguments.path.resolve()
        store = open_store(settings)
        if arguments.all:
            Publisher(path, store, shares_disk=shares_disk(settings, path)).run()
        else:
            Uploader(LessonFolder(path), store).run()

    return run_stage("publish", work)


if __name__ == "__main__":
    sys.exit(main())
