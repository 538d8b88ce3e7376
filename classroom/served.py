"""What a box that serves a root knows of its feeds: many a device can be opened once only, and it has it open."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lesson.errors import StorageError
from lesson.reading import read_at_most
from process.disk import LOCK

ANSWER_S = 5.0
TESTED_WITHIN_S = 15.0
"""A feed that rests is opened for the test: a camera takes some seconds, and it is looked at 4 s later."""
_POLL_S = 0.5
_MOST_BYTES = 1000

Feed = Mapping[str, Any]
"""A source as `/health` tells it."""


def feeds_of_box(root: Path) -> dict[str, Feed]:
    """The feeds of the box that serves `root`, by id, as a test found them just now; none where nobody serves it."""
    url = _address(root)
    if url is None:
        return {}
    asked, until = time.monotonic(), time.monotonic()
    with suppress(OSError):  # it records, or nothing can be tested: what it knows is told all the same
        _answer(url + "/test", b"")
        until += TESTED_WITHIN_S
    while True:
        try:
            feeds = {str(feed["id"]): feed for feed in json.loads(_answer(url + "/health"))["feeds"]}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        now = time.monotonic()
        if now >= until or all(_known(feed, now - asked) for feed in feeds.values()):
            return feeds
        time.sleep(_POLL_S)


def _known(feed: Feed, since_s: float) -> bool:
    """Whether a look that was begun so long ago is over."""
    if not feed["testable"] or feed["state"] != "standby":
        return True
    fresh = feed["tested_s"] is not None and feed["tested_s"] <= since_s
    return fresh and (not feed["suspected"] or bool(feed["flaws"]))


def _address(root: Path) -> str | None:
    """Where the pages of the box that has the root locked are, as it wrote there."""
    try:
        url = read_at_most(root / LOCK, _MOST_BYTES).decode().strip()
    except (OSError, StorageError, UnicodeDecodeError):
        return None
    return url if url.startswith("http://") else None


def _answer(url: str, body: bytes | None = None) -> bytes:
    """Raises `OSError`. Never by way of a proxy: it is this machine."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, body), timeout=ANSWER_S) as answer:  # noqa: S310 - http alone, see above
        found: bytes = answer.read()
        return found
