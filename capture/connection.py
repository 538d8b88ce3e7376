"""One life of a feed: opened, recorded, ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import FrameType

from capture.background_sync import BackgroundSync
from capture.disk import Disk
from capture.feeds import open_feed
from capture.intake import FileIntake, Intake, LiveIntake
from capture.losses import loss_code
from capture.pre_roll import PreRoll
from capture.presence import Presence
from capture.reader import BATCH_S, LIVE_BYTES, Ended, Event, Opened, Reader
from capture.recorder import Recorder
from capture.space import SpaceWatch
from capture.spare import Spare
from lesson.errors import MediaError, UnusableMediaError
from lesson.folder import LessonFolder
from lesson.journal import JournalReader
from lesson.loss import Loss
from lesson.model import Kind, SourceSpec
from lesson.records import Stop
from lesson.time import NANOSECONDS_PER_SECOND
from media.feeds.packets import Feed, FeedPacket
from process.beat import beat

POLL_S = 0.2
OPEN_PATIENCE_S = 20.0
"""Opening takes a second or two; RTSP has its own time-outs below this. Beyond it a driver hangs."""
IMPORT_BYTES = 8_000_000
"""What an import holds in memory before it reads on."""
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
    code: str = Loss.UNKNOWN


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
    """One life of a feed. Reading begins at once; what comes waits until `run` is called."""

    def __init__(self, spec: SourceSpec) -> None:
        self._spec = spec
        self._most_bytes = IMPORT_BYTES if spec.imported else LIVE_BYTES
        self._reader = self._read()
        self._spare = Spare(self._read)
        self._deadline = time.monotonic() + OPEN_PATIENCE_S
        self._began: float | None = None
        self._feed: Feed | None = None
        self._intake: Intake | None = None
        self._pre_roll = PreRoll()
        self._held: list[Event] = []
        self._watch: Presence | None = None

    def _read(self) -> Reader:
        return Reader(lambda: open_feed(self._spec, os.environ), self._most_bytes)

    @property
    def heard(self) -> Mapping[Kind, int]:
        """When the newest packet of each stream arrived (CLOCK_MONOTONIC, ns)."""
        return self._reader.heard

    @property
    def delivered_s(self) -> float:
        """For how long packets came."""
        return time.monotonic() - self._began if self._began else 0.0

    def close(self) -> bool:
        """Close the feed, after the recorder is done with it; False when libav hangs in it."""
        self._spare.close()
        return self._reader.close(CLOSE_PATIENCE_S)

    def hold(self) -> Outcome | None:
        """Before `run`: take what came, and keep the newest of it in memory; how it ended, if the feed is lost.

        Raises `ClassreelError` where trying again soon does not help.
        """
        for event in self._reader.next_events(0):
            if isinstance(event, Ended):
                return self._ended(event.error)
            if isinstance(event, Opened):
                self._feed = event.feed
                self._watch = Presence(event.feed.expected, event.feed.stall_s, time.monotonic_ns())
            else:
                self._began = self._began or time.monotonic()
                self._pre_roll.add(event)
        if self._feed is None:
            return self._unanswered()
        lost = self._watch.look(self._reader.heard, time.monotonic_ns()) if self._watch else None
        return Outcome(Ending.LOST, lost, Loss.STALLED) if isinstance(lost, str) else None

    def unheard_s(self, kind: Kind) -> float:
        """For how long nothing has come of a stream that the feed announced; 0 for one that it did not."""
        if self._feed is None or self._began is None or kind not in self._feed.expected:
            return 0.0
        heard_ns: int = self._reader.heard.get(kind, 0)
        return time.monotonic() - max(heard_ns / NANOSECONDS_PER_SECOND, self._began)

    def usable(self, kind: Kind) -> bool:
        """Whether a lesson could begin with what is held of this kind."""
        return self._pre_roll.usable(kind)

    def newest(self, least_s: float) -> tuple[Feed, list[FeedPacket]] | None:
        """What is held of the last so many seconds, to be looked at; None while the feed is not there."""
        return None if self._feed is None else (self._feed, self._pre_roll.newest(least_s))

    def begin_at(self, at_ns: int) -> None:
        """What `run` records begins here (CLOCK_MONOTONIC), as far as it is still held."""
        if self._feed is not None:
            self._held = [Opened(self._feed), *self._pre_roll.since(at_ns)]
            self._pre_roll.clear()

    def run(
        self, recorder: Recorder, wishes: Wishes, disk: Disk, sync: BackgroundSync, space: SpaceWatch | None = None
    ) -> Outcome:
        """Record until the feed or the lesson ends, or the disk's last `space` is for other sources (None: never).

        Raises `ClassreelError` where trying again does not help.
        """
        outcome: Outcome | None = None
        while outcome is None:
            beat()
            sync.check()
            disk.check()
            wish = wishes.ending()
            if wish:
                self._drain(recorder)
                outcome = Outcome(wish)
            else:
                outcome = self._step(recorder) or self._silence() or self._backlog(disk) or _short(space)
                self._look_for_what_is_away()
        if self._intake is not None:
            self._intake.end()
        return outcome

    def _step(self, recorder: Recorder) -> Outcome | None:
        """Take what happened, if anything does soon."""
        if self._intake is not None and not self._spec.imported:
            time.sleep(BATCH_S)
        for event in self._next_events(POLL_S):
            if isinstance(event, Ended):
                return self._ended(event.error)
            self._take(event, recorder)
        return None

    def _next_events(self, timeout_s: float) -> list[Event]:
        """What was held until now, or else what comes."""
        held, self._held = self._held, []
        return held or self._reader.next_events(timeout_s)

    def _take(self, event: Opened | FeedPacket, recorder: Recorder) -> None:
        if isinstance(event, Opened):
            self._feed = event.feed
            intake = FileIntake if self._spec.imported else LiveIntake
            self._intake = intake(self._spec, event.feed, recorder)
        elif self._intake is not None:
            self._began = self._began or time.monotonic()
            self._intake.take(event)

    def _drain(self, recorder: Recorder) -> None:
        """Record what had arrived when the wish to end was noticed."""
        if not self._spec.imported:
            for event in [*self._next_events(0), *self._reader.next_events(0)]:
                if not isinstance(event, Ended):
                    self._take(event, recorder)

    def _ended(self, error: BaseException | None) -> Outcome:
        if error is None:
            by_itself = self._feed is not None and self._feed.stall_s is None
            return Outcome(Ending.END_OF_FILE if by_itself else Ending.LOST, "feed ended", Loss.ENDED)
        if not isinstance(error, MediaError) or isinstance(error, UnusableMediaError):
            raise error
        return Outcome(Ending.LOST, str(error), loss_code(error))

    def _silence(self) -> Outcome | None:
        if self._intake is None:
            return self._unanswered()
        silence = self._intake.look(self._reader.heard)
        return Outcome(Ending.LOST, silence, Loss.STALLED) if silence else None

    def _unanswered(self) -> Outcome | None:
        late = time.monotonic() > self._deadline
        return Outcome(Ending.LOST, "does not answer", Loss.NO_SIGNAL) if late else None

    def _look_for_what_is_away(self) -> None:
        """Let a second connection take over from this one, if it has streams that this one lacks."""
        if self._intake is None:
            return
        found = self._spare.look(self._intake.away, time.monotonic(), at_once=self._intake.unknown)
        if found is not None:
            self._intake.end()
            self._reader.abandon()
            self._reader, self._intake = found, None
            self._deadline = time.monotonic() + OPEN_PATIENCE_S

    def _backlog(self, disk: Disk) -> Outcome | None:
        """What the disk does not take must wait: a file is read no further, a camera cannot be told to."""
        if disk.waiting_bytes <= self._most_bytes:
            return None
        if not self._spec.imported:
            return Outcome(Ending.LOST, f"the disk has {disk.waiting_bytes >> 20} MB to write", Loss.DISK)
        while disk.waiting_bytes > self._most_bytes // 2:
            beat()
            disk.check()
            time.sleep(0.01)
        return None


def _short(space: SpaceWatch | None) -> Outcome | None:
    """What was recorded until now is kept; from now on the disk is left to others."""
    if space is None or not space.rests(goes_on=True):
        return None
    return Outcome(Ending.LOST, space.words, space.code)
