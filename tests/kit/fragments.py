"""Media segments read back, by the standard and not by our writer: ISO/IEC 14496-12, `moof` and `mdat` of one track."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lesson.errors import IntegrityError
from lesson.time import Ticks
from media.output.fmp4 import Sample, find_box

_FIRST_FLAGS, _DURATION, _SIZE, _FLAGS, _OFFSET = 0x000004, 0x000100, 0x000200, 0x000400, 0x000800  # in `trun`
_IS_NO_SYNC_SAMPLE = 0x00010000


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a media segment says about itself; its samples in decoding order."""

    sequence: int
    decode_time: Ticks
    samples: tuple[Sample, ...]

    @property
    def duration(self) -> Ticks:
        return sum(sample.duration for sample in self.samples)


def read_segment(data: bytes) -> Fragment:
    """The one fragment of a media segment. Raises `IntegrityError`."""
    moof = find_box(data, b"moof").body
    mdat = find_box(data, b"mdat").body
    try:
        (sequence,) = struct.unpack_from(">I", find_box(moof, b"mfhd").body, 4)
        (decode_time,) = struct.unpack_from(">Q", find_box(moof, b"traf", b"tfdt").body, 4)
        _, _, duration, default_flags = struct.unpack_from(">IIII", find_box(moof, b"traf", b"tfhd").body)
        samples = _read_run(find_box(moof, b"traf", b"trun").body, mdat, duration, default_flags)
    except struct.error as error:
        raise IntegrityError("a truncated MP4 fragment") from error
    return Fragment(sequence, decode_time, tuple(samples))


def _read_run(trun: bytes, mdat: bytes, duration: Ticks, default_flags: int) -> Iterator[Sample]:
    head, count, _ = struct.unpack_from(">IIi", trun)
    flags, at, start = head & 0xFFFFFF, 12, 0
    assert flags & _SIZE
    assert not flags & _FLAGS, "flags of each sample: nothing of ours needs them"
    sample_flags = default_flags
    if flags & _FIRST_FLAGS:
        (sample_flags,) = struct.unpack_from(">I", trun, at)
        at += 4
    fields = ">" + "I" * bool(flags & _DURATION) + "I" + "i" * bool(flags & _OFFSET)
    for _ in range(count):
        values = list(struct.unpack_from(fields, trun, at))
        at += struct.calcsize(fields)
        length = values.pop(0) if flags & _DURATION else duration
        size = values.pop(0)
        key = not sample_flags & _IS_NO_SYNC_SAMPLE
        yield Sample(mdat[start : start + size], length, values[0] if values else 0, key)
        start += size
        sample_flags = default_flags
