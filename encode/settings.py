"""What the settings say of encoding: `[encode]` in `classroom.toml`."""

from __future__ import annotations

import os
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from lesson.ladders import LADDERS
from process.section import Section


def _known_ladder(name: str) -> str:
    if name not in LADDERS:
        raise ValueError(f"no ladder {name!r}; there is {', '.join(sorted(LADDERS))}")
    return name


def _farm_url(url: str) -> str:
    if urlsplit(url).scheme not in {"tcp", "tls"} or not urlsplit(url).netloc:
        raise ValueError("write the address of a Dask scheduler, for example tcp://10.0.0.5:8786")
    return url


def _default_workers() -> int:
    """One for two cores: the threads of its rungs keep both busy, and what a second one starts with is lost."""
    return max(1, (os.cpu_count() or 1) // 2)


class EncodeSettings(Section):
    """How lessons are encoded. A lesson keeps the ladder it was started with; the rest is asked anew each time."""

    ladder: Annotated[str, AfterValidator(_known_ladder)] = "thin"
    workers: int = Field(default_factory=_default_workers, ge=1, le=64)
    farm: Annotated[str, AfterValidator(_farm_url)] | None = None
