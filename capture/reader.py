"""The thread that reads a feed: libav may block in it as long as it likes, the recorder never does."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lesson.model import Kind
from media.feeds.packets import Feed, FeedPacket

LIVE_BYTES = 64_000_000
"""Packets that may wait in memory: more than a minute of a 6 Mbit/s camera."""
BATCH_S = 0.05
"""Packets of a live feed are handed on so much later, many at once: waking up for each costs more than its handling."""
_POLL_S = 0.2
_ABANDONED_S = 60.0


@dataclass(frozen=True, slots=True)
class Opened:
    """The feed is there."""

    feed: Feed


@dataclass(frozen=True, slots=True)
class Ended:
    """The feed is over, by itself or by an error."""

    error: BaseException | None = None


Event = Opened | FeedPacket | Ended


class Reader:
    """Opens a feed and reads it in a thread of its own; `next_events` gives what happened, in order.

    When packets of more than `most_bytes` wait, the feed is read no further until some were taken.
    """

    def __init__(self, open_feed: Callable[[], Feed], most_bytes: int = LIVE_BYTES) -> None:
        self._open_feed = open_feed
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._heard: dict[Kind, int] = {}
        self._stopping = threading.Event()
        self._feed: Feed | None = None
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._thread.start()

    @property
    def heard(self) -> Mapping[Kind, int]:
        """When the newest packet of each stream arrived (CLOCK_MONOTONIC, ns), taken by now or not."""
        return dict(self._heard)

    def next_events(self, timeout_s: float) -> list[Event]:
        """What happened since the last call, in order; where nothing did, what does within `timeout_s`, if anything."""
        with self._changed:
            self._changed.wait_for(lambda: self._events, timeout_s)
            events = list(self._events)
            self._events.clear()
            self._bytes = 0
            self._changed.notify_all()
            return events

    def close(self, patience_s: float) -> bool:
        """Stop reading and close the feed; False when libav did not come back in time (the thread is left behind)."""
        self._stopping.set()
        self._thread.join(patience_s)
        if self._thread.is_alive():
            return False
        if self._feed is not None:
            self._feed.close()
        return True

    def abandon(self) -> None:
        """Close the feed whenever libav comes back; nobody waits for it."""
        self._stopping.set()
        threading.Thread(target=self.close, args=(_ABANDONED_S,), name="closer", daemon=True).start()

    def _put(self, event: Event) -> None:
        if isinstance(event, FeedPacket):
            self._heard[event.kind] = time.monotonic_ns()
        with self._changed:
            while self._bytes > self._most_bytes and not self._stopping.is_set():
                self._changed.wait(_POLL_S)
                self._still_heard()
            self._events.append(event)
            self._bytes += _size(event)
            if len(self._events) == 1:
                self._changed.notify_all()

    def _still_heard(self) -> None:
        """While this thread waits for room, it is not the feed that is silent."""
        for kind in self._heard:
            self._heard[kind] = time.monotonic_ns()

    def _run(self) -> None:
        try:
            self._feed = self._open_feed()
            self._put(Opened(self._feed))
            for packet in self._feed.packets():
                self._put(packet)
                if self._stopping.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - raised again by the recording thread, which reads the event
            self._put(Ended(error))
        else:
            self._put(Ended())


def _size(event: Event) -> int:
    return event.coded.size if isinstance(event, FeedPacket) else 0
