"""Fragmented MP4 (CMAF) by the byte: media segments from coded samples, and reading boxes back.

Every time is in `Ticks`: all tracks have the timescale 48 000, so that `tfdt` is the lesson clock itself and nothing
is ever rounded. Box layouts: ISO/IEC 14496-12; AVC samples: ISO/IEC 14496-15; codec strings: RFC 6381.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lesson.errors import IntegrityError
from lesson.time import TICKS_PER_SECOND, Ticks

TIMESCALE = TICKS_PER_SECOND

_TRACK_ID = 1
_SYNC_SAMPLE = 0x02000000  # sample_depends_on = 2: on no other sample
_DELTA_SAMPLE = 0x01010000  # depends on others, is no sync sample
_DEFAULT_BASE_IS_MOOF = 0x020000
_DEFAULT_DURATION = 0x000008
_DEFAULT_FLAGS = 0x000020
_TRUN_DATA_OFFSET = 0x000001
_TRUN_FIRST_FLAGS = 0x000004
_TRUN_DURATION = 0x000100
_TRUN_SIZE = 0x000200
_TRUN_OFFSET = 0x000800


MEDIA_START: Ticks = 48_000
"""Time stamp of lesson tick 0 in every track.

Pictures are decoded before they are shown, and decode times cannot be negative. Signed composition offsets would do
without this start, but libav's demuxer takes them for a late first picture: 320 ms against the voice at 6.25 fps.
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One coded frame, in decoding order.

    `data`: as the sample entry wants it (AVC: NAL units with 4-byte lengths). `offset`: presentation minus decoding
    time. `key`: decoding may start here.
    """

    data: bytes
    duration: Ticks
    offset: Ticks = 0
    key: bool = True


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of `parts`."""
    size = 8 + sum(len(part) for part in parts)
    return struct.pack(">I4s", size, kind) + b"".join(parts)


def _full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def media_segment(samples: Sequence[Sample], *, sequence: int, decode_time: Ticks) -> bytes:
    """One `moof` + `mdat` of a single track: a CMAF chunk that starts decoding at `decode_time`.

    Only the first sample may be a key sample among others that are not (one closed GOP), or all are (audio).

    Raises:
        ValueError: there are no samples, or key samples where the two forms above have none.
    """
    if not samples:
        raise ValueError("a media segment needs samples")
    all_key = all(sample.key for sample in samples)
    if not all_key and (not samples[0].key or any(sample.key for sample in samples[1:])):
        raise ValueError("a media segment is one closed GOP, or all key samples")
    duration = samples[0].duration
    flags = _TRUN_DATA_OFFSET | _TRUN_SIZE
    if not all_key:
        flags |= _TRUN_FIRST_FLAGS
    if any(sample.duration != duration for sample in samples):
        flags |= _TRUN_DURATION
    if any(sample.offset for sample in samples):
        flags |= _TRUN_OFFSET
    head_size = len(_moof(samples, flags, sequence, decode_time, 0))
    moof = _moof(samples, flags, sequence, decode_time, head_size + 8)
    return moof + box(b"mdat", *(sample.data for sample in samples))


def overhead(samples: int) -> int:
    """Bytes that a media segment of so many pictures adds to their own."""
    return _OVERHEAD + _OVERHEAD_PER_PICTURE * samples


_OVERHEAD = 8 + 16 + 8 + 24 + 20 + 24 + 8  # moof, mfhd, traf, tfhd, tfdt, trun, mdat
_OVERHEAD_PER_PICTURE = 4 + 4  # size and offset


def _moof(samples: Sequence[Sample], flags: int, sequence: int, decode_time: Ticks, data_offset: int) -> bytes:
    all_key = not flags & _TRUN_FIRST_FLAGS
    tfhd = _full_box(
        b"tfhd",
        0,
        _DEFAULT_BASE_IS_MOOF | _DEFAULT_DURATION | _DEFAULT_FLAGS,
        struct.pack(">III", _TRACK_ID, samples[0].duration, _SYNC_SAMPLE if all_key else _DELTA_SAMPLE),
    )
    tfdt = _full_box(b"tfdt", 1, 0, struct.pack(">Q", decode_time))
    fields = [struct.pack(">Ii", len(samples), data_offset)]
    if not all_key:
        fields.append(struct.pack(">I", _SYNC_SAMPLE))
    for sample in samples:
        if flags & _TRUN_DURATION:
            fields.append(struct.pack(">I", sample.duration))
        fields.append(struct.pack(">I", len(sample.data)))
        if flags & _TRUN_OFFSET:
            fields.append(struct.pack(">i", sample.offset))
    trun = _full_box(b"trun", 1, flags, *fields)  # version 1: offsets are signed
    return box(b"moof", _full_box(b"mfhd", 0, 0, struct.pack(">I", sequence)), box(b"traf", tfhd, tfdt, trun))


def avc_sample(annex_b: bytes) -> bytes:
    """An access unit with start codes as one with 4-byte lengths, without parameter sets and SEI.

    The parameter sets are in the sample entry; x264's SEI names its version and settings in some 700 bytes, which
    each chunk would carry anew (1.5 kbit/s of a 64 kbit/s line). Layout: ITU-T H.264 annex B.
    """
    parts: list[bytes] = []
    for unit in _nal_units(annex_b):
        if unit[0] & 0x1F not in _NOT_IN_SAMPLES:
            parts += [struct.pack(">I", len(unit)), unit]
    return b"".join(parts)


_NOT_IN_SAMPLES = frozenset({6, 7, 8, 9})  # SEI, SPS, PPS, access unit delimiter
_START_CODE = b"\x00\x00\x01"


def _nal_units(annex_b: bytes) -> Iterator[bytes]:
    at = annex_b.find(_START_CODE)
    while at >= 0:
        start = at + len(_START_CODE)
        at = annex_b.find(_START_CODE, start)
        unit = annex_b[start : at if at >= 0 else len(annex_b)].rstrip(b"\x00")  # 4-byte start codes, trailing zeros
        if unit:
            yield unit


@dataclass(frozen=True, slots=True)
class Mp4Box:
    """A box as found: `body` is what follows its size and kind."""

    kind: bytes
    body: bytes


def boxes(data: bytes) -> Iterator[Mp4Box]:
    """The boxes that lie one after the other in `data`. Raises `IntegrityError` when they do not add up."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at) if at + 8 <= len(data) else (0, b"")
        if size < 8 or at + size > len(data):
            raise IntegrityError(f"not an MP4 box at byte {at} of {len(data)}")
        yield Mp4Box(kind, data[at + 8 : at + size])
        at += size


def find_box(data: bytes, *path: bytes) -> Mp4Box:
    """The first box at `path`, such as `moov trak mdia`. Raises `IntegrityError` when there is none."""
    for found in boxes(data):
        if found.kind == path[0]:
            return found if len(path) == 1 else find_box(found.body, *path[1:])
    raise IntegrityError(f"no MP4 box {path[0].decode('ascii', 'replace')}")


def codecs(init: bytes) -> str:
    """The RFC 6381 name of the only track of an initialisation segment: `avc1.64001f`, `mp4a.40.2`.

    Raises `IntegrityError` for any other kind of sample entry.
    """
    table = find_box(init, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd").body
    entry = next(boxes(table[8:]))
    if entry.kind == b"avc1":
        configuration = find_box(entry.body[78:], b"avcC").body
        return "avc1." + configuration[1:4].hex()
    if entry.kind == b"mp4a":
        return f"mp4a.40.{_audio_object_type(find_box(entry.body[28:], b'esds').body[4:])}"
    raise IntegrityError(f"no codec string is known for {entry.kind!r}")


def _audio_object_type(descriptors: bytes) -> int:
    """The MPEG-4 audio object type in an elementary stream descriptor (ISO/IEC 14496-1, 7.2.6)."""
    at = 0
    skip = {0x03: 3, 0x04: 13}  # fixed fields before the nested descriptor
    while at < len(descriptors):
        tag = descriptors[at]
        at += 1
        while descriptors[at] & 0x80:
            at += 1
        at += 1
        if tag == 0x05:
            return descriptors[at] >> 3
        at += skip.get(tag, 0)
    raise IntegrityError("an audio track without its decoder configuration")
