"""What the URL of a store says, in parts: the one rule for settings and for opening. Pure: nothing is opened here."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

MAX_PREFIX_BYTES = 800
"""Of the 1024 bytes that S3 allows a key, so much may be the prefix: what a lesson stores is named below 200."""

_BUCKET = re.compile(r"(?!.*(?:\.\.|\.-|-\.))(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_BUCKET_RULE = "a bucket is named with 3 to 63 lower case letters, digits, - and ."
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII)
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}")
_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class FolderAddress:
    """A folder of this machine."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Address:
    """A place in a bucket; `endpoint` is `host[:port]`, `prefix` the unencoded beginning of all keys, without slash."""

    endpoint: str
    bucket: str
    prefix: str
    secure: bool
    region: str | None


StoreAddress: TypeAlias = FolderAddress | S3Address


def parse_store_url(url: str) -> StoreAddress:
    """The parts of `file:///folder`, `s3+http://host:port/bucket[/prefix][?region=name]` or `s3+https://…`.

    Names may be written as they are (`room 3`, 课) or percent-encoded; `?`, `#` and `%` only encoded.

    Raises:
        ValueError: one line that says what is wrong with it, without repeating credentials.
    """
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in url):
        raise ValueError("there is a control character in it")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError(f"is no URL: {error}") from error
    if "@" in parts.netloc:
        raise ValueError("credentials do not belong in a URL: name them by access_key_env and secret_key_env")
    if parts.fragment or url.endswith("#"):
        raise ValueError("write %23 for a # in a name")
    if parts.scheme == "file":
        return _folder(parts)
    if parts.scheme in {"s3+http", "s3+https"}:
        return _s3(parts)
    known = "write file:///folder, s3+http://host:port/bucket or s3+https://host/bucket"
    raise ValueError(f"{known}; {parts.scheme!r} is an unknown kind")


def _folder(parts: SplitResult) -> FolderAddress:
    if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        raise ValueError("write file:///absolute/folder")
    if parts.query:
        raise ValueError("write %3F for a ? in a name")
    path = unquote(parts.path, errors="surrogateescape")  # file names are bytes
    if "\0" in path:
        raise ValueError("there is a control character in it")
    if posixpath.normpath(path).strip("/") == "":
        raise ValueError("names no folder: write file:///absolute/folder")
    return FolderAddress(Path(path))


def _s3(parts: SplitResult) -> S3Address:
    endpoint = _endpoint(parts)
    try:
        path = unquote(parts.path, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("what is percent-encoded in it is no UTF-8") from None
    bucket, _, prefix = path.removeprefix("/").partition("/")
    if not bucket:
        raise ValueError(f"names no bucket: write {parts.scheme}://host[:port]/bucket[/prefix]")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(f"{bucket!r}: {_BUCKET_RULE}")
    return S3Address(
        endpoint=endpoint,
        bucket=bucket,
        prefix=_checked_prefix(prefix.removesuffix("/") or prefix),
        secure=parts.scheme == "s3+https",
        region=_region(parts.query),
    )


def _endpoint(parts: SplitResult) -> str:
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        port, host = 0, "?"
    if not host:
        raise ValueError(f"names no host: write {parts.scheme}://host[:port]/bucket[/prefix]")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError(f"has no right port: a number from 1 to {_MAX_PORT}")
    if not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is no name of a host")
    return parts.netloc


def _checked_prefix(prefix: str) -> str:
    """The prefix itself; the store would join, skip or misread other ones."""
    if not prefix:
        return ""
    for part in prefix.split("/"):
        if part in {"", ".", ".."}:
            raise ValueError(f"the prefix {prefix!r} has a part {part!r}: write names with one / between them")
    if "\\" in prefix or any(unicodedata.category(character) == "Cc" for character in prefix):
        raise ValueError(f"the prefix {prefix!r} holds a backslash or a control character")
    if len(prefix.encode()) > MAX_PREFIX_BYTES:
        raise ValueError(f"the prefix is longer than {MAX_PREFIX_BYTES} bytes")
    return prefix


def _region(query: str) -> str | None:
    given = parse_qsl(query, keep_blank_values=True)
    unknown = [key for key, _ in given if key != "region"]
    if unknown:
        raise ValueError(f"knows no {unknown[0]!r} after ?: there is only region=NAME; write %3F for a ? in a name")
    if not given:
        return None
    if len(given) > 1 or not _REGION.fullmatch(given[0][1]):
        raise ValueError("write one ?region=NAME")
    return given[0][1]


def object_url(base: str, key: str) -> str:
    """Where a reader finds the object `key`: the one place where keys are percent-encoded (RFC 3986, UTF-8)."""
    return f"{base}/{quote(key, safe='/')}"
