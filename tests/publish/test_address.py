"""The URL of a store: read by one rule, and what it accepts can be opened and gives addresses a player can fetch."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.errors import ConfigError, StoreError
from lesson.store_fault import StoreFault
from publish.address import FolderAddress, S3Address, parse_store_url
from publish.protocol import ObjectStore
from publish.s3_client import S3Client
from publish.s3_store import S3Store
from publish.settings import StoreSettings
from publish.store import open_store
from publish.tls_fault import TLS_WORDS

PLAIN_REPLY = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
PARTS = st.one_of(
    st.sampled_from(["room 3", "课", "ü", "a&b", "x=1", "100%", "it's", "a+b", "#1", "why?", "[1]"]),
    st.sampled_from(["..", ".", "", "a\\b", "\x00"]),
    st.text(min_size=1, max_size=8),
)


def opened(url: str) -> ObjectStore:
    """The store as its process opens it."""
    return open_store(StoreSettings.parse(json.dumps({"url": url})))


def legal(part: str) -> bool:
    unusable = {"", ".", ".."}
    return part not in unusable and not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\\/" for c in part)


@given(st.lists(PARTS, max_size=4))
def test_any_prefix_is_taken_as_it_is_or_refused_by_name(parts: list[str]) -> None:
    url = "s3+http://10.0.0.2:9000/lessons/" + "/".join(quote(part, safe="") for part in parts)
    prefix = "/".join(parts)
    if all(map(legal, parts[:-1] if parts[-1:] == [""] else parts)) and not prefix.startswith("/"):
        address = parse_store_url(url)
        assert isinstance(address, S3Address)
        assert address.prefix == prefix.removesuffix("/")
        found = urlsplit(opened(url).url("l1/index.m3u8"))
        assert re.fullmatch(r"[A-Za-z0-9._~/%-]+", found.path)
        assert unquote(found.path) == "/" + "/".join(filter(None, ["lessons", address.prefix, "l1/index.m3u8"]))
        assert (found.scheme, found.netloc, found.query, found.fragment) == ("http", "10.0.0.2:9000", "", "")
    elif "/" not in "".join(parts):
        with pytest.raises(ConfigError, match=r"^StoreSettings: url: [^\n]+$"):
            opened(url)


HEADS = ["", "file://", "file:///", "s3+http://", "s3+https://h/", "s3+http://h:1/bucket/"]


@given(st.sampled_from(HEADS), st.text(max_size=30))
def test_whatever_is_accepted_can_be_opened(head: str, text: str) -> None:
    written = head + text
    try:
        parse_store_url(written)
    except ValueError:
        with pytest.raises(ConfigError, match=r"^StoreSettings: url: [^\n]+$"):
            opened(written)
        return
    url = opened(written).url("l1/index.m3u8")
    assert url.isascii()
    assert not re.search(r"[\s<>\"{}|\\^`]", url)


NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=("Cc", "Cs")), min_size=1)


@given(NAMES.filter(lambda name: name not in {".", ".."}))
def test_a_folder_of_any_name_is_that_folder(name: str) -> None:
    folder = Path("/srv", name)
    assert parse_store_url(folder.as_uri()) == FolderAddress(folder)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3+http://127.0.0.1:9702/lessons//room3", "has a part ''"),
        ("s3+http://127.0.0.1:9702/lessons/../x", "has a part '..'"),
        ("s3+http://127.0.0.1:9702/lessons/a/./x", "has a part '.'"),
        ("s3+http://127.0.0.1:9702/lessons/%2e%2e/x", "has a part '..'"),
        ("s3+http://127.0.0.1:9702/", "names no bucket"),
        ("s3+http://127.0.0.1:9702", "names no bucket"),
        ("s3+http:///lessons", "names no host"),
        ("s3+http://127.0.0.1:9702//lessons", "names no bucket"),
        ("s3+http://127.0.0.1:97021/lessons", "port"),
        ("s3+http://127.0.0.1:http/lessons", "port"),
        ("s3+http://127.0.0.1:0/lessons", "port"),
        ("s3+http://a b/lessons", "no name of a host"),
        ("s3+http://h/Lessons", "a bucket is named"),
        ("s3+http://h/a..b", "a bucket is named"),
        ("s3+http://h/10.0.0.1", "a bucket is named"),
        ("s3+http://h/lessons?regoin=x", "knows no 'regoin'"),
        ("s3+http://h/lessons?region=", "region=NAME"),
        ("s3+http://h/lessons/a#b", "%23"),
        ("s3+http://h/lessons/%ff", "UTF-8"),
        ("s3+http://h/lessons/a%0ab", "control character"),
        ("s3+http://h/lessons/" + "x" * 801, "longer than 800 bytes"),
        ("file://server/share", "file:///absolute/folder"),
        ("file:relative", "file:///absolute/folder"),
        ("file:///a?b", "%3F"),
        ("http://h/lessons", "write file:///folder"),
        ("s3+http://[::1/lessons", "is no URL"),
    ],
)
def test_what_cannot_work_is_refused(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as raised:
        parse_store_url(url)
    assert says in str(raised.value)


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="access_key_env") as raised:
        parse_store_url("s3+http://key:hunter2@h/lessons")
    assert "hunter2" not in str(raised.value)


@contextmanager
def answering(context: ssl.SSLContext | None) -> Iterator[int]:
    """A port of this machine that speaks TLS with `context`, or answers anything with plain http."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    try:
                        if context:
                            context.wrap_socket(connection, server_side=True).close()
                        else:
                            connection.recv(4096)
                            connection.sendall(PLAIN_REPLY)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """A server's side of TLS with a self-signed certificate for `name`, left in `folder` as cert.pem."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key, cert = str(folder / "key.pem"), str(folder / "cert.pem")
    kind = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=kit", "-addext", f"subjectAltName={name}"]
    subprocess.run([openssl, *kind, *names, "-keyout", key, "-out", cert], capture_output=True, check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def trouble(port: int) -> tuple[StoreFault, str]:
    with pytest.raises(StoreError, match=r"^[^\n]+$") as raised:
        S3Store(S3Client(f"127.0.0.1:{port}", "lessons", secure=True, timeout_s=5, reply_s=5)).get("l1/x")
    return raised.value.fault, str(raised.value).rpartition("/x: ")[2]


def test_a_port_without_tls_is_said() -> None:
    with answering(None) as port:
        assert trouble(port) == (StoreFault.PLAIN_HTTP, "this port speaks plain http: write s3+http")


def test_certificates_that_do_not_fit_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(certificate(tmp_path, "IP:127.0.0.1")) as port:
        unknown = StoreFault.UNKNOWN_CERTIFICATE
        assert trouble(port) == (unknown, "certificate unknown: put its CA into SSL_CERT_FILE")
    other = tmp_path / "other"
    other.mkdir()
    with answering(certificate(other, "DNS:store.example")) as port:
        monkeypatch.setenv("SSL_CERT_FILE", str(other / "cert.pem"))
        assert trouble(port) == (StoreFault.OTHER_NAME, TLS_WORDS[StoreFault.OTHER_NAME])
