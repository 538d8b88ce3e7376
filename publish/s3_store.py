"""Any S3-compatible server as object store, through the `minio` client.

What the client does not do by itself, and why it is done here, is in docs/adr/0007-object-store.md: Content-MD5 over
plain http, bodies in small blocks, ETags compared, lost replies resolved by asking.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import ParseError

import certifi
import structlog
import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from lesson.errors import ConfigError, IntegrityError, ObjectNotFoundError, StoreError
from process.logs import redacted
from publish.address import object_url
from publish.protocol import MAX_OBJECT_BYTES, ObjectInfo, checked_key, md5_hex
from publish.tls_fault import TLS_WORDS, tls_fault

_log = structlog.get_logger()
_MISSING = {"NoSuchKey", "NoSuchObject", "NoSuchBucket", "ResourceNotFound"}
_REFUSED = {
    "AccessDenied": "the key may not do this: give it read and write access to the bucket",
    "InvalidAccessKeyId": "the server does not know this access key: check store.access_key_env or _file",
    "SignatureDoesNotMatch": "the secret key is wrong: check store.secret_key_env or _file",
    "AllAccessDisabled": "the account is disabled: ask whoever runs the store",
    "AccountProblem": "the account is disabled: ask whoever runs the store",
    "InvalidBucketName": "the server does not allow this name for a bucket",
}
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}
_MD5_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair; its `repr` shows neither half."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


class _BlockwisePool(urllib3.PoolManager):
    """HTTP as a thin line needs it.

    A bytes body is sent in one `sendall`, whose time-out spans the whole body: at 64 kbit/s 30 s end after 240 kB.
    A file-like body goes in blocks of 16 kB, each with its own time-out. And over plain http the client signs a
    SHA-256 that some servers never compare with the body; Content-MD5 they do compare.
    """

    def urlopen(self, method: str, url: str, redirect: bool = True, **request: Any) -> urllib3.BaseHTTPResponse:  # type: ignore[override]
        body = request.get("body")
        if method == "PUT" and isinstance(body, bytes):
            digest = hashlib.md5(body, usedforsecurity=False).digest()
            request["headers"]["Content-MD5"] = base64.b64encode(digest).decode()
            request["headers"]["Content-Length"] = str(len(body))
            request["body"] = io.BytesIO(body)
        return super().urlopen(method, url, redirect=redirect, **request)


def _socket_options(timeout_s: float) -> list[tuple[int, int, int]]:
    """Have the kernel end a connection whose peer acknowledges nothing for `timeout_s`, data waiting or not.

    The send buffer takes whole chunks, so that no time-out of ours sees whether the line still moves.
    """
    options = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ]
    seconds = max(1, round(timeout_s / 2))
    for name, value in (
        ("TCP_USER_TIMEOUT", round(timeout_s * 1000)),
        ("TCP_KEEPIDLE", seconds),
        ("TCP_KEEPINTVL", max(1, seconds // 3)),
        ("TCP_KEEPCNT", 3),
    ):
        if hasattr(socket, name):  # Linux has them all
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


class S3Store:
    """Objects below `prefix` of `bucket` at `endpoint` (`host[:port]`), addressed path style.

    The bucket is created when it is missing, readable by anyone who knows a URL, so that a player needs no key; the
    policy of a bucket that exists is never touched.

    `timeout_s` bounds connecting, handing over one block and hearing nothing from the peer's TCP; `reply_s` bounds the
    wait for the reply, which on a thin line spans what lies in the send buffer: 120 s carry 0.96 MB at 64 kbit/s.
    """

    def __init__(
        self,
        endpoint: str,
        bucket: str,
        *,
        prefix: str = "",
        secure: bool = True,
        credentials: Credentials | None = None,
        region: str | None = None,
        timeout_s: float = 30.0,
        reply_s: float = 120.0,
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{checked_key(prefix)}/" if prefix else ""
        self._credentials = credentials
        self._base = f"{'https' if secure else 'http'}://{endpoint}/{bucket}"  # of a bucket nothing needs encoding
        pool = _BlockwisePool(
            timeout=urllib3.Timeout(connect=timeout_s, read=reply_s),
            socket_options=_socket_options(timeout_s),
            retries=False,  # the uploader retries, for ever and with a log line; hidden retries would multiply that
            cert_reqs="CERT_REQUIRED",
            ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
        )
        try:
            self._client = Minio(
                endpoint,
                credentials.access_key if credentials else None,
                credentials.secret_key if credentials else None,
                secure=secure,
                region=region,
                http_client=pool,
            )
        except ValueError as error:
            raise ConfigError(f"store.url: {self._base}: {error}") from error

    def put(self, key: str, data: bytes, *, content_type: str, cache_control: str) -> None:
        if len(data) > MAX_OBJECT_BYTES:
            raise ValueError(f"{key}: {len(data)} bytes are more than one request carries")
        try:
            with self._errors(key):
                etag = self._put_creating_bucket(self._prefix + checked_key(key), data, content_type, cache_control)
        except StoreError:
            if self._holds(key, data):  # only the reply was lost
                return
            raise
        if etag != md5_hex(data) and self.get(key) != data:
            raise IntegrityError(f"{self.url(key)}: the store holds other bytes than were sent")

    def _put_creating_bucket(self, name: str, data: bytes, content_type: str, cache_control: str) -> str | None:
        try:
            return self._put(name, data, content_type, cache_control)
        except S3Error as error:
            if error.code != "NoSuchBucket":
                raise
        self._create_bucket()
        return self._put(name, data, content_type, cache_control)

    def _put(self, name: str, data: bytes, content_type: str, cache_control: str) -> str | None:
        result = self._client.put_object(
            self._bucket,
            name,
            io.BytesIO(data),
            len(data),
            content_type=content_type,
            metadata={"Cache-Control": cache_control},
            part_size=MAX_OBJECT_BYTES,  # never in parts: the ETag of a multipart object is no MD5
        )
        return _md5_of(result.etag)

    def _create_bucket(self) -> None:
        try:
            self._client.make_bucket(self._bucket)
        except S3Error as error:
            if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:  # another box was faster
                raise
            return
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": ["*"]},
            "Action": ["s3:GetObject"],
            "Resource": [f"arn:aws:s3:::{self._bucket}/*"],
        }
        self._client.set_bucket_policy(self._bucket, json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        _log.info("public_bucket_created", store=self._base)

    def _holds(self, key: str, data: bytes) -> bool:
        try:
            info = self.head(key)
            return info.bytes == len(data) and (info.md5 == md5_hex(data) if info.md5 else self.get(key) == data)
        except (StoreError, ConfigError):  # the first error is the one to tell
            return False

    def get(self, key: str) -> bytes:
        with self._errors(key):
            response = self._client.get_object(self._bucket, self._prefix + checked_key(key))
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()

    def head(self, key: str) -> ObjectInfo:
        name = self._prefix + checked_key(key)
        with self._errors(key):
            try:
                found = self._client.stat_object(self._bucket, name)
            except S3Error as error:
                if error.code == "AccessDenied":  # a reply to HEAD has no body: GET tells the reason (a wrong clock?)
                    self._client.get_object(self._bucket, name, length=1).close()
                raise
        return ObjectInfo(key, found.size or 0, _md5_of(found.etag))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        try:
            with self._errors(prefix):
                for found in self._client.list_objects(self._bucket, prefix=self._prefix + prefix, recursive=True):
                    if found.object_name and not found.is_dir:
                        key = found.object_name.removeprefix(self._prefix)
                        yield ObjectInfo(key, found.size or 0, _md5_of(found.etag))
        except ObjectNotFoundError:  # no bucket yet
            return

    def delete(self, key: str) -> None:
        try:
            with self._errors(key):
                self._client.remove_object(self._bucket, self._prefix + checked_key(key))
        except ObjectNotFoundError:
            return

    def url(self, key: str) -> str:
        return object_url(self._base, self._prefix + checked_key(key))

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Every error of client, HTTP and server as one of ours: one line, no secrets."""
        where = object_url(self._base, self._prefix + key)
        try:
            yield
        except S3Error as error:
            raise self._server_error(where, error) from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError, ParseError) as error:
            fault = tls_fault(error)
            said = TLS_WORDS.get(fault) or self._clean(str(error) or type(error).__name__)
            raise StoreError(f"{where}: {said}", fault) from error

    def _server_error(self, where: str, error: S3Error) -> Exception:
        code = error.code or "error"
        if code in _MISSING:
            return ObjectNotFoundError(f"{where}: {code}")
        if code in _CLOCK:
            return StoreError(f"{where}: {code}: the clock of this machine is wrong; it is tried again once it is set")
        if code == "BadDigest":
            return IntegrityError(f"{where}: the bytes were damaged on their way")
        if code in _REFUSED:
            unset = "" if self._credentials else " (no credentials are set)"
            return ConfigError(f"{where}: {code}: {_REFUSED[code]}{unset}")
        return StoreError(f"{where}: {code}: {self._clean(error.message or '')}")

    def _clean(self, text: str) -> str:
        if self._credentials:
            text = text.replace(self._credentials.secret_key, "***")
        return redacted(" ".join(text.split()))


def _md5_of(etag: str | None) -> str | None:
    """The MD5 an ETag is for objects sent in one piece; other ETags (encrypted, multipart) say nothing."""
    text = (etag or "").strip('"').lower()
    return text if len(text) == _MD5_LENGTH and all(c in "0123456789abcdef" for c in text) else None
