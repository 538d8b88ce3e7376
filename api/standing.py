"""What the feeds deliver between lessons, read from memory that the processes share which hold them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path

from api.idle import TESTED_S
from lesson.look import Look, look_in
from lesson.time import NANOSECONDS_PER_SECOND
from process.bulletin import BulletinReader, BulletinWriter, ask_for_look


class Standing:
    """For requests in many threads.

    `looks`: where each source says what it delivers; `look_requests`: where to ask for that.
    """

    def __init__(self, looks: Mapping[str, Path], look_requests: Path | None) -> None:
        self._readers = {source: BulletinReader(path) for source, path in looks.items()}
        self._requests = BulletinWriter(look_requests) if look_requests is not None else None
        self._known: dict[str, Look] = {}
        self._asked_ns = 0
        self._lock = threading.Lock()

    def looks(self) -> dict[str, Look]:
        """The newest look at each source."""
        with self._lock:
            for source, reader in self._readers.items():
                read = reader.read()
                if read is not None and read.lines is not None:
                    look = look_in(read.lines)
                    self._known.pop(source, None)
                    if look is not None:
                        self._known[source] = look
            return dict(self._known)

    def ask(self) -> bool:
        """Have all of them looked at now, and pictures shown for a minute; False where nobody could be asked."""
        if self._requests is None:
            return False
        with self._lock:
            self._asked_ns = ask_for_look(self._requests)
        return True

    @property
    def asked(self) -> bool:
        """Whether somebody has asked lately."""
        since_ns = time.monotonic_ns() - self._asked_ns
        return self._asked_ns > 0 and since_ns < TESTED_S * NANOSECONDS_PER_SECOND
