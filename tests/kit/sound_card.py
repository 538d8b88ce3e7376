"""An ALSA card that is not there: its microphone `kit` gives the samples of a round, over and over, in real time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lesson.time import TICKS_PER_SECOND
from tests.kit.clicks import Pcm, draw_click

_SHIM = Path(__file__).with_name("alsa_shim.c")
_CONFIG = Path("/usr/share/alsa/alsa.conf")
_BYTES_PER_SECOND = 2 * TICKS_PER_SECOND
_BUFFER = 1 << 20
"""Bytes of the pipe: ten seconds, so that a busy machine loses nothing that is not the recorder's to lose."""
_PERIOD = 2 * 1024
"""Bytes of the shim's period. Less would make the file plugin pad what it hands out."""
_LOOK_S = 0.02


@dataclass(frozen=True)
class SoundCard:
    """`env`: for a process that shall have the card as `alsa:kit`. While `silent` is set it gives nothing."""

    env: dict[str, str]
    silent: threading.Event


def clicks_at_even_seconds() -> Pcm:
    """Two seconds of mono PCM at 48 kHz that begin with a click."""
    pcm = np.zeros(2 * TICKS_PER_SECOND, np.float32)
    draw_click(pcm, 0)
    return pcm


@contextmanager
def sound_card(folder: Path, pcm: Pcm | None = None) -> Iterator[SoundCard]:
    """A card that plays `pcm` (mono, 48 kHz; by default clicks at even seconds) from the moment somebody opens it.

    ALSA's own file plugin reads it from a pipe. Skips the test without ALSA's configuration or a compiler.
    """
    if not _CONFIG.is_file():
        pytest.skip("no ALSA configuration: libasound2-data is not installed")
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no gcc: the sound card's stand-in cannot be built")
    library, pipe, config = folder / "alsa_shim.so", folder / "microphone.pipe", folder / "asound.conf"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, _SHIM], check=True)
    os.mkfifo(pipe)
    config.write_text(
        f'pcm.kit {{ type file slave.pcm "quiet" file "/dev/null" infile "{pipe}" format "raw" }}\n'
        "pcm.quiet { type null }\n"
    )
    playing = _Playing(pipe, clicks_at_even_seconds() if pcm is None else pcm)
    try:
        yield SoundCard({"ALSA_CONFIG_PATH": f"{_CONFIG}:{config}", "LD_PRELOAD": str(library)}, playing.silent)
    finally:
        playing.close()


class _Playing:
    """The thread that writes the samples into the pipe as their time comes."""

    def __init__(self, pipe: Path, pcm: Pcm) -> None:
        self._pipe = pipe
        samples = (pcm * 32_767).astype("<i2").tobytes()
        self._length, self._samples = len(samples), samples + samples[:_PERIOD]
        self.silent, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="sound card")
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_S):
            # nobody has it open yet (ENXIO), or whoever had it has gone
            with contextlib.suppress(OSError):
                writer = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
                try:
                    self._play(writer)
                finally:
                    os.close(writer)

    def _play(self, writer: int) -> None:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _BUFFER)
        at, began = 0, time.monotonic()
        while not self._ended.wait(_LOOK_S):
            due = int((time.monotonic() - began) * TICKS_PER_SECOND) * 2
            while at + _PERIOD <= due:
                if not self.silent.is_set():
                    self._write_period(writer, at % self._length)
                at += _PERIOD

    def _write_period(self, writer: int, start: int) -> None:
        """Whole, or not at all: what a full pipe does not take is lost, as on a card."""
        with contextlib.suppress(BlockingIOError):
            os.write(writer, self._samples[start : start + _PERIOD])
