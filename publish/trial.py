"""`python -m publish.trial SETTINGS`: try the store while nothing waits to be sent; ends when it takes a file.

So what would keep the next lesson from its store is known before class, and not after it.
"""

from __future__ import annotations

import argparse
import sys

from lesson.errors import StoreError
from process.beat import beat
from process.stage import run_stage
from publish.body import HeldBody
from publish.protocol import ObjectStore
from publish.settings import StoreSettings
from publish.store import open_store
from publish.uplink import Uplink

KEY = ".check/trial"
"""Below the store's prefix; the same of every trial and every box, so that nothing piles up."""
_WORDS = b"classreel"


def try_store(store: ObjectStore, key: str = KEY) -> None:
    """Store a few bytes and read them again. Raises `StoreError`."""
    store.put(key, HeldBody(_WORDS), content_type="text/plain", cache_control="no-store")
    if store.get(key) != _WORDS:
        raise StoreError("it gives back other bytes than were stored")


def until_it_works(store: ObjectStore, line: Uplink) -> None:
    """Try the store again and again, with growing pauses; meanwhile the supervisor hears what is wrong with it."""
    while True:
        beat()
        try:
            try_store(store)
        except StoreError as error:
            line.failed(error)
        else:
            line.worked()
            return


def main() -> int:
    """Run the trial as a stage; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m publish.trial", description="Try the store.")
    parser.add_argument("settings", help="publish.settings.StoreSettings as JSON: secrets by reference, never as such")
    settings = parser.parse_args().settings
    return run_stage("publish", lambda: until_it_works(open_store(StoreSettings.parse(settings)), Uplink()))


if __name__ == "__main__":
    sys.exit(main())
