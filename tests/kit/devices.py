"""Stand-ins for local devices: a preloaded V4L2 camera, an X server in memory."""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import signal
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.kit.camera_content import FRAME, marked_luma
from tests.kit.marks import Luma
from tests.kit.waiting import wait_until

_SHIM = Path(__file__).with_name("v4l2_shim.c")


@dataclass(frozen=True)
class UsbCamera:
    """Environment for a process that shall see the camera, and the switches of its faults."""

    device: str
    env: dict[str, str]
    stall: Path
    unplug: Path
    busy: Path
    pictures: int

    def set(self, switch: Path, *, on: bool) -> None:
        switch.touch() if on else switch.unlink(missing_ok=True)


def usb_camera(folder: Path, *, seconds: int = 4) -> UsbCamera:
    """An MJPEG camera 384×208 at 25 fps; its pictures are marked with their time in a round of `seconds`."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no gcc: the V4L2 stand-in cannot be built")
    library = folder / "v4l2_shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, _SHIM, "-ldl"], check=True)
    frames = folder / "frames.bin"
    count = seconds * 25
    with frames.open("wb") as file:
        for index in range(count):
            bgr = cv2.cvtColor(marked_luma(index * FRAME), cv2.COLOR_GRAY2BGR)
            sound, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])
            assert sound
            file.write(struct.pack("<I", len(jpeg)) + jpeg.tobytes())
    stall, unplug, busy = folder / "stall", folder / "unplug", folder / "busy"
    env = {
        "LD_PRELOAD": str(library), "SHIM_DEVICE": "/dev/video42", "SHIM_FRAMES": str(frames),
        "SHIM_STALL": str(stall), "SHIM_UNPLUG": str(unplug),
        "SHIM_BUSY": str(busy),
    }  # fmt: skip
    return UsbCamera("/dev/video42", env, stall, unplug, busy, count)


class Screen:
    """A running X server whose pixels are a file: `show` draws on it; `stop` and `start` keep the display's number."""

    def __init__(self, folder: Path, width: int, height: int) -> None:
        program = shutil.which("Xvfb")
        if program is None:
            pytest.skip("no Xvfb")
        size = f"{width}x{height}x24"
        self._argv = [program, "-screen", "0", size, "-fbdir", str(folder), "-nolisten", "tcp"]
        self._path = folder / "Xvfb_screen0"
        self._size = (width, height)
        self.display = ""

    def start(self) -> None:
        read, write = os.pipe()
        argv = [*self._argv, "-displayfd", str(write), *([self.display] if self.display else [])]
        self._server = subprocess.Popen(argv, pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as answer:
            number = answer.readline().strip()
        assert number, "Xvfb did not start"
        self.display = f":{number}"
        wait_until(self._path.is_file, 5)

    def stop(self) -> None:
        self.freeze(on=False)
        self._server.terminate()
        self._server.wait(10)

    def freeze(self, *, on: bool) -> None:
        """Have the server answer nothing, or go on."""
        self._server.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def show(self, luma: Luma) -> None:
        """Fill the screen with a grey picture of its size."""
        width, height = self._size
        with self._path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            (header,) = struct.unpack(">I", memory[:4])
            (colours,) = struct.unpack(">I", memory[76:80])  # entries of 12 bytes each after the XWD header
            start = header + colours * 12
            full = np.clip((luma.astype(np.float32) - 16) * 255 / 219, 0, 255).astype(np.uint8)
            pixels = np.repeat(full[:, :, None], 4, axis=2)
            memory[start : start + width * height * 4] = pixels.tobytes()


@contextlib.contextmanager
def screen(folder: Path, *, width: int = 640, height: int = 360) -> Iterator[Screen]:
    """An X server of this size without a monitor."""
    monitor = Screen(folder, width, height)
    monitor.start()
    try:
        yield monitor
    finally:
        monitor.stop()
