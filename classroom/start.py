"""The `classreel` command: what must be at work early is started before the command line is imported.

A box that wakes up from a power cut in the middle of a class records the sooner: the process from which stages are
forked imports beside this one.
"""

from __future__ import annotations

import sys

from process.warm import Preload, start_early

PRELOAD = Preload(
    first=("capture.session", "media.feeds.live_feed"), later=("media.feeds.transcoder", "capture.standby")
)
"""What the fork server imports: recording is to be there at once, and its processes to share their pages. A kind of
source imports what opens it only then: cameras must find theirs there. What only sources need that cannot be copied,
such as sound cards, comes later."""
_RECORDING = ("serve", "record")


def main() -> None:
    """Run the command line."""
    if sys.platform == "linux" and sys.argv[1:2] and sys.argv[1] in _RECORDING and "--help" not in sys.argv:
        start_early(PRELOAD)
    from classroom.cli import main as run

    run()


if __name__ == "__main__":
    main()
