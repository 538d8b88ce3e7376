"""What a viewer gets: a published lesson decoded again, picture by picture and sample by sample."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import av
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from lesson.time import Ticks, ticks_from_pts
from media.output.fmp4 import MEDIA_START
from tests.kit.places import NODE_MODULES


@dataclass(frozen=True, slots=True)
class Shown:
    """One decoded picture of the programme: its lesson tick and its luma plane (h, w)."""

    at: Ticks
    luma: NDArray[np.uint8]


def classreel(
    *arguments: str | Path, timeout_s: float = 240, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would, from any folder."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=timeout_s, check=False, env=environment(env)
    )


def command(*arguments: str | Path) -> list[str]:
    """The argv of the command line."""
    return [sys.executable, "-m", "classroom", *map(str, arguments)]


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of a user without any CLASSREEL_ settings."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CLASSREEL_")}
    return {**clean, **(extra or {})}


def result_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON object a command printed; fails with its stderr unless it ended well."""
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1, done.stdout
    result = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result


def folder_of(url: str) -> Path:
    """The folder of a `file:///…/index.m3u8`."""
    return Path(unquote(urlsplit(url).path)).parent


def decoding_errors(playlist: str | Path) -> str:
    """What a strict ffmpeg says while it decodes everything a playlist names; empty is good."""
    argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "warning", "-xerror", "-i", str(playlist)]
    argv += ["-map", "0:v", "-map", "0:a?", "-f", "null", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False)
    return done.stderr if done.stderr or done.returncode == 0 else f"exit {done.returncode}"


def _joined(folder: Path) -> bytes:
    """A rendition's init and chunks in the order its playlist names them: what a player feeds its decoder."""
    lines = (folder / "index.m3u8").read_text().splitlines()
    init = next(line.split('URI="')[1].split('"')[0] for line in lines if line.startswith("#EXT-X-MAP"))
    names = [init, *(line for line in lines if line and not line.startswith("#"))]
    return b"".join((folder / name).read_bytes() for name in names)


def pictures_of(folder: Path) -> Iterator[Shown]:
    """All pictures of a published video rendition folder, in presentation order."""
    with av.open(io.BytesIO(_joined(folder)), format="mp4") as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        for frame in container.decode(stream):
            assert frame.pts is not None
            luma = frame.to_ndarray(format="gray")
            yield Shown(ticks_from_pts(frame.pts, stream.time_base) - MEDIA_START, luma)


def sound_of(folder: Path) -> tuple[Ticks, NDArray[np.float32]]:
    """Mono PCM at 48 kHz of a published audio rendition folder and the lesson tick of its first sample."""
    blocks: list[NDArray[np.float32]] = []
    first: Ticks | None = None
    with av.open(io.BytesIO(_joined(folder)), format="mp4") as container:
        stream = container.streams.audio[0]
        assert stream.time_base is not None
        for frame in container.decode(stream):
            if first is None:
                assert frame.pts is not None
                first = ticks_from_pts(frame.pts, stream.time_base) - MEDIA_START
            assert frame.sample_rate == 48_000
            blocks.append(frame.to_ndarray().astype(np.float32).mean(axis=0))
    return first or 0, np.concatenate(blocks)


def strict_parser_errors(playlists: Sequence[Path]) -> str:
    """What the npm hls-parser in strict mode says about playlists; empty is good.

    Raises `FileNotFoundError` where it is not installed.
    """
    script = (
        "const HLS = require('hls-parser'); const fs = require('fs'); HLS.setOptions({strictMode: true});"
        "for (const f of process.argv.slice(1)) { try { HLS.parse(fs.readFileSync(f, 'utf8')) }"
        " catch (e) { console.error(f + ': ' + e.message); process.exitCode = 1 } }"
    )
    if not (NODE_MODULES / "hls-parser").is_dir():
        raise FileNotFoundError("tests/node_modules/hls-parser: run `npm ci` in tests/")
    node = shutil.which("node")
    if node is None:
        raise FileNotFoundError("no node on this machine")
    done = subprocess.run(
        [node, "-e", script, *map(str, playlists)],
        capture_output=True, text=True, timeout=60, check=False, cwd=NODE_MODULES.parent,
    )  # fmt: skip
    return done.stderr
