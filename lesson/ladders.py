"""Named ladders: the renditions a lesson is encoded to. Figures and reasons: docs/adr/0006-thin-ladder.md."""

from __future__ import annotations

from lesson.errors import ConfigError
from lesson.model import Kind, Rendition


def _video(
    name: str, width: int, divisor: int, crf: float, maxrate: int, bufsize: int, preset: str = "fast"
) -> Rendition:
    return Rendition(
        name=name,
        kind=Kind.VIDEO,
        codec="h264",
        width=width,
        height=width * 9 // 16,
        frame_divisor=divisor,
        crf=crf,
        maxrate=maxrate,
        bufsize=bufsize,
        preset=preset,
    )


_VOICE = Rendition(name="voice", kind=Kind.AUDIO, codec="aac", rate=48_000, channels=1, bitrate=24_000)

LADDERS: dict[str, tuple[Rendition, ...]] = {
    # lowest first; each of the three lower rungs stays below 64 kbit/s together with the voice in every whole chunk
    "thin": (
        _VOICE,
        _video("v180", 320, 4, 24.0, 18_000, 63_000),
        _video("v270", 480, 4, 26.0, 27_000, 95_000),
        _video("v360", 640, 2, 28.0, 37_000, 130_000),
        _video("v720", 1280, 1, 24.0, 900_000, 2_400_000, "veryfast"),
    ),
}


def ladder(name: str) -> tuple[Rendition, ...]:
    """The renditions of a named ladder. Raises `ConfigError`."""
    try:
        return LADDERS[name]
    except KeyError:
        raise ConfigError(f"encode.ladder: no ladder {name!r}; there is {', '.join(sorted(LADDERS))}") from None
