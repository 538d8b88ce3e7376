"""Named ladders: the renditions a lesson is encoded to. Figures and reasons: docs/adr/0006-thin-ladder.md."""

from __future__ import annotations

from lesson.errors import ConfigError
from lesson.model import Kind, Rendition


def _video(name: str, width: int, height: int, divisor: int, crf: float, maxrate: int) -> Rendition:
    return Rendition(
        name=name,
        kind=Kind.VIDEO,
        codec="h264",
        width=width,
        height=height,
        frame_divisor=divisor,
        crf=crf,
        maxrate=maxrate,
        bufsize=maxrate * 2,
        preset="veryfast",
    )


_VOICE = Rendition(name="voice", kind=Kind.AUDIO, codec="aac", rate=48_000, channels=1, bitrate=24_000)

LADDERS: dict[str, tuple[Rendition, ...]] = {
    # lowest first; the lowest rung and the voice together stay below 64 kbit/s
    "thin": (
        _VOICE,
        _video("v180", 320, 180, 4, 31.0, 26_000),
        _video("v270", 480, 270, 2, 29.0, 90_000),
        _video("v360", 640, 360, 1, 27.0, 260_000),
        _video("v720", 1280, 720, 1, 25.0, 1_100_000),
    ),
}


def ladder(name: str) -> tuple[Rendition, ...]:
    """The renditions of a named ladder. Raises `ConfigError`."""
    try:
        return LADDERS[name]
    except KeyError:
        raise ConfigError(f"encode.ladder: no ladder {name!r}; there is {', '.join(sorted(LADDERS))}") from None
