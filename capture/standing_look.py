"""Looking at what a feed that stands by delivers: decoded from memory, so that "Ready" is true before the press."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from capture.measure import Levels, Measurer, pictures_a_second, store
from lesson.errors import MediaError, StorageError
from lesson.look import Look
from lesson.model import Kind, Role
from lesson.signal import PATIENCE, Flaw
from lesson.time import NANOSECONDS_PER_SECOND, TICKS_PER_SECOND
from media.decode.thumbnail import thumbnail
from media.feeds.packets import Feed, FeedPacket

EVERY_S = 30.0
"""A room between lessons changes slowly, and nobody is to be called ready by a look that is older than a minute."""
AGAIN_S = 4.0
"""While something is wrong, or seems to be: whoever mends it wants to see it soon."""
LASTS_S, SELDOM_S = 60.0, 10.0
"""What has been wrong for so long (the cap on a lens overnight) is looked at so seldom."""
ASKED_S = 60.0
"""So long after somebody asked pictures are shown, and looked at as often as while something is wrong."""
PICTURE_WIDTH = 480
NOT_BETWEEN_LESSONS = frozenset({Flaw.FAINT})
"""Nobody speaks in an empty room."""

_log = structlog.get_logger()


class StandingLook:
    """Looks again and again; says a flaw once it outlasts its patience, and takes it back with the first good look."""

    def __init__(self, role: Role, now: float) -> None:
        self._measurer = Measurer(role)
        self._since: dict[Flaw, float] = {}
        self._due = now + AGAIN_S
        self._compared = False  # with an earlier picture of the same connection
        self._asked = -ASKED_S
        self.flaws: frozenset[Flaw] = frozenset()
        self.newest: Look | None = None

    def ask(self, asked: float) -> None:
        """Somebody wanted to see it at this moment (seconds, monotonic)."""
        if asked > self._asked:
            self._asked = self._due = asked

    def _shows(self, now: float) -> bool:
        return now - self._asked < ASKED_S

    def hide(self, now: float) -> None:
        """Keep no picture that nobody asked for lately."""
        if self.newest is not None and self.newest.jpeg and not self._shows(now):
            self.newest = replace(self.newest, jpeg=b"")

    def due(self, now: float) -> bool:
        """Whether it is time for a look (`now`: seconds, monotonic)."""
        return now >= self._due

    def look(self, feed: Feed, packets: Sequence[FeedPacket], now: float) -> None:
        """Look at the newest packets, from a key frame on."""
        looked = self._looked(feed, packets, now)
        if looked is None:
            self._due = now + AGAIN_S
            return
        before = self.newest.well_ns if self.newest else 0
        self.newest = replace(looked, well_ns=before if looked.flaws else looked.at_ns)
        found = [Flaw(flaw) for flaw in looked.flaws]
        self._since = {flaw: self._since.get(flaw, now) for flaw in found}
        self.flaws = frozenset(f for f, since in self._since.items() if now - since >= PATIENCE[f] / TICKS_PER_SECOND)
        longest_s = max((now - since for since in self._since.values()), default=None)
        calm, self._compared = longest_s is None and self._compared and not self._shows(now), True
        self._due = now + (EVERY_S if calm else AGAIN_S if (longest_s or 0.0) < LASTS_S else SELDOM_S)

    def forget(self, now: float) -> None:
        """The feed is gone: nothing is known of the next one."""
        self._since, self.flaws, self._due, self._compared = {}, frozenset(), now + AGAIN_S, False
        self.newest = None

    def _looked(self, feed: Feed, packets: Sequence[FeedPacket], now: float) -> Look | None:
        """What they are like; None where that cannot be told."""
        kinds = {packet.kind for packet in packets if packet.key} & feed.streams.keys()
        if not kinds or sys.platform != "linux":
            return None
        fd = os.memfd_create("classreel-look")
        try:
            path = Path(f"/proc/self/fd/{fd}")
            with os.fdopen(os.dup(fd), "wb") as file:
                store(path, file, {kind: feed.streams[kind] for kind in kinds}, _looked_at(packets))
            levels = self._measurer.look(path, kinds)
            shown = thumbnail(path, width=PICTURE_WIDTH) if self._shows(now) and levels.picture else None
        except (MediaError, StorageError, OSError) as error:
            _log.info("look_failed", error=str(error))
            return None
        finally:
            os.close(fd)
        flaws = [flaw for flaw in self._measurer.flaws(levels, kinds) if flaw not in NOT_BETWEEN_LESSONS]
        return _described(feed, packets, levels, now, flaws=tuple(flaws), jpeg=shown or b"")


def _described(
    feed: Feed, packets: Sequence[FeedPacket], levels: Levels, now: float, *, flaws: tuple[str, ...], jpeg: bytes
) -> Look:
    video = feed.streams.get(Kind.VIDEO)
    return Look(
        at_ns=round(now * NANOSECONDS_PER_SECOND),
        flaws=flaws,
        width=video.info.width if video else 0,
        height=video.info.height if video else 0,
        fps=round(pictures_a_second(packet.pts for packet in packets if packet.kind is Kind.VIDEO), 2),
        peak_db=levels.sound.peak_db if levels.sound else None,
        rms_db=levels.sound.rms_db if levels.sound else None,
        jpeg=jpeg,
    )


def _looked_at(packets: Sequence[FeedPacket]) -> Iterator[FeedPacket]:
    """All sound, and of the pictures the newest key frame: what has ended is not to be said any longer."""
    keys = [number for number, packet in enumerate(packets) if packet.kind is Kind.VIDEO and packet.key]
    for number, packet in enumerate(packets):
        if packet.kind is Kind.AUDIO or (keys and number == keys[-1]):
            yield packet
