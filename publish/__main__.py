"""`python -m publish LESSON_DIR --store URL`: bring one lesson to the store; ends when it is verified there."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lesson.folder import LessonFolder
from process.stage import run_stage
from publish.store import StoreSpec, open_store
from publish.uploader import Uploader


def main() -> int:
    """Parse the arguments and run the stage; secrets come by reference, never as arguments."""
    parser = argparse.ArgumentParser(prog="publish", description=__doc__)
    parser.add_argument("lesson", type=Path)
    parser.add_argument("--store", required=True, metavar="URL")
    parser.add_argument("--access-key-env", metavar="NAME")
    parser.add_argument("--secret-key-env", metavar="NAME")
    parser.add_argument("--access-key-file", type=Path, metavar="FILE")
    parser.add_argument("--secret-key-file", type=Path, metavar="FILE")
    args = parser.parse_args()
    spec = StoreSpec(
        url=args.store,
        access_key_env=args.access_key_env,
        secret_key_env=args.secret_key_env,
        access_key_file=args.access_key_file,
        secret_key_file=args.secret_key_file,
    )
    return run_stage("publish", lambda: Uploader(LessonFolder(args.lesson.resolve()), open_store(spec)).run())


if __name__ == "__main__":
    sys.exit(main())
