"""One life of a feed: opened, settled, recorded, ended."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from enum import Enum, auto
from types import FrameType

from capture.background_sync import BackgroundSync
from capture.feeds import open_feed
from capture.reader import Ended, Opened, Reader
from capture.recorder import Recorder
from capture.rules import Settling, StallWatch
from lesson.errors import MediaError, UnusableMediaError
from lesson.folder import LessonFolder
from lesson.journal import JournalReader
from lesson.model import SourceSpec
from lesson.records import Stop
from media.packets import Feed, FeedPacket

POLL_S = 0.2
OPEN_PATIENCE_S = 20.0
"""Opening takes a second or two; RTSP has its own time-outs below this. Beyond it a driver hangs."""
SETTLE_S = 3.0
"""An announced stream that gives nothing for so long, while another does, is taken as switched off."""
CLOSE_PATIENCE_S = 6.0
"""How long libav may need to come back from a read before it counts as hung; above its network time-out."""


class Ending(Enum):
    """Why a connection to a feed is over."""

    STOPPED = auto()
    TERMINATED = auto()
    END_OF_FILE = auto()
    LOST = auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one connection went."""

    ending: Ending
    reason: str = ""


class Wishes:
    """What others want of this process: Stop in the control journal (imports end by themselves), SIGTERM."""

    def __init__(self, folder: LessonFolder, *, may_stop: bool) -> None:
        self._may_stop = may_stop
        self._control = JournalReader(folder.control_journal)
        self._stopped = False
        self._terminated = False
        self._next_look = 0.0

    def listen(self) -> None:
        """From now on SIGTERM is remembered instead of raised: a segment is never ended half-way."""
        signal.signal(signal.SIGTERM, self._remember)

    def _remember(self, _signum: int, _frame: FrameType | None) -> None:
        self._terminated = True

    def ending(self) -> Ending | None:
        """What is wished for, if anything; the journal is looked at each `POLL_S`."""
        if self._terminated:
            return Ending.TERMINATED
        if self._may_stop and not self._stopped and time.monotonic() >= self._next_look:
            self._stopped = any(isinstance(record, Stop) for record in self._control.poll())
            self._next_look = time.monotonic() + POLL_S
        return Ending.STOPPED if self._stopped else None


class Connection:
    """One life of a feed: opened, settled, recorded, ended."""

    def __init__(self, spec: SourceSpec, recorder: Recorder, wishes: Wishes, sync: BackgroundSync) -> None:
        self._spec = spec
        self._recorder = recorder
        self._wishes = wishes
        self._sync = sync
        self._reader = Reader(lambda: open_feed(spec, os.environ))
        self._began: float | None = None
        self._watch: StallWatch | None = None
        self._settling: Settling | None = None
        self._feed: Feed | None = None

    @property
    def delivered_s(self) -> float:
        """For how long packets came."""
        return time.monotonic() - self._began if self._began else 0.0

    def close(self) -> bool:
        """Close the feed, after the recorder is done with it; False when libav hangs in it."""
        return self._reader.close(CLOSE_PATIENCE_S)

    def run(self) -> Outcome:
        """Record until the feed or the lesson ends. Raises `ClassreelError` where trying again does not help."""
        deadline = time.monotonic() + OPEN_PATIENCE_S
        while True:
            wish = self._wishes.ending()
            if wish:
                self._drain()
                return Outcome(wish)
            self._sync.check()
            event = self._reader.next_event(POLL_S)
            match event:
                case Opened():
                    self._opened(event.feed)
                case FeedPacket():
                    self._packet(event)
                case Ended():
                    return self._ended(event.error)
            silence = self._silence(deadline)
            if silence:
                return Outcome(Ending.LOST, silence)

    def _drain(self) -> None:
        """Record what had arrived when the wish to end was noticed."""
        if not self._spec.imported:
            while isinstance(event := self._reader.next_event(0), FeedPacket):
                self._packet(event)

    def _opened(self, feed: Feed) -> None:
        self._feed = feed
        self._watch = StallWatch(set(feed.tracks), time.monotonic_ns(), feed.stall_s)
        if feed.settle:
            self._settling = Settling(set(feed.tracks), SETTLE_S)
        else:
            self._recorder.start_epoch(feed.tracks, feed.origin)

    def _packet(self, packet: FeedPacket) -> None:
        assert self._watch is not None  # noqa: S101 - opened before its first packet
        self._watch.heard(packet)
        self._began = self._began or time.monotonic()
        if self._settling is None:
            self._recorder.write(packet)
        elif self._settling.add(packet):
            self._settled()

    def _settled(self) -> None:
        assert self._settling is not None and self._feed is not None and self._watch is not None  # noqa: S101, PT018
        kinds, packets = self._settling.result()
        self._settling = None
        self._watch.only(kinds)
        self._recorder.start_epoch({k: t for k, t in self._feed.tracks.items() if k in kinds}, self._feed.origin)
        for packet in packets:
            self._recorder.write(packet)

    def _ended(self, error: BaseException | None) -> Outcome:
        if self._feed is not None:
            self._recorder.account(self._feed.announced)
        if error is None:
            return Outcome(
                Ending.END_OF_FILE if self._feed and self._feed.stall_s is None else Ending.LOST, "feed ended"
            )
        if not isinstance(error, MediaError) or isinstance(error, UnusableMediaError):
            raise error
        return Outcome(Ending.LOST, str(error))

    def _silence(self, open_deadline: float) -> str | None:
        if self._watch is None:
            return "does not answer" if time.monotonic() > open_deadline else None
        return self._watch.stalled(time.monotonic_ns())
