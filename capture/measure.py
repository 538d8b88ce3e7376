"""Looking at a recorded segment: decoded again from the disk, so that what is said of it is true of what was kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
from lesson.signal_record_types import PictureLevels, SoundLevels
from media.decode.pictures import Picture, pictures
from media.decode.sound import sound
from media.picture import Plane


@dataclass(slots=True)
class Measurer:
    """Measures the segments of one source, in their order; remembers the picture of the one before."""

    role: Role
    _epoch: int = -1
    _shown: Plane | None = None

    def measure(self, path: Path, segment: SegmentRecord) -> SegmentMeasured:
        """What a segment shows and sounds like; a file that cannot be decoded gives a `problem`."""
        picture: PictureLevels | None = None
        heard: SoundLevels | None = None
        problem: str | None = None
        try:
            picture = self._picture(path, segment) if segment.range(Kind.VIDEO) else None
            heard = _sound(path) if segment.range(Kind.AUDIO) else None
        except MediaError as error:
            problem = str(error)
        flaws = (picture_flaws(picture, self.role) if picture else ()) + (sound_flaws(heard) if heard else ())
        return SegmentMeasured(
            source=segment.source, epoch=segment.epoch, seq=segment.seq, picture=picture, sound=heard,
            flaws=tuple(flaw.value for flaw in flaws), problem=problem,
        )  # fmt: skip

    def _picture(self, path: Path, segment: SegmentRecord) -> PictureLevels | None:
        """Of its first key frame: the others, where there are any, would cost more and tell no more."""
        first = next(pictures([path], keys_only=True), None)
        if first is None:
            return None
        before = self._shown if self._epoch == segment.epoch else None
        self._epoch, self._shown = segment.epoch, _copy(first, CHANGE_SIZE)
        same_size = before is not None and before.shape == self._shown.shape
        change = picture_change(before, self._shown) if before is not None and same_size else None
        return picture_levels(_copy(first, LEVELS_SIZE), change)


def _copy(picture: Picture, size: tuple[int, int]) -> Plane:
    """Luma at a size; a decoder's buffer is not kept."""
    return np.array(picture.gray(*size))


def _sound(path: Path) -> SoundLevels | None:
    blocks = [block.pcm for block in sound([path])]
    return sound_levels(np.concatenate(blocks).astype(np.float32)) if blocks else None
