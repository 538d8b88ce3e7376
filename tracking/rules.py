"""Every number the director goes by: what counts as a sign of something, how long shots last, what is waited for.

Where a value comes from stands beside it. ADR 4 means the replayed lectures of docs/adr/0004-director.md; "seen" means
that it was set by looking at those, and that no other value was measured. Times are ticks, sizes and areas parts of
the frame. Numbers that one detector or the lesson clock alone goes by stand in their own modules.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lesson.model import Role
from lesson.time import TICKS_PER_SECOND, Grid, Ticks

# --- looking ---------------------------------------------------------------------------------------------------------

SAMPLE: Ticks = TICKS_PER_SECOND // 4
"""Time between two looks: four pictures a second cost a fifth of a core with decoding (ADR 4)."""
RARE_SAMPLE: Ticks = TICKS_PER_SECOND
"""Where no detector looks more often than this, only key frames are decoded: a tenth of the cost (ADR 4)."""
RARELY_LOOKED_AT = frozenset({Role.STUDENTS, Role.STUDENTS_CLOSEUP})
"""The director shows students only where nothing else is there (ADR 4): nothing they do is urgent."""
THIN_BACKLOG: Ticks = 24 * TICKS_PER_SECOND
"""While recording, more pictures of each source than this waiting for a look: only key frames are decoded. The
plan goes on without them after `ANALYSIS_LAG` already.
"""


def sample_interval(role: Role) -> Ticks:
    """How often a source of this role is looked at."""
    return RARE_SAMPLE if role in RARELY_LOOKED_AT else SAMPLE


# --- shots -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the director cuts by; `grid`: of the programme."""

    grid: Grid = field(default_factory=Grid)

    min_shot: Ticks = 3 * TICKS_PER_SECOND
    """No shot is shorter, unless its pictures end. ADR 4; equal to `look_ahead`, so that the last one keeps to it."""
    look_ahead: Ticks = 3 * TICKS_PER_SECOND
    """How much of the future a decision knows: one more segment to wait for would be 4 s more delay (ADR 4)."""
    ink_holds: Ticks = 6 * TICKS_PER_SECOND
    """The board stays for this long after the last stroke. ADR 4: 4 to 9 s give the same agreement within 0.05."""
    slide_holds: Ticks = 20 * TICKS_PER_SECOND
    """A new slide stays for this long: seen, on few slides."""
    away_after: Ticks = TICKS_PER_SECOND * 3 // 2
    """A teacher whom nothing showed for this long has left the picture: seen; people stand still for a second."""
    ink_starts: float = 80e-6
    """Part of the board that must change for good within the look-ahead. ADR 4: 30 to 150 millionths, no sharp edge."""
    ink_goes_on: float = 60e-6
    """The same while the board is shown: less, so that the programme does not flutter around one threshold."""
    present: float = 0.0015
    """Moving part of the teacher's picture from which somebody is in it: seen; sensor noise stays below 0.001."""
    arrives: float = 0.7
    """Part of the looks ahead that must show the teacher before the programme returns to him: passers-by stay below."""

    @property
    def step(self) -> Ticks:
        """Time between decisions: at most half a second, and a whole part of a chunk, so that it does not matter
        after which chunk the plan was frozen.
        """
        frames = self.grid.frames_per_chunk
        longest = max(1, TICKS_PER_SECOND // 2 // self.grid.frame)
        return self.grid.frame * next(n for n in range(longest, 0, -1) if frames % n == 0)

    @property
    def memory(self) -> Ticks:
        """How far back the director looks."""
        return max(self.ink_holds, self.slide_holds, self.away_after) + self.step


# --- the virtual camera ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CropRules:
    """What the virtual camera moves by. Unless something else is said: seen, on the replays of ADR 4."""

    step: Ticks = 11_520
    """Time between keys of a path: a sixteenth of a chunk (0.24 s), about one for each look."""
    small: float = 0.45
    """A teacher at least this high is shown by the whole frame: motion shows an arm more often than a body (ADR 4)."""
    headroom: float = 1.9
    """Height of the crop, in heights of the teacher: hands and what is pointed at belong to the picture."""
    least: float = 0.4
    """Lowest height of a crop: 432 lines of a 1080p camera, more than the rung of 360 shows."""
    tallest: float = 0.9
    """The teacher is as high as this part of the looks says at least: the very highest may be somebody passing."""
    centre: float = 0.45
    """Centre of the crop below the top of the teacher, in heights of the teacher: eyes lie above the middle."""
    wide: float = 0.95
    """A crop that would be at least this high is not worth it."""
    snap: float = 0.97
    """From this height on a crop is the frame itself: the spring comes near it for ever."""
    dead_zone: float = 0.18
    """The camera rests while the teacher's centre moves less than this, in heights of the crop."""
    zone_in_motion: float = 0.5
    """Part of the dead zone that is left while the camera moves: it finishes a movement sooner than it begins one."""
    still: float = 0.01
    """A camera nearer than this to where it goes rests."""
    still_speed: float = 0.02
    """And one slower than this, in frames a second, all directions together."""
    zoom_zone: float = 0.15
    """It does not zoom for a change of height smaller than this."""
    stiffness: float = 1.6
    """Speed of the spring that moves it, in 1/s: it arrives within about 3 s, as an unhurried operator's hand does."""
    memory: Ticks = 8 * TICKS_PER_SECOND
    """How far back it looks for the greatest height of a body that mostly moves in parts; with `ahead` 10 s (ADR 4)."""
    ahead: Ticks = 2 * TICKS_PER_SECOND
    """How far ahead it looks for the place; less than the director's look-ahead, so that no more is waited for."""
    evidence: int = 6
    """It does not move for fewer looks with motion than this: a second and a half of them."""
    evidence_now: int = 2
    """Nor for fewer than this around the instant itself: one may be noise."""
    same_shape: float = 0.02
    """Shapes that differ by less count as one: 640×360 and 854×480 differ by 0.001."""
    aspect: float = 1.0
    """Shape of the canvas (width by height) divided by the shape of the camera's frame."""


# --- freezing the plan -----------------------------------------------------------------------------------------------

PATIENCE: Ticks = 12 * TICKS_PER_SECOND
"""A source this far behind the others is not waited for: three segments of 4 s (ADR 4)."""
SEGMENT_SLACK: Ticks = 4 * TICKS_PER_SECOND
"""Where key frames lie far apart, twice the longest segment and this: a segment's usual length, to be written in."""
RECENT_SEGMENTS = 4
"""So many segments of a source show how long its segments are."""
STALL: Ticks = 30 * TICKS_PER_SECOND
"""When all sources lag (a stalled disk, a frozen machine), nothing is given up before real time is this far ahead."""
REOPENED: Ticks = 5 * TICKS_PER_SECOND
"""What a camera may send of its past when it is opened anew: one group of pictures."""
ANALYSIS_LAG: Ticks = 15 * TICKS_PER_SECOND
"""While recording, a stretch not looked at this long after its pictures gets the safe wide shot (ADR 4)."""
MOST_CHUNKS = 16
"""At most this many chunks are frozen in one round, so that a long backlog is journaled in steps of a minute."""
RAGGED: Ticks = TICKS_PER_SECOND // 2
"""Sources never end on the same frame: up to this much is cut off the end, rather than flash another picture."""
