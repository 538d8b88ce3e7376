"""Looking at a recorded segment: decoded again from the disk, so that what is said of it is true of what was kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import IO

import numpy as np

from capture.placing import Placing
from capture.signal_rules import (
    CHANGE_SIZE,
    LEVELS_SIZE,
    picture_change,
    picture_flaws,
    picture_levels,
    sound_flaws,
    sound_levels,
)
from lesson.errors import MediaError
from lesson.model import Kind, Role, SegmentRecord
from lesson.records import SegmentMeasured
from lesson.signal import Flaw
from lesson.signal_record_types import PictureLevels, SoundLevels
from lesson.time import TICKS_PER_SECOND, Ticks
from media.decode.pictures import Picture, pictures
from media.decode.sound import sound
from media.feeds.packets import FeedPacket, FeedStream
from media.feeds.segment import SegmentWriter
from media.picture import Plane

UNDECODED = "holds pictures or sound that nobody can decode"


@dataclass(frozen=True, slots=True)
class Levels:
    """What was measured of a file; None of what it does not hold, or nobody could decode."""

    picture: PictureLevels | None = None
    sound: SoundLevels | None = None

    def of(self, kind: Kind) -> PictureLevels | SoundLevels | None:
        return self.picture if kind is Kind.VIDEO else self.sound


@dataclass(slots=True)
class Measurer:
    """Measures the segments of one source, in their order; remembers the picture of the one before."""

    role: Role
    _epoch: int = -1
    _shown: Plane | None = None

    def measure(self, path: Path, segment: SegmentRecord, *, only: Kind | None = None) -> SegmentMeasured:
        """What a segment shows and sounds like, or `only` one of that; a file nobody can decode gives a `problem`."""
        kinds = {kind for kind in Kind if segment.range(kind) and only in (None, kind)}
        levels = Levels()
        flaws: tuple[Flaw, ...] = ()
        try:
            levels = self.look(path, kinds, epoch=segment.epoch)
            problem = UNDECODED if any(levels.of(kind) is None for kind in kinds) else None
            flaws = self.flaws(levels, kinds)
        except MediaError as error:
            problem = str(error)
        return SegmentMeasured(
            source=segment.source, epoch=segment.epoch, seq=segment.seq, picture=levels.picture, sound=levels.sound,
            flaws=tuple(flaw.value for flaw in flaws), problem=problem,
        )  # fmt: skip

    def look(self, path: Path, kinds: Collection[Kind], *, epoch: int = 0) -> Levels:
        """Levels of the media in a file. Raises `MediaError`."""
        return Levels(
            picture=self._picture(path, epoch) if Kind.VIDEO in kinds else None,
            sound=_sound(path) if Kind.AUDIO in kinds else None,
        )

    def flaws(self, levels: Levels, kinds: Collection[Kind]) -> tuple[Flaw, ...]:
        """What is wrong with a file of these levels that holds these kinds."""
        broken = (Flaw.UNDECODABLE,) if Kind.VIDEO in kinds and not levels.picture else ()
        seen = picture_flaws(levels.picture, self.role) if levels.picture else broken
        unheard = (Flaw.SILENT,) if Kind.AUDIO in kinds else ()  # nobody can decode it, which comes to the same
        return seen + (sound_flaws(levels.sound) if levels.sound else unheard)

    def _picture(self, path: Path, epoch: int) -> PictureLevels | None:
        """Of its first key frame: the others, where there are any, would cost more and tell no more."""
        first = next(pictures([path], keys_only=True), None)
        if first is None:
            return None
        before = self._shown if self._epoch == epoch else None
        self._epoch, self._shown = epoch, _copy(first, CHANGE_SIZE)
        same_size = before is not None and before.shape == self._shown.shape
        change = picture_change(before, self._shown) if before is not None and same_size else None
        return picture_levels(_copy(first, LEVELS_SIZE), change)


def store(path: Path, file: IO[bytes], streams: Mapping[Kind, FeedStream], packets: Iterable[FeedPacket]) -> None:
    """Write packets as a segment that can be looked at: each stream from its first key frame on, on one timeline that
    begins after 0, as recording places them; a container holds no negative times.

    Raises `MediaError`, `StorageError`, `OSError`.
    """
    began: set[Kind] = set()
    writer, placing = SegmentWriter(path, file, streams), Placing()
    for packet in (placing.place(packet).packet for packet in packets):
        began |= {packet.kind} if packet.key else set()
        if packet.kind in began & streams.keys():
            writer.write(packet)
    writer.finish()


def pictures_a_second(times: Iterable[Ticks]) -> float:
    """Of pictures with these time stamps, by the median step between them; 0 where that cannot be told."""
    steps = [b - a for a, b in pairwise(sorted(times))]
    step = median(steps) if steps else 0
    return TICKS_PER_SECOND / step if step else 0.0


def _copy(picture: Picture, size: tuple[int, int]) -> Plane:
    """Luma at a size; a decoder's buffer is not kept."""
    return np.array(picture.gray(*size))


def _sound(path: Path) -> SoundLevels | None:
    blocks = list(sound([path]))
    if not blocks:
        return None
    pcm = np.concatenate([block.pcm for block in blocks]).astype(np.float32)
    whole = len(pcm) == blocks[-1].end - blocks[0].at  # else nobody knows where in it a sample lies
    levels = sound_levels(pcm, blocks[0].at)
    return levels if whole else replace(levels, mute=())
