"""Trying a source before class: it is really opened, in a process that can be ended whatever its driver does."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from capture.trial import TRIAL_LIMIT_S
from lesson.errors import MediaError
from lesson.model import Kind, Role, SourceSpec
from lesson.signal import FLAW_KINDS, FLAW_WORDS, PATIENCE, Flaw
from lesson.source_fault import SourceFault
from lesson.time import TICKS_PER_SECOND, Ticks
from process.job import PYTHON
from process.logs import redacted

FEW_SEGMENTS: Ticks = 15 * TICKS_PER_SECOND
"""Flaws that need more patience than this say nothing in a few seconds: before class a good microphone is faint."""


NOT_LOOKED_AT = "whether it is black or silent could not be seen"


class FlawedFeedError(MediaError):
    """A feed that delivers, but nothing worth recording: `flaw`, a `lesson.signal.Flaw`."""

    def __init__(self, message: str, flaw: Flaw) -> None:
        super().__init__(message)
        self.flaw = flaw


def check_feed(
    spec: SourceSpec,
    *,
    voice: bool = False,
    environ: Mapping[str, str] | None = None,
    limit_s: float = TRIAL_LIMIT_S,
) -> str:
    """Open the feed for a few seconds; what its streams are, in words. `environ`: beside that of this process.

    Raises:
        FlawedFeedError: what it is there for has a flaw; with `voice` its sound is that, too.
        MediaError: it does not deliver, or not within `limit_s`; with the reason and its fault.
    """
    try:
        trial = subprocess.run(
            [*PYTHON, "-m", "capture.trial"],
            input=json.dumps(asdict(spec)),
            env={**os.environ, **(environ or {})},
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MediaError(f"{spec.uri}: hangs; nothing within {limit_s:g} s", SourceFault.HANGS) from None
    answer = _answer(trial.stdout)
    if answer is None:
        last = redacted(trial.stderr.strip().rpartition("\n")[2])
        raise MediaError(f"{spec.uri}: the trial broke off with exit code {trial.returncode}: {last}")
    if "error" in answer:
        raise MediaError(answer["error"], SourceFault(answer["fault"]))
    words = ", ".join(_words(stream) for stream in answer["streams"])
    kinds = {Kind.AUDIO} if spec.role is Role.MIC else {Kind.VIDEO, *([Kind.AUDIO] if voice else [])}
    unheard = [one for one in answer["streams"] if not one["packets"] and one["kind"] == Kind.AUDIO]
    if unheard and Kind.AUDIO in kinds:
        raise FlawedFeedError(words, Flaw.SILENT)
    if answer["flaws"] is None:
        return f"{words}; {NOT_LOOKED_AT}"
    told = (one for one in map(Flaw, answer["flaws"]) if FLAW_KINDS[one] in kinds and PATIENCE[one] <= FEW_SEGMENTS)
    flaw = next(told, None)
    if flaw is not None:
        raise FlawedFeedError(f"{words}; {FLAW_WORDS[flaw]}", flaw)
    return words


def _answer(output: str) -> dict[str, Any] | None:
    try:
        answer = json.loads(output.strip().rpartition("\n")[2])
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _words(stream: dict[str, Any]) -> str:
    if stream["kind"] == Kind.AUDIO:
        shape = f"{stream['codec']} {stream['rate']} Hz, {stream['channels']} ch"
    else:
        shape = f"{stream['codec']} {stream['width']}x{stream['height']}, {_rounded(stream['fps'])} fps"
    return shape if stream["packets"] else f"{shape} announced but silent"


def _rounded(fps: float) -> str:
    """A whole number, but for slow screens."""
    return f"{fps:.0f}" if fps >= 5 else f"{fps:.1f}"
