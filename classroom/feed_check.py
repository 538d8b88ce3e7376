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
from lesson.model import Kind, SourceSpec
from process.job import PYTHON
from process.logs import redacted

OTHERWISE = "check power, cable and address of this feed"
_REMEDIES = (
    (("is not set",), "set that variable for the classreel service (EnvironmentFile= of its systemd unit)"),
    (("401", "403", "unauthorized", "forbidden"), "wrong user or password: check what user_env and password_env name"),
    (("404", "method not allowed", "bad request"), "the camera answers but has no such stream: check the path in uri"),
    (("connection refused",), "the device is there but serves nothing on this port: switch RTSP on in it, check port"),
    (
        ("no route to host", "network is unreachable", "timed out", "not known", "name resolution"),
        "nobody answers at this address: check the camera's power, network cable and IP address",
    ),
    (("busy",), "another program uses it: close that, or find it with fuser -v"),
    (("permission denied", "not permitted"), "add the user of classreel to the groups video and audio"),
    (
        ("no such device", "no such file", "cannot open display", "no such scene"),
        "not plugged in, or under another name: look with v4l2-ctl --list-devices or arecord -l, and correct uri",
    ),
    (
        ("invalid data",),
        "it takes connections but does not answer as a camera does: restart it, check IP address and port",
    ),
    (("gives no pictures", "no video", "no audio"), "it connects but is silent: restart the device"),
    (("hangs",), "unplug the device and plug it in again, or restart the box"),
    (("installed", "alsa_config_path"), "install libasound2-data"),
)


def remedy(problem: str) -> str:
    """What to do about a feed that failed with this line."""
    line = problem.lower()
    return next((advice for signs, advice in _REMEDIES if any(sign in line for sign in signs)), OTHERWISE)


def check_feed(spec: SourceSpec, *, environ: Mapping[str, str] | None = None, limit_s: float = TRIAL_LIMIT_S) -> str:
    """Open the feed for a few seconds; what its streams are, in words. `environ`: beside that of this process.

    Raises `MediaError` with the reason when it does not deliver, or not within `limit_s`.
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
        raise MediaError(f"{spec.uri}: hangs; nothing within {limit_s:g} s") from None
    answer = _answer(trial.stdout)
    if answer is None:
        last = redacted(trial.stderr.strip().rpartition("\n")[2])
        raise MediaError(f"{spec.uri}: the trial broke off with exit code {trial.returncode}: {last}")
    if "error" in answer:
        raise MediaError(answer["error"])
    return ", ".join(_words(stream) for stream in answer["streams"])


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
