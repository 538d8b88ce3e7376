"""`python -m publish LESSON_DIR --store URL`: bring one lesson to the store; ends when it is verified there.

With `--root DIR` instead of a lesson: all unpublished lessons of a root; ends when there is none.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lesson.folder import LessonFolder
from process.stage import run_stage
from publish.publisher import Publisher
from publish.store import StoreSpec, open_store
from publish.uploader import Uploader


def main() -> int:
    """Parse the arguments and run the stage; secrets come by reference, never as arguments."""
    parser = argparse.ArgumentParser(prog="publish", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("lesson", type=Path, nargs="?")
    what.add_argument("--root", type=Path, metavar="DIR")
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

    def work() -> None:
        store = open_store(spec)
        if args.root:
            Publisher(args.root.resolve(), store).run()
        else:
            Uploader(LessonFolder(args.lesson.resolve()), store).run()

    return run_stage("publish", work)


if __name__ == "__main__":
    sys.exit(main())
