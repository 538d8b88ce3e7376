"""A viewer who opens a published lesson again and again and remembers all that was ever served.

with served(store) as url, Viewer(f"{url}/lesson/index.m3u8") as viewer:
    …                                   # the lesson is made again meanwhile
assert viewer.complaints == []
"""

from __future__ import annotations

import functools
import hashlib
import http.client
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

_NAMED = re.compile(r'^(?:#EXT-X-(?:MAP|MEDIA):.*URI="(?P<quoted>[^"]+)".*|(?P<plain>[^#\s]\S*))$', re.MULTILINE)
_ANSWER_S = 30.0
_PAUSE_S = 0.1
"""Between rounds: what is watched needs the processor, too."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the files of a folder from threads, and give the base URL, without a slash at the end."""
    handler = functools.partial(_Files, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="files")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Files(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # one connection for thousands of small files
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: ARG002 the base class's signature
        return


class Viewer:
    """Opens `index.m3u8` at `url`, the playlists it names and every file these name, round after round.

    What it opened once it opens in all later rounds, as somebody does who plays on while the lesson is made again.
    `complaints`: each answer that is not 200, each file whose bytes are not those of before, each `index.m3u8` that
    names playlists of more than one edition. `editions`: how the playlists are called in it, whenever that changed.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.complaints: list[str] = []
        self.editions: list[str] = []
        self.rounds = 0
        self._site = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_ANSWER_S)
        self._digests: dict[str, str] = {}
        self._files: dict[str, list[str]] = {}  # by playlist
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="viewer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._site.close()

    @property
    def files(self) -> set[str]:
        """Addresses of all files that playlists named so far."""
        return {file for named in list(self._files.values()) for file in named}

    def _look(self) -> None:
        try:
            while not self._over.wait(_PAUSE_S):
                self._round()
            self._round()  # as it is in the end
        except Exception as error:  # noqa: BLE001 - a thread of a test: what ends it is what it complains about
            self.complaints.append(f"the viewer ended: {error!r}")

    def _round(self) -> None:
        playlists = _named(self.url, self._get(self.url))
        called = {PurePosixPath(urlsplit(playlist).path).name for playlist in playlists}
        if len(called) != 1:
            self.complaints.append(f"{self.url} names {sorted(called)}")
        elif self.editions[-1:] != [*called]:
            self.editions += called
        for playlist in {**self._files, **dict.fromkeys(playlists)}:
            data = self._same(playlist)
            if playlist not in self._files:
                self._files[playlist] = _named(playlist, data)
        for file in self.files:
            self._same(file)
        self.rounds += 1

    def _same(self, url: str) -> bytes:
        data = self._get(url)
        digest = hashlib.sha256(data).hexdigest()
        if self._digests.setdefault(url, digest) != digest:
            self.complaints.append(f"{url}: other bytes than before")
        return data

    def _get(self, url: str) -> bytes:
        self._site.request("GET", urlsplit(url).path)
        answer = self._site.getresponse()
        data = answer.read()
        if answer.status != http.HTTPStatus.OK:
            self.complaints.append(f"{url}: {answer.status}")
        return data


def _named(url: str, playlist: bytes) -> list[str]:
    """Addresses of all that a playlist names, each once."""
    found = (match["quoted"] or match["plain"] for match in _NAMED.finditer(playlist.decode()))
    return list(dict.fromkeys(urljoin(url, name) for name in found))
