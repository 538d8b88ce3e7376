"""The thread that reads a feed: libav may block in it as long as it likes, the recorder never does."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from media.packets import Feed, FeedPacket

_QUEUE_PACKETS = 1_000
"""Some 15 s of a camera with sound: a slow disk is waited for, and an import cannot fill the memory."""
_POLL_S = 0.2


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
    """Opens a feed and reads it in a thread of its own; `next_event` gives what happened, in order."""

    def __init__(self, open_feed: Callable[[], Feed]) -> None:
        self._open_feed = open_feed
        self._events: queue.Queue[Event] = queue.Queue(_QUEUE_PACKETS)
        self._stopping = threading.Event()
        self._feed: Feed | None = None
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._thread.start()

    def next_event(self, timeout_s: float) -> Event | None:
        """The next event, or None if there was none in time."""
        try:
            return self._events.get(timeout=timeout_s) if timeout_s > 0 else self._events.get_nowait()
        except queue.Empty:
            return None

    def close(self, patience_s: float) -> bool:
        """Stop reading and close the feed; False when libav did not come back in time (the thread is left behind)."""
        self._stopping.set()
        self._thread.join(patience_s)
        if self._thread.is_alive():
            return False
        if self._feed is not None:
            self._feed.close()
        return True

    def _put(self, event: Event) -> None:
        while not self._stopping.is_set():
            try:
                self._events.put(event, timeout=_POLL_S)
            except queue.Full:
                continue
            return

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
