"""`python -m capture.trial`: open the source described on standard input for a few seconds and say what it gives.

In a process of its own, because drivers may hang in C: whoever starts it must end it (`TRIAL_LIMIT_S`). Input: the
fields of a `SourceSpec` as JSON; credentials are named there and come with the environment. Output: JSON,
`{streams: [...], flaws: [...]}` (`lesson.signal.Flaw`) or
`{error: "one line", fault: "a lesson.source_fault.SourceFault"}`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from capture.feeds import open_feed
from capture.losses import source_fault
from capture.measure import Measurer, pictures_a_second, store
from capture.reader import Ended, Opened, Reader
from lesson.errors import ClassreelError, MediaError, StorageError
from lesson.model import Kind, Role, SourceSpec
from lesson.signal import Flaw
from lesson.source_fault import SourceFault
from media.feeds.packets import Feed, FeedPacket, FeedStream
from process.logs import configure_logging

WATCH_S = 2.5
"""Long enough to measure a frame rate, and for a key frame of most cameras."""
KEY_WATCH_S = 10.0
"""Longer, for a camera that says what its pictures are like in its rare key frames alone."""
OPEN_S = 10.0
"""RTSP gives up by itself after its network time-outs."""
TRIAL_LIMIT_S = 20.0
"""When a trial that has said nothing must be taken for hung: start, opening and watching."""
_POLL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTrial:
    """What one announced stream gave. `fps`: the measured median, 0 for sound; `packets` 0: only announced."""

    kind: Kind
    codec: str
    packets: int
    width: int = 0
    height: int = 0
    fps: float = 0.0
    rate: int = 0
    channels: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """What a source gave, and what is wrong with it as far as can be told so soon: that a picture is frozen cannot.

    `flaws`: None where nobody could look.
    """

    streams: list[StreamTrial]
    flaws: tuple[Flaw, ...] | None


def try_source(spec: SourceSpec, environ: Mapping[str, str]) -> Trial:
    """Watch a source for `WATCH_S`.

    Raises:
        ConfigError: its address or credentials make no sense.
        MediaError: it cannot be opened, or gives nothing.
    """
    reader = Reader(lambda: open_feed(spec, environ))
    feed: Feed | None = None
    packets: list[FeedPacket] = []
    deadline = time.monotonic() + OPEN_S
    over = False
    while not over and time.monotonic() < deadline + (KEY_WATCH_S - WATCH_S if feed and _waits(feed) else 0.0):
        for event in reader.next_events(_POLL_S):
            match event:
                case Opened(feed=opened):
                    feed, deadline = opened, time.monotonic() + WATCH_S
                case FeedPacket() as packet:
                    packets.append(packet)
                case Ended(error=error):
                    if error is not None:
                        raise error
                    over = True
    if feed is None:
        raise MediaError(f"{spec.uri}: timed out, no answer within {OPEN_S:g} s", SourceFault.UNREACHABLE)
    if not packets:
        raise MediaError(f"{spec.uri}: opens, but gives no pictures and no sound", SourceFault.SILENT)
    times = {kind: [packet.pts for packet in packets if packet.kind is kind] for kind in Kind}
    streams = [_trial(stream, times[kind]) for kind, stream in feed.streams.items()]
    return Trial(streams, _flaws(spec, feed, packets))


def _waits(feed: Feed) -> bool:
    return not feed.expected <= feed.streams.keys()


def _flaws(spec: SourceSpec, feed: Feed, packets: list[FeedPacket]) -> tuple[Flaw, ...] | None:
    """What is wrong with what came; None where it cannot be decoded yet, as before the first key frame, or stored."""
    kinds = {packet.kind for packet in packets if packet.key} & feed.streams.keys()
    measurer = Measurer(spec.role)
    try:
        with TemporaryDirectory(prefix="classreel-trial-") as folder:
            path = Path(folder) / "trial.mkv"
            with path.open("wb") as file:
                store(path, file, {kind: feed.streams[kind] for kind in kinds}, packets)
            levels = measurer.look(path, kinds)
    except (MediaError, StorageError, OSError):
        return None
    known = levels.picture or levels.sound or Kind.VIDEO in kinds  # of pictures it is known that nobody can decode them
    return measurer.flaws(levels, kinds) if known else None


def _trial(stream: FeedStream, times: list[int]) -> StreamTrial:
    info = stream.info
    return StreamTrial(
        kind=info.kind,
        codec=info.codec,
        packets=len(times),
        width=info.width,
        height=info.height,
        fps=pictures_a_second(times) if info.kind is Kind.VIDEO else 0.0,
        rate=info.rate,
        channels=info.channels,
    )


def main() -> None:
    """The process body; ends the process."""
    configure_logging("trial")
    fields = json.load(sys.stdin)
    spec = SourceSpec(**{**fields, "role": Role(fields["role"])})
    try:
        found = try_source(spec, os.environ)
        answer: dict[str, object] = {"streams": [asdict(one) for one in found.streams], "flaws": found.flaws}
    except ClassreelError as error:
        answer = {"error": str(error), "fault": source_fault(error)}
    print(json.dumps(answer), flush=True)  # noqa: T201 - the answer of this process
    os._exit(0)  # a driver may hang in a thread: tearing down libav around it would crash


if __name__ == "__main__":
    main()
