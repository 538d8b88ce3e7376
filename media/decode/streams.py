"""Opening media files with bounds, and choosing the one video and the one audio stream that are used."""

from __future__ import annotations

from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND, Ticks, ticks_from_pts
from media.errors import media_errors

OPEN_TIMEOUT_S = 20.0
READ_TIMEOUT_S = 30.0  # for one packet, on a disk or share that has stopped to answer
_OPTIONS = {
    "protocol_whitelist": "file",  # a playlist in disguise reaches neither the network nor other programs
    "probesize": "8000000",  # bytes and microseconds that libavformat may read before it decides
    "analyzeduration": "8000000",
}
_QUICK_OPTIONS = {**_OPTIONS, "analyzeduration": "1"}  # 0 would leave it to libavformat
_NOT_A_PICTURE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_NOT_THE_PROGRAMME = Disposition.visual_impaired | Disposition.hearing_impaired | Disposition.comment

_ANOTHER_VERSION = _NOT_THE_PROGRAMME | Disposition.dub | Disposition.karaoke | Disposition.clean_effects


def open_media(path: Path, *, quick: bool = False) -> InputContainer:
    """Open a media file for reading; the caller closes it. Raises `MediaError`.

    `quick`: believe the headers instead of decoding for frame rates and the like, which takes half of the 50 ms.
    """
    with media_errors(str(path)):
        return av.open(
            f"file:{path}",
            mode="r",
            container_options=_QUICK_OPTIONS if quick else _OPTIONS,
            metadata_errors="replace",
            timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S),
        )


def candidates(container: InputContainer, kind: Kind) -> list[Stream]:
    """Decodable streams of this kind, best first: marked default, then the largest picture or most channels.

    Cover art and thumbnails are not video.
    """
    if kind is Kind.VIDEO:
        videos = [s for s in container.streams.video if _decodable(s) and not s.disposition & _NOT_A_PICTURE]
        return [*sorted(videos, key=_video_rank)]
    return [*sorted((s for s in container.streams.audio if _decodable(s)), key=_audio_rank)]


def best_stream(container: InputContainer, kind: Kind) -> Stream | None:
    """The stream of this kind that is used, or None."""
    return next(iter(candidates(container, kind)), None)


def heard_together(sounds: list[Stream]) -> list[Stream]:
    """Of the candidates for sound, best first, those that are mixed: the best, and what may hold another voice.

    Screen recorders put the computer into one stream and the microphone into another. Languages, and descriptions of
    the picture, are not to be heard at once.
    """
    best, others = sounds[:1], sounds[1:]
    languages = {_language(stream) for stream in best} - {None}
    return best + [
        stream
        for stream in others
        if not stream.disposition & _ANOTHER_VERSION and (not languages or _language(stream) in {None, *languages})
    ]


def _language(stream: Stream) -> str | None:
    return None if stream.language in {None, "", "und", "unk", "mis", "zxx"} else stream.language


def would_be_missed(stream: Stream) -> bool:
    """Whether somebody might miss this stream: sound and moving pictures, not covers, subtitles or data."""
    return stream.type == "audio" or (stream.type == "video" and not stream.disposition & _NOT_A_PICTURE)


def stream_start(stream: Stream) -> Ticks | None:
    """Ticks of the first sample as the container declares it."""
    if stream.start_time is None or stream.time_base is None:
        return None
    return ticks_from_pts(stream.start_time, stream.time_base)


def pts_from_ticks(at: Ticks, stream: Stream) -> int:
    """The PTS of `stream` at or just before `at`."""
    assert stream.time_base is not None  # noqa: S101 - libavformat gives every stream one
    return int(at / (stream.time_base * TICKS_PER_SECOND) // 1)


def _decodable(stream: Stream) -> bool:
    return stream.codec_context is not None


def _video_rank(stream: VideoStream) -> tuple[bool, int, int]:
    return not stream.disposition & Disposition.default, -stream.width * stream.height, stream.index


def _audio_rank(stream: AudioStream) -> tuple[bool, bool, int, int]:
    return (
        bool(stream.disposition & _NOT_THE_PROGRAMME),
        not stream.disposition & Disposition.default,
        -stream.codec_context.channels,
        stream.index,
    )
