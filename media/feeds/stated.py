"""How long a file says that its streams are: what a copy that broke off is told by."""

from __future__ import annotations

import re

import av
from av.container import InputContainer
from av.stream import Stream

from lesson.time import TICKS_PER_SECOND, Ticks, ticks_from_pts
from media.decode.streams import would_be_missed

_PER_STREAM = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "avi", "flac", "wav"})
"""Formats with the length of each stream in a header; elsewhere libavformat guesses, or looks where the file ends."""
_MATROSKA = "matroska,webm"
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def stated_end(container: InputContainer, stream: Stream, start: Ticks) -> Ticks | None:
    """Ticks from `start`, the first sample of the file, to the end of the stream by the file's own word, if any."""
    end: Ticks | None = None
    if container.format.name in _PER_STREAM and stream.duration and stream.time_base is not None:
        end = ticks_from_pts((stream.start_time or 0) + stream.duration, stream.time_base)
    elif container.format.name == _MATROSKA:
        end = _from_tags(stream)
        if end is None and sum(would_be_missed(s) or s.type == "subtitle" for s in container.streams) == 1:
            end = (container.duration or 0) * TICKS_PER_SECOND // av.time_base
    return end - start if end is not None and end > start else None


def _from_tags(stream: Stream) -> Ticks | None:
    """Matroska has one length for all; that of each stream is in a tag.

    Some write it from the first sample on, others from zero: taken as the latter it may come out too short, but nothing
    is called broken off that is not.
    """
    for name, value in stream.metadata.items():
        found = _CLOCK.match(value) if name.upper().startswith("DURATION") else None
        if found:
            hours, minutes, seconds = found.groups()
            return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * TICKS_PER_SECOND)
    return None
