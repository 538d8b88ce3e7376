"""`python -m capture.standby SOURCE ORDERS LOOKS`: keep a feed open between lessons, and record it when one begins.

Nothing is written before the conductor names a lesson in the `ORDERS` (`process.bulletin`), which live in memory: the
lesson so begins with the press, however long a camera takes to wake up. From then on this process is the one that
records the source (docs/adr/0027-standby.md). What the source is like meanwhile stands in the `LOOKS`, in memory, too;
a picture only for a minute after somebody asked for it (docs/adr/0028-tested-before-the-lesson.md).
"""

from __future__ import annotations

import argparse
import os
import time
from contextlib import closing
from pathlib import Path

import structlog

from capture.connection import Connection, Ending, Outcome
from capture.losses import loss_code
from capture.orders import Order, asked_in, orders_in
from capture.session import record_source
from capture.settings import SourceSettings
from capture.standing_look import StandingLook
from lesson.errors import ClassreelError
from lesson.folder import LessonFolder
from lesson.look import Look, look_lines
from lesson.loss import Loss
from lesson.model import Kind, Role, SourceSpec
from lesson.signal import FLAW_WORDS, Flaw
from lesson.time import NANOSECONDS_PER_SECOND
from process.backoff import Backoff
from process.beat import beat, complain, recovered
from process.bulletin import BulletinReader, BulletinWriter
from process.job import PYTHON
from process.launcher import log_output
from process.logs import configure_logging
from process.stage import EXIT_RETRY, run_stage_and_exit
from process.title import show_command

POLL_S = 0.25
PATIENCE_S = 6.0
"""A feed that has not delivered for so long is said to be away: it takes a camera some seconds to wake up."""
KEY_PATIENCE_S = 15.0
"""So long a camera may take to its first key frame: some send one every 12 s (capture/presence.py)."""
LOOK_AT_S = 4.0
"""As long as a segment, by which the bounds of what is wrong were found."""

_STDOUT, _STDERR = 1, 2

_log = structlog.get_logger()


class StandingBy:
    """One feed, opened again whenever it is lost, until there is an order."""

    def __init__(self, spec: SourceSpec, orders: BulletinReader, looks: BulletinWriter) -> None:
        self._spec = spec
        self._orders = orders
        self._looks = looks
        self._backoff = Backoff(longest_s=5.0, held_s=30.0)
        self._kind = Kind.AUDIO if spec.role is Role.MIC else Kind.VIDEO
        self._delivered = time.monotonic()
        self._why, self._code = "delivers nothing", ""
        self._complained: str | None = None
        self._look = StandingLook(spec.role, time.monotonic())
        self._flaws: frozenset[Flaw] = frozenset()
        self._voiceless = False

    def wait(self) -> tuple[Order, Connection | None]:
        """The order, and the connection that holds what the lesson begins with, where the feed is there."""
        while True:
            connection = Connection(self._spec)
            try:
                order = self._hold(connection)
            except BaseException:
                connection.close()
                raise
            if order is not None:
                return order, connection
            if not connection.close():
                raise SystemExit(EXIT_RETRY)  # libav hangs: only a new process can help
            waited = self._code == Loss.NOT_SENT  # which is pause enough
            order = self._rest(0 if waited else self._backoff.pause_s(connection.delivered_s))
            if order is not None:
                return order, None

    def _hold(self, connection: Connection) -> Order | None:
        """Hold what comes until there is an order (None: until the feed is lost)."""
        while (order := self._order()) is None:
            try:
                lost = connection.hold()
            except ClassreelError as error:  # a credential that is missing, a file that is none
                lost = Outcome(Ending.LOST, str(error), loss_code(error))
            if lost is not None:
                self._lose(lost)
                return None
            self._look_at(connection)
            self._voiceless = connection.unheard_s(Kind.AUDIO) > PATIENCE_S and self._kind is not Kind.AUDIO
            heard_ns = connection.heard.get(self._kind, 0)
            if heard_ns and not connection.usable(self._kind):
                self._wait_for_key()
            else:
                self._say(heard_ns)
            time.sleep(POLL_S)
        connection.begin_at(order.since_ns)
        return order

    def _lose(self, lost: Outcome) -> None:
        if (lost.code, lost.reason) != (self._code, self._why) or lost.code != Loss.NOT_SENT:
            _log.warning("feed_lost", error=lost.reason)  # what nobody sends all day is no news each time
        self._code, self._why = lost.code, lost.reason
        self._look.forget(time.monotonic())
        self._voiceless = False
        self._say(0)

    def _rest(self, pause_s: float) -> Order | None:
        end = time.monotonic() + pause_s
        while (order := self._order()) is None and time.monotonic() < end:
            self._say(0)
            time.sleep(POLL_S)
        return order

    def _order(self) -> Order | None:
        beat()
        read = self._orders.read()
        lines = (read.lines or ()) if read else ()
        if asked_ns := asked_in(lines):
            self._look.ask(asked_ns / NANOSECONDS_PER_SECOND)
        return next((order for order in orders_in(lines) if order.source == self._spec.id), None)

    def _look_at(self, connection: Connection) -> None:
        """Look at what is held, where it is time for that."""
        now = time.monotonic()
        held = connection.newest(LOOK_AT_S) if self._look.due(now) else None
        if held is not None:
            self._look.look(*held, now)
        self._look.hide(now)

    def _waits(self, heard_ns: int) -> bool:
        """Whether nobody sends it, and nobody needs to."""
        return self._code == Loss.NOT_SENT and heard_ns == 0 and not self._spec.required

    def _newest_look(self, heard_ns: int) -> Look | None:
        now_ns = time.monotonic_ns()
        return Look(at_ns=now_ns, well_ns=now_ns, waits=True) if self._waits(heard_ns) else self._look.newest

    def _wait_for_key(self) -> None:
        """Pictures come, and none that a decoder could begin with; cameras send one every 12 s at the latest."""
        if self._complained is None and time.monotonic() - self._delivered > KEY_PATIENCE_S:
            self._complained = f"no key frame for {KEY_PATIENCE_S:g} s"
            complain(self._complained)

    def _say(self, heard_ns: int) -> None:
        """Complain of flaws, and of a feed (or what it is there for) that has been away for long, until it is back."""
        flaws = self._look.flaws | ({Flaw.SILENT} if self._voiceless else frozenset())
        for flaw in flaws - self._flaws:
            complain(FLAW_WORDS[flaw], about=flaw)
        for flaw in self._flaws - flaws:
            recovered(about=flaw)
        self._flaws = flaws
        self._looks.write(look_lines(self._newest_look(heard_ns)))
        now = time.monotonic()
        self._delivered = max(self._delivered, heard_ns / NANOSECONDS_PER_SECOND)
        if now - self._delivered < PATIENCE_S:
            if self._complained is not None and heard_ns:
                recovered()
                self._complained = None
            return
        if self._waits(heard_ns):
            return  # it may be sent, and need not be
        reason = self._why if heard_ns == 0 else f"no {self._kind} for {now - self._delivered:.0f} s"
        if self._complained is None or (heard_ns == 0 and reason != self._complained):
            self._complained = reason
            complain(reason)


def _become_capture(folder: LessonFolder, source: str) -> None:
    """What this process says, and what it is found by, belong to the lesson from now on."""
    name = f"capture-{source}"
    with log_output(folder.log_path(name)) as output:
        os.dup2(output, _STDOUT)
        os.dup2(output, _STDERR)
    configure_logging(name)
    show_command((*PYTHON, "-m", "capture", str(folder.path), source))


def stand_by(spec: SourceSpec, orders: BulletinReader, looks: BulletinWriter) -> None:
    """Stand by, then record the lesson that is named; as `capture.session.record_source`."""
    with closing(looks):
        order, connection = StandingBy(spec, orders, looks).wait()
        looks.write(())
    folder = LessonFolder(Path(order.lesson))
    for about in ("", *Flaw):
        recovered(about=about)
    _become_capture(folder, spec.id)
    record_source(folder, spec.id, connection)


def main() -> None:
    """The process body; ends the process."""
    parser = argparse.ArgumentParser(prog="python -m capture.standby", description="Keep a feed open for a lesson.")
    parser.add_argument("source", type=SourceSettings.parse, help="the source, as JSON")
    parser.add_argument("orders", type=Path, help="where the conductor names the lesson")
    parser.add_argument("looks", type=Path, help="where this process says what the source is like")
    arguments = parser.parse_args()
    spec: SourceSpec = arguments.source.spec()

    def work() -> None:
        stand_by(spec, BulletinReader(arguments.orders), BulletinWriter(arguments.looks))

    run_stage_and_exit(f"standby-{spec.id}", work)


if __name__ == "__main__":
    main()
