"""What the settings say of the pages, and what the process that serves them is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from api.hosts import ANY_HOST, is_host
from lesson.lifecycle import LessonTemplate
from process.disk import RootIdentity
from process.section import HomePath, Section

_MAX_PORT = 65_535


def _listen(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or not 0 < int(port) <= _MAX_PORT:
        raise ValueError("write host:port, for example 0.0.0.0:8000")
    if not is_host(host):
        raise ValueError(f"{host!r} is no address of this machine: write 0.0.0.0:{port} or [::]:{port} for all of them")
    return text


def _allowed_host(name: str) -> str:
    if name != ANY_HOST and not is_host(name):
        raise ValueError(f"{name!r} is no name of a host: write for example recorder.school.example, without a port")
    return name.lower()


class PagesSettings(Section):
    """Where the pages are served (`host:port`), by which names beside its own the box may be called, and hls.js."""

    listen: Annotated[str, AfterValidator(_listen)] = "127.0.0.1:8000"
    allowed_hosts: tuple[Annotated[str, AfterValidator(_allowed_host)], ...] = ()
    hls_js: HomePath | None = None

    @property
    def host(self) -> str:
        """The host of `listen`, an IPv6 address without its brackets."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the teacher's page."""
        host = self.listen.rpartition(":")[0]
        return f"http://{'127.0.0.1' if host in {'0.0.0.0', '[::]'} else host}:{self.port}"  # noqa: S104 compared only

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


class Conducted(Section):
    """What a conductor tells the process of the pages.

    `bulletin`: where it says what is wrong (`process.bulletin`). `identity`: the root as it found it, None before that.
    `looks`: where each source that can stand by says what it delivers; `look_requests`: where the pages say that
    somebody wants to see that.
    """

    bulletin: Path | None = None
    identity: RootIdentity | None = None
    looks: dict[str, Path] = Field(default_factory=dict)
    look_requests: Path | None = None


class PagesOfRoom(PagesSettings):
    """All that the process of the pages is told: its settings, where lessons lie and what new ones are made from."""

    model_config = ConfigDict(defer_build=True)  # a conductor first needs it when recording has begun

    root: Path
    template: LessonTemplate
    conductor: Conducted = Conducted()
