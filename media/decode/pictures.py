"""Pictures of segment files, normalised: upright, square pixels, progressive, 8-bit limited-range 4:2:0, even size."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from lesson.model import Kind
from lesson.time import Ticks
from media.decode.account import DecodingAccount
from media.decode.chain import Chain, Decoded
from media.decode.deinterlace import Deinterlacer
from media.decode.orientation import UPRIGHT, Orientation, orientation_of
from media.errors import media_errors
from media.picture import Plane, Yuv, resized

_HD_HEIGHT = 720  # pictures without a stated matrix are BT.709 from here on, BT.601 below, as players take them
# AVCOL_SPC_ (ITU-T H.273 matrix coefficients) that swscale knows: BT.709, FCC, BT.601 twice, SMPTE 240M, BT.2020
_KNOWN_MATRICES = frozenset({1, 4, 5, 6, 7, 9})
_SANE_ASPECT = Fraction(8)


class _Scalers:
    """One swscale context per kind of output, kept from picture to picture."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int, str], VideoReformatter] = {}

    def get(self, width: int, height: int, layout: str) -> VideoReformatter:
        return self._made.setdefault((width, height, layout), VideoReformatter())


class Picture:
    """One decoded frame. `at`: source ticks; `width`×`height`: its natural size, upright, square pixels, even."""

    __slots__ = ("_frame", "_orientation", "_scalers", "at", "height", "width")

    def __init__(
        self, at: Ticks, frame: VideoFrame, aspect: Fraction, orientation: Orientation, scalers: _Scalers
    ) -> None:
        self.at = at
        self._frame = frame
        self._orientation = orientation
        self._scalers = scalers
        width, height = _natural_size(frame, aspect)
        self.width, self.height = orientation.size(width, height)

    def yuv(self, width: int, height: int) -> Yuv:
        """The whole picture at exactly this even size; planes are read-only, without a copy where none is needed.

        Plain 8-bit limited-range 4:2:0 keeps its matrix; what must be converted anyway comes out as BT.709.
        """
        stored = self._orientation.size(width, height)
        frame = self._frame
        if not _is_plain(frame) or (frame.width & ~1, frame.height & ~1) != stored:
            frame = self._converted(*stored, "yuv420p")
        planes = frame.planes
        half = (stored[0] // 2, stored[1] // 2)
        return Yuv(
            self._upright(_plane(planes[0], *stored)),
            self._upright(_plane(planes[1], *half)),
            self._upright(_plane(planes[2], *half)),
        )

    def gray(self, width: int, height: int) -> Plane:
        """Luma of the whole picture at this size, (height, width); 16 is black and 235 white."""
        frame = self._frame
        if not _is_plain(frame):
            return self.yuv(width + width % 2, height + height % 2).y[:height, :width]
        stored = self._orientation.size(width, height)
        return self._upright(resized(_plane(frame.planes[0], frame.width, frame.height), *stored))

    def bgr(self, width: int, height: int) -> Plane:
        """The whole picture at this size as OpenCV has it, (height, width, 3), full range."""
        stored = self._orientation.size(width, height)
        frame = self._converted(*stored, "bgr24")
        packed = _plane(frame.planes[0], stored[0] * 3, stored[1])
        return self._upright(packed.reshape(stored[1], stored[0], 3))

    def _upright(self, plane: Plane) -> Plane:
        return plane if self._orientation is UPRIGHT else self._orientation.applied(plane)

    def _converted(self, width: int, height: int, layout: str) -> VideoFrame:
        frame = self._frame
        matrix = None
        if frame.colorspace not in _KNOWN_MATRICES:
            matrix = Colorspace.ITU709 if min(frame.width, frame.height) >= _HD_HEIGHT else Colorspace.ITU601
        keep = _is_plain(frame) or layout == "bgr24"
        with media_errors("picture cannot be converted"):
            return self._scalers.get(width, height, layout).reformat(
                frame,
                width,
                height,
                layout,
                src_colorspace=matrix,
                dst_colorspace=matrix if keep else Colorspace.ITU709,
                interpolation=Interpolation.BICUBIC,
                src_color_range=ColorRange.JPEG if _is_full_range(frame) else None,
                dst_color_range=ColorRange.MPEG if layout == "yuv420p" else ColorRange.JPEG,
                threads=1,
            )


def pictures(
    paths: Sequence[Path],
    *,
    start: Ticks | None = None,
    end: Ticks | None = None,
    min_interval: Ticks = 0,
    keys_only: bool = False,
    draft: bool = False,
    account: DecodingAccount | None = None,
) -> Iterator[Picture]:
    """Pictures of consecutive segment files of one epoch, in presentation order; times strictly increase.

    The last picture at or before `start` comes first (sample and hold), then all before `end`. `min_interval`: at
    most one picture in each interval of this length; decoding goes on underneath. `keys_only`: key frames only, the
    others are not even decoded. `draft`: for measuring, not for showing; a quarter less work on H.264 and H.265, at
    the price of block edges that grow until the next key frame. `account`: is told what became of the packets. Damaged
    packets, pictures and files are skipped; files without video give nothing.

    Raises:
        MediaError: none of the files can be opened.
    """
    open_at = partial(_ordered, paths, keys_only=keys_only, draft=draft, account=account)
    with media_errors(str(paths[0]) if paths else "no files"):
        yield from _chosen(_from_key_frame(open_at, start), start, end, min_interval)


def _chosen(found: Iterator[Picture], start: Ticks | None, end: Ticks | None, min_interval: Ticks) -> Iterator[Picture]:
    """Of `found`: the picture that `start` shows, then at most one an interval before `end`."""
    held: Picture | None = None
    interval: int | None = None
    for picture in found:
        if start is not None and picture.at <= start:
            held = picture
            continue
        if held is not None:
            yield held
            interval, held = held.at // min_interval if min_interval else None, None
        if end is not None and picture.at >= end:
            return
        if min_interval:
            if picture.at // min_interval == interval:
                continue
            interval = picture.at // min_interval
        yield picture
    if held is not None:
        yield held


_Opener: TypeAlias = Callable[[Ticks | None], Generator[Picture, None, None]]


def _from_key_frame(open_at: _Opener, start: Ticks | None) -> Iterator[Picture]:
    """Pictures from the key frame before `start` on; from the very first one if an index was wrong."""
    sought = open_at(start)
    first = next(sought, None)
    if first is not None and start is not None and first.at > start:
        sought.close()
        yield from open_at(None)
        return
    if first is not None:
        yield first
        yield from sought


def _ordered(
    paths: Sequence[Path], start: Ticks | None, *, keys_only: bool, draft: bool, account: DecodingAccount | None
) -> Generator[Picture, None, None]:
    """Every sound picture; times strictly increase."""
    last: Ticks | None = None
    deinterlacer, geometry = Deinterlacer(), _Geometry()
    chain = Chain(paths, Kind.VIDEO, start=start, keys_only=keys_only, draft=draft, account=account)
    for item, at in _timed(chain):
        assert isinstance(item.frame, VideoFrame)  # noqa: S101 - a video chain gives nothing else
        geometry.learn(item, item.frame)
        for shown_at, frame in deinterlacer.push(at, item.frame):
            if last is None or shown_at > last:
                last = shown_at
                yield geometry.picture(shown_at, frame)
    for shown_at, frame in deinterlacer.drain():
        if last is None or shown_at > last:
            last = shown_at
            yield geometry.picture(shown_at, frame)


def _timed(chain: Chain) -> Iterator[tuple[Decoded, Ticks]]:
    """Frames with a time each: a missing one is a frame period after the last."""
    last: Ticks | None = None
    for item in chain:
        at = item.at
        if at is None:
            at = 0 if last is None else last + (item.decoder.period or 1)
        last = at
        yield item, at


class _Geometry:
    """What the frames of a stream say about themselves once, or in a place that costs time to look at."""

    def __init__(self) -> None:
        self._scalers = _Scalers()
        self._aspect = Fraction(1)
        self._turn: int | None = None
        self._orientation = UPRIGHT

    def learn(self, item: Decoded, frame: VideoFrame) -> None:
        aspect = item.decoder.aspect(frame)
        self._aspect = aspect if 1 / _SANE_ASPECT <= aspect <= _SANE_ASPECT else Fraction(1)
        if frame.rotation != self._turn:
            self._turn, self._orientation = frame.rotation, orientation_of(frame)

    def picture(self, at: Ticks, frame: VideoFrame) -> Picture:
        return Picture(at, frame, self._aspect, self._orientation, self._scalers)


def _natural_size(frame: VideoFrame, aspect: Fraction) -> tuple[int, int]:
    """Even size with square pixels: the shorter side is stretched, so that no detail is lost."""
    width, height = frame.width, frame.height
    if aspect > 1:
        width = round(width * aspect)
    elif aspect < 1:
        height = round(height / aspect)
    return max(2, width & ~1), max(2, height & ~1)


def _is_full_range(frame: VideoFrame) -> bool:
    return frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")


def _is_plain(frame: VideoFrame) -> bool:
    return frame.format.name == "yuv420p" and frame.color_range != ColorRange.JPEG


def _plane(plane: object, width: int, height: int) -> Plane:
    """The top left `width`×`height` bytes of a plane of a frame: a read-only view that keeps the frame alive."""
    pitch: int = plane.line_size  # type: ignore[attr-defined]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, abs(pitch))  # type: ignore[call-overload]
    view: Plane = (rows if pitch > 0 else rows[::-1])[:height, :width]
    view.flags.writeable = False
    return view
