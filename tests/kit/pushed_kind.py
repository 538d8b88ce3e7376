"""A kind of source that the product does not have, to show what one takes: this file, and a line in the table.

`knock:HOST:PORT` waits for an MPEG transport stream over TCP. `python -m tests.kit.pushed_kind LESSON SOURCE` is
capture with that line in its table.
"""

from __future__ import annotations

from dataclasses import dataclass

import capture.kinds
from capture.__main__ import main
from capture.kinds.kind import Login, SourceKind, named, target_and_options
from lesson.source_fault import SourceFault
from media.feeds.live_feed import Device, LiveFeed
from media.feeds.packets import Feed

_TIMEOUT_US = 4_000_000


@dataclass(frozen=True, slots=True)
class KnockingStream:
    """A port at which somebody else's encoder may knock."""

    place: str

    def open(self, _login: Login) -> Feed:
        options = {"listen": "1", "listen_timeout": "8000", "timeout": str(_TIMEOUT_US)}
        name, url = f"knock {self.place}", f"tcp://{self.place}"
        return LiveFeed(Device(name=name, url=url, format="mpegts", options=options, timeout_us=_TIMEOUT_US))


def _parse(uri: str) -> KnockingStream:
    place, _ = target_and_options(uri)
    return KnockingStream(named(place, uri))


KIND = SourceKind(
    schemes=("knock",),
    example="knock:HOST:PORT",
    parse=_parse,
    remedies={SourceFault.UNREACHABLE: "nobody sends: start the encoder, and give it this box's address"},
)
TABLE = (*capture.kinds.KINDS, KIND)

if __name__ == "__main__":
    capture.kinds.KINDS = TABLE
    main()
