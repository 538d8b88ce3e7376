"""A stand-in for a source of each kind, that stalls and goes away when told to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import av

from lesson.model import Kind
from lesson.time import TICKS_PER_SECOND
from tests.kit.camera_content import marked_luma
from tests.kit.clips import marked_clip
from tests.kit.devices import Screen, usb_camera
from tests.kit.rtsp_camera import RtspCamera
from tests.kit.sound_card import sound_card

USER, PASSWORD = "camera-admin", "s3cr/et@pass word"
STREAM_KEY = "s3cr/et@stream-key"


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """A running source. `streams`: codec of each, as recorded; `announced`: where the source gives another.

    `stall` has it deliver nothing while it stays open, `lose` has it go away, both until called with `on=False`; None
    where nothing that we have can do that, as `cannot` says.
    """

    uri: str
    streams: Mapping[Kind, str]
    announced: Mapping[Kind, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    stall: Callable[[bool], None] | None = None
    lose: Callable[[bool], None] | None = None
    cannot: str = ""
    password: str = PASSWORD


@contextmanager
def network_camera(_folder: Path) -> Iterator[StandIn]:
    camera = RtspCamera(credentials=(USER, PASSWORD)).start()

    def stall(on: bool) -> None:
        camera.faults.stalled = on

    def lose(on: bool) -> None:
        camera.stop() if on else camera.start()

    yield StandIn(uri=camera.url, streams={Kind.VIDEO: "h264", Kind.AUDIO: "aac"}, stall=stall, lose=lose)
    camera.stop()


@contextmanager
def camera_at_usb(folder: Path) -> Iterator[StandIn]:
    camera = usb_camera(folder)
    yield StandIn(
        uri=f"v4l2:{camera.device}",
        streams={Kind.VIDEO: "mjpeg"},
        env=camera.env,
        stall=lambda on: camera.set(camera.stall, on=on),
        lose=lambda on: camera.set(camera.unplug, on=on),
    )


@contextmanager
def screen_in_memory(folder: Path) -> Iterator[StandIn]:
    monitor = Screen(folder, 384, 208)

    def lose(on: bool) -> None:
        if on:
            monitor.stop()
        else:
            monitor.start()
            monitor.show(marked_luma(TICKS_PER_SECOND))

    lose(False)
    yield StandIn(
        uri=f"x11:{monitor.display}?fps=5",
        streams={Kind.VIDEO: "h264"},
        announced={Kind.VIDEO: "rawvideo"},
        stall=lambda on: monitor.freeze(on=on),
        lose=lose,
    )
    monitor.stop()


@contextmanager
def microphone(folder: Path) -> Iterator[StandIn]:
    with sound_card(folder) as card:
        yield StandIn(
            uri="alsa:kit",
            streams={Kind.AUDIO: "pcm_s16le"},
            env=card.env,
            stall=lambda on: card.silent.set() if on else card.silent.clear(),
            cannot="ALSA's file plugin has no error for a card that is pulled",
        )


@contextmanager
def film_over_and_over(folder: Path) -> Iterator[StandIn]:
    film = marked_clip(folder / "film.mkv", seconds=2)
    away = folder / "away.mkv"
    yield StandIn(
        uri=f"file:{film}?loop",
        streams={Kind.VIDEO: "h264", Kind.AUDIO: "aac"},
        lose=lambda on: film.rename(away) and None if on else away.rename(film) and None,
        cannot="a film may rest on one picture for minutes: silence is no stall",
    )


@contextmanager
def simulated_camera(_folder: Path) -> Iterator[StandIn]:
    yield StandIn(
        uri="test:teacher?size=320x180",
        streams={Kind.VIDEO: "h264"},
        cannot="made by the recording process itself",
    )


class Encoder:
    """Sends a film to whoever listens at `url`, round after round, in real time."""

    def __init__(self, film: Path, url: str, form: str) -> None:
        self._film, self._url, self._form = film, url, form
        self.silent, self._ended, self._away = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="encoder")
        self._thread.start()

    def lose(self, on: bool) -> None:
        self._away.set() if on else self._away.clear()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._ended.wait(0.2):
            if not self._away.is_set():
                with contextlib.suppress(OSError):  # nobody listens, or not any more
                    self._send()

    def _send(self) -> None:
        with av.open(str(self._film)) as film, av.open(self._url, "w", format=self._form) as out:
            streams = {stream.index: out.add_stream_from_template(stream) for stream in film.streams}
            began, turn = time.monotonic(), 0
            while True:
                film.seek(0)
                for packet in film.demux():
                    if packet.dts is None or packet.pts is None or packet.time_base is None:
                        continue
                    due = turn * 2 + float(packet.dts * packet.time_base)
                    while time.monotonic() < began + due:
                        if self._ended.wait(0.01) or self._away.is_set():
                            return
                    shift = round(2 * turn / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = streams[packet.stream.index]
                    if not self.silent.is_set():
                        out.mux_one(packet)
                turn += 1


@contextmanager
def encoder_that_pushes(folder: Path) -> Iterator[StandIn]:
    port = unused_port()
    address = f"127.0.0.1:{port}/screen"
    yield from _sending(folder, f"push:{address}", f"rtmp://{address}/{STREAM_KEY}", "flv", STREAM_KEY)


@contextmanager
def encoder_that_knocks(folder: Path) -> Iterator[StandIn]:
    port = unused_port()
    yield from _sending(folder, f"knock:127.0.0.1:{port}", f"tcp://127.0.0.1:{port}", "mpegts")


def unused_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def _sending(folder: Path, uri: str, url: str, form: str, password: str = PASSWORD) -> Iterator[StandIn]:
    film = marked_clip(folder / "film.mkv", seconds=2, options={"tune": "zerolatency"})
    encoder = Encoder(film, url, form)
    yield StandIn(
        uri=uri,
        password=password,
        streams={Kind.VIDEO: "h264", Kind.AUDIO: "aac"},
        stall=lambda on: encoder.silent.set() if on else encoder.silent.clear(),
        lose=encoder.lose,
    )
    encoder.close()


STAND_INS: Mapping[str, Callable[[Path], AbstractContextManager[StandIn]]] = {
    "rtsp": network_camera,
    "v4l2": camera_at_usb,
    "alsa": microphone,
    "x11": screen_in_memory,
    "file": film_over_and_over,
    "test": simulated_camera,
    "push": encoder_that_pushes,
    "knock": encoder_that_knocks,
}
"""By the first scheme of the kind."""
