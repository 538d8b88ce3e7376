"""HLS playlists (RFC 8216, version 7) as pure text from the state of a lesson.

The same functions serve the LAN from the lesson folder and fill the object store. URIs are relative: a lesson is
`index.m3u8` beside one folder per rendition, which holds its `index.m3u8`, initialisation segment and chunks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from lesson.edition_state import target_duration
from lesson.model import Kind, Rendition
from lesson.rendition_state import RenditionState
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, Ticks

INDEX = "index.m3u8"
VERSION = 7
PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
MEDIA_TYPES = {Kind.VIDEO: "video/mp4", Kind.AUDIO: "audio/mp4"}
CONTAINER_BPS = 3_000
"""Boxes around the samples, at most: 12 bytes for each of 25 frames a second, or 4 for each of 47 AAC frames, and some
hundred bytes a chunk (measured: a 24 kbit/s voice takes 26.2 kbit/s at its peak).
"""
_AUDIO_GROUP = "audio"
_LANGUAGE = re.compile(r"[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*")  # as RFC 5646 shapes tags: needs no quoting


def playlist_key(rendition: str, edition: int = 0) -> str:
    """Key of the media playlist of a rendition: each edition has its own, so that none is ever replaced by another."""
    return f"{rendition}/{INDEX}" if edition == 0 else f"{rendition}/e{edition}.m3u8"


def file_key(rendition: str, path: str) -> str:
    """Key of a file of a rendition that lies at `path` in the lesson folder: beside its playlist."""
    return f"{rendition}/{PurePosixPath(path).name}"


def playable(state: LessonState) -> list[Rendition]:
    """Renditions a player can start on (initialisation segment and first chunk are there): audio first, then video
    ascending, as the multivariant playlist names them.
    """
    ready = [r for r in state.ladder if state.renditions[r.name].started and state.renditions[r.name].leading]
    return sorted(ready, key=lambda r: (r.kind is not Kind.AUDIO, r.width * r.height, r.maxrate, r.bitrate))


def reached(state: LessonState, rendition: Rendition, chunks: int) -> Ticks:
    """The lesson tick at which the first `chunks` chunks of a rendition end."""
    return state.renditions[rendition.name].leads_with(chunks - 1).span.end if chunks else state.edition.start


def playable_until(state: LessonState) -> Ticks:
    """The lesson tick up to which all renditions are there that a player can start on."""
    ends = (reached(state, one, state.renditions[one.name].leading) for one in playable(state))
    return min(ends, default=state.edition.start)


def media_playlist(state: LessonState, rendition: str, *, chunks: int, final: bool) -> str:
    """The playlist of one rendition naming its first `chunks` chunks of the edition: EVENT while live, else VOD.

    Raises:
        KeyError: no such rendition.
        ValueError: the rendition has not started, or has fewer than `chunks` chunks, or `chunks` is 0
            (a playlist without segments stalls players).
    """
    progress = state.renditions[rendition]
    if progress.started is None or not 0 < chunks <= progress.leading:
        raise ValueError(f"{rendition}: {chunks} chunks asked for, {progress.leading} there")
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{target_duration(state.header)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        f"#EXT-X-PLAYLIST-TYPE:{'VOD' if final else 'EVENT'}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{PurePosixPath(progress.started.init_path).name}"',
    ]
    for position, chunk in enumerate(progress.named(chunks)):
        if position == 0:
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{program_date_time(state, chunk.span.start)}")
        lines.append(f"#EXTINF:{_seconds(chunk.span.duration)},")
        lines.append(PurePosixPath(chunk.path).name)
    if final:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def multivariant_playlist(state: LessonState, *, names: Collection[str] | None = None, final: bool = False) -> str:
    """The playlist a player opens: an audio-only variant, then the video rungs, lowest first, sharing the audio.

    `names` limits it to renditions whose media playlists exist already; None: all that are `playable`. Bit rates are
    measured when `final`, else the caps of the ladder.

    Raises:
        ValueError: there is nothing to play.
    """
    ready = [r for r in playable(state) if names is None or r.name in names]
    if not ready:
        raise ValueError(f"{state.header.id}: no rendition has a chunk yet")
    sounds = [r for r in ready if r.kind is Kind.AUDIO]
    variants = [_Variant(state, r, sounds[:1], final=final) for r in ready]
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += [_audio_media(state, sound, default=sound is sounds[0]) for sound in sounds]
    for variant in sorted(variants, key=lambda v: (v.rendition.kind is not Kind.AUDIO, v.peak)):
        lines += [variant.tag(), playlist_key(variant.rendition.name, state.edition.number)]
    return "\n".join(lines) + "\n"


def program_date_time(state: LessonState, at: Ticks) -> str:
    """Wall clock at lesson tick `at` (ISO 8601, UTC, ms): of the origin, for imports of the lesson's creation."""
    wall = state.header.created_wall if state.header.imported or state.origin is None else state.origin.at.wall
    moment = datetime.fromisoformat(wall).astimezone(UTC) + timedelta(seconds=at / TICKS_PER_SECOND)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(duration: Ticks) -> str:
    return f"{duration / TICKS_PER_SECOND:.6f}".rstrip("0").rstrip(".")


def _audio_media(state: LessonState, sound: Rendition, *, default: bool) -> str:
    attributes = [
        "TYPE=AUDIO",
        f'GROUP-ID="{_AUDIO_GROUP}"',
        f'NAME="{sound.name}"',
        f"DEFAULT={'YES' if default else 'NO'}",
        "AUTOSELECT=YES",
    ]
    languages = state.header.languages
    if len(languages) == 1 and _LANGUAGE.fullmatch(languages[0]):  # of several nobody knows which is spoken when
        attributes.append(f'LANGUAGE="{languages[0]}"')
    attributes += [f'CHANNELS="{sound.channels}"', f'URI="{playlist_key(sound.name, state.edition.number)}"']
    return "#EXT-X-MEDIA:" + ",".join(attributes)


class _Variant:
    """One entry of the multivariant playlist: a rendition, and for pictures the sound that goes with it."""

    def __init__(self, state: LessonState, rendition: Rendition, sounds: Sequence[Rendition], *, final: bool) -> None:
        self.rendition = rendition
        self.video = rendition.kind is Kind.VIDEO
        together = [rendition, *sounds] if self.video else [rendition]
        self.mean = sum(_mean(state, r, final=final) for r in together)
        self.peak = max(self.mean, sum(_peak(state, r, final=final) for r in together))
        self.codecs = ",".join(_codecs(state.renditions[r.name]) for r in together)
        self.frame_rate = float(state.header.grid.fps / rendition.frame_divisor)
        self.has_sound = bool(sounds)

    def tag(self) -> str:
        """The EXT-X-STREAM-INF line."""
        attributes = [f"BANDWIDTH={self.peak}", f"AVERAGE-BANDWIDTH={self.mean}", f'CODECS="{self.codecs}"']
        if self.video:
            size = f"{self.rendition.width}x{self.rendition.height}"
            attributes += [f"RESOLUTION={size}", f"FRAME-RATE={self.frame_rate:.3f}"]
        if self.has_sound:
            attributes.append(f'AUDIO="{_AUDIO_GROUP}"')
        return "#EXT-X-STREAM-INF:" + ",".join(attributes)


def _codecs(progress: RenditionState) -> str:
    return progress.started.codecs if progress.started else ""


def _peak(state: LessonState, rendition: Rendition, *, final: bool) -> int:
    return state.renditions[rendition.name].rate.peak_bps if final else _cap(rendition)


def _mean(state: LessonState, rendition: Rendition, *, final: bool) -> int:
    return state.renditions[rendition.name].rate.average_bps if final else _cap(rendition)


def _cap(rendition: Rendition) -> int:
    """What a rendition may take before anything was measured; within its `bufsize` a single chunk may exceed it."""
    return (rendition.maxrate or rendition.bitrate) + CONTAINER_BPS


def published_url(state: LessonState) -> str | None:
    """Where the multivariant playlist lies in the store, once it does."""
    return f"{state.publish_url}/{INDEX}" if state.publish_url and INDEX in state.playlists else None
