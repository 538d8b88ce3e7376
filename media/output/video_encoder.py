"""H.264 for one chunk: pictures in, one closed GOP of CMAF samples out.

A chunk is coded by a fresh encoder with a capped constant rate factor. Nothing of one chunk depends on another, so that
chunks may be made in any order, on any machine, again after a crash, and come out the same to the byte. Restarted ABR
would lose 9 dB in the first frames of each chunk, a constant rate factor loses 1 dB.
"""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from lesson.errors import MediaError
from lesson.model import Kind, Rendition
from lesson.time import Grid, Span, Ticks
from media.errors import media_errors
from media.output.fmp4 import MEDIA_START, TIMESCALE, Sample, avc_sample, media_segment, overhead
from media.picture import Yuv

_BT709 = 1  # ITU-T H.273: primaries, transfer and matrix all have 1 for BT.709
_LIMITED_RANGE = 1
X264_PARAMS = ":".join(
    [
        "scenecut=0",  # one key frame a chunk, wherever the programme cuts
        "sync-lookahead=0",  # one thread a rung: looking ahead in another would only add latency
        "force-cfr=1",
        "aq-strength=0.5",  # at 30 kbit/s the full strength of 1 takes from moving people what it gives to flat walls
    ]
)
"""What all rungs have in common, in x264's own words."""
_BUFFER_SHARE = 0.5  # x264 gives at most half of what its buffer holds to one key frame (rate control, clip_qscale)
_MIN_REFILL = 0.25  # of maxrate: what is left for the pictures after the key frame in any case


def _fps(rendition: Rendition, grid: Grid) -> Fraction:
    return grid.fps / rendition.frame_divisor


def _configure(context: VideoCodecContext, rendition: Rendition, grid: Grid) -> None:
    fps = _fps(rendition, grid)
    context.width, context.height, context.pix_fmt = rendition.width, rendition.height, "yuv420p"
    context.framerate, context.time_base = fps, 1 / fps
    context.thread_count = rendition.threads
    context.flags |= Flags.global_header | Flags.closed_gop
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED_RANGE
    context.options = x264_options(rendition, grid)


def x264_options(rendition: Rendition, grid: Grid) -> dict[str, str]:
    """The options of libx264, as libavcodec names them, that make chunks of `rendition`.

    A chunk starts with a full buffer, so it can spend that share of the buffer which x264 gives away, and what flows
    in during the chunk: the sum is kept to `maxrate`. Much of it may go into the key frame: on slides that is worth
    20 points of VMAF against a buffer of one second at the same rate (docs/adr/0006-thin-ladder.md).
    """
    seconds = grid.chunk / TIMESCALE
    frames = -(-grid.frames_per_chunk // rendition.frame_divisor)
    spent_at_start = _BUFFER_SHARE * rendition.bufsize / seconds
    flow = rendition.maxrate - spent_at_start - overhead(frames) * 8 / seconds
    return {
        "preset": rendition.preset,
        "crf": f"{rendition.crf:g}",
        "maxrate": str(round(max(flow, rendition.maxrate * _MIN_REFILL))),
        "bufsize": str(rendition.bufsize),
        "g": str(frames),  # one GOP a chunk: the first frame is the only key frame
        "x264-params": X264_PARAMS,
    }


def video_init(rendition: Rendition, grid: Grid) -> bytes:
    """The initialisation segment that every chunk of `rendition` goes with. Raises `MediaError`."""
    buffer = io.BytesIO()
    with media_errors(f"encoder {rendition.name}"):
        options = {"movflags": "empty_moov+default_base_moof+cmaf", "use_editlist": "0", "fflags": "+bitexact"}
        container = av.open(buffer, "w", format="mp4", options={**options, "video_track_timescale": str(TIMESCALE)})
        stream = container.add_stream("libx264", rate=_fps(rendition, grid))
        _configure(stream.codec_context, rendition, grid)
        container.start_encoding()
        init = buffer.getvalue()  # the header alone: closing would add an index of no fragments
        container.close()
    return init


REORDER_FRAMES = 2
"""x264 with a B-frame pyramid decodes a picture at most two pictures before it is shown."""


class ChunkVideoEncoder:
    """Encodes the pictures of one chunk of one rendition. Not safe to share between threads.

    `pictures`: how many programme frames the chunk has; every `frame_divisor`-th of them is coded.
    """

    def __init__(self, rendition: Rendition, grid: Grid) -> None:
        if rendition.kind is not Kind.VIDEO:
            raise ValueError(f"{rendition.name} is no video rendition")
        self.rendition = rendition
        self.grid = grid
        self._frame = VideoFrame(rendition.width, rendition.height, "yuv420p")
        self._planes = [_view(self._frame, index) for index in range(3)]
        self._shown: Yuv | None = None
        self._count = 0
        self._packets: list[tuple[int, bytes, bool]] = []
        with media_errors(f"encoder {rendition.name}"):
            context = av.CodecContext.create("libx264", "w")
            _configure(context, rendition, grid)
            context.open()
        self._context = context

    @property
    def parameter_sets(self) -> bytes:
        """SPS and PPS, with start codes, that the chunk is coded with: those of the initialisation segment."""
        return self._context.extradata or b""

    def encode(self, picture: Yuv) -> None:
        """Code one more picture, of the rendition's size. Raises `MediaError`, `ValueError` for another size."""
        if picture is not self._shown:
            if picture.size != (self.rendition.width, self.rendition.height):
                raise ValueError(f"{self.rendition.name}: a picture of {picture.size}")
            for plane, values in zip(self._planes, (picture.y, picture.u, picture.v), strict=True):
                plane[...] = values
            self._shown = picture
        self._frame.pts = self._count
        self._frame.time_base = self._context.time_base
        self._count += 1
        self._take(self._frame)

    def _take(self, frame: VideoFrame | None) -> None:
        with media_errors(f"encoder {self.rendition.name}"):
            for packet in self._context.encode(frame):
                assert packet.pts is not None  # noqa: S101 - an encoder given PTS gives PTS
                self._packets.append((packet.pts, bytes(packet), packet.is_keyframe))

    def finish(self, index: int, span: Span) -> bytes:
        """The chunk as a media segment: `index` on the grid, covering `span` of the lesson exactly.

        Raises `MediaError`; `ValueError` when the pictures given do not fill `span`.
        """
        self._take(None)
        step: Ticks = self.grid.frame * self.rendition.frame_divisor
        if self._count != -(-span.duration // step) or len(self._packets) != self._count:
            raise ValueError(f"{self.rendition.name}: {self._count} pictures for {span.duration} ticks")
        last = span.duration - (self._count - 1) * step  # of a cut lesson the last frame may be shorter
        samples = [
            Sample(avc_sample(data), step, (shown - order + REORDER_FRAMES) * step, key)
            for order, (shown, data, key) in enumerate(self._packets)
        ]
        if min(sample.offset for sample in samples) < 0:
            raise MediaError(f"encoder {self.rendition.name}: reorders more than {REORDER_FRAMES} pictures")
        tail = samples[-1]
        samples[-1] = Sample(tail.data, last, tail.offset, tail.key)
        return media_segment(samples, sequence=index + 1, decode_time=MEDIA_START + span.start - REORDER_FRAMES * step)


def _view(frame: VideoFrame, index: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """A writable view (h, w) of one plane without the padding at the end of its lines."""
    plane = frame.planes[index]
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)  # type: ignore[call-overload]
    return rows[:, : plane.width]  # type: ignore[no-any-return]
