"""The line to an S3 server: connections that suit a thin line, signed requests, errors in our words.

What the `minio` client does not do by itself, and why it is done here, is in docs/adr/0007-object-store.md and
0022-one-publisher-and-parts.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, TypeVar
from xml.etree.ElementTree import ParseError

import certifi
import structlog
import urllib3
from minio import Minio
from minio.error import MinioException, S3Error, ServerError

from lesson.errors import ConfigError, IntegrityError, ObjectNotFoundError, StoreError
from process.beat import beat
from process.logs import redacted
from publish.address import object_url
from publish.body import Body, BodyReader, HeldBody
from publish.protocol import checked_key
from publish.tls_fault import TLS_WORDS, tls_fault

T = TypeVar("T")
_log = structlog.get_logger()
_SIGNED_FOR = timedelta(minutes=15)
"""A signed URL is used at once; S3 allows the clocks of signed headers as much."""
_SIGNED_TOO_LATE = re.compile(r"expired|not (yet )?valid", re.IGNORECASE)
_QUERY = re.compile(r"\?X-Amz-[^\s'\"]*|\?[^\s'\"]*X-Amz-[^\s'\"]*")
_MISSING = {"NoSuchKey", "NoSuchObject", "NoSuchBucket", "NoSuchUpload", "ResourceNotFound"}
_REFUSED = {
    "AccessDenied": "the key may not do this: give it read and write access to the bucket",
    "InvalidAccessKeyId": "the server does not know this access key: check store.access_key_env or _file",
    "SignatureDoesNotMatch": "the secret key is wrong: check store.secret_key_env or _file",
    "AllAccessDisabled": "the account is disabled: ask whoever runs the store",
    "AccountProblem": "the account is disabled: ask whoever runs the store",
    "InvalidBucketName": "the server does not allow this name for a bucket",
}
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair; its `repr` shows neither half."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


class _BlockwisePool(urllib3.PoolManager):
    """HTTP as a thin line needs it.

    A bytes body is sent in one `sendall`, whose time-out spans the whole body: at 64 kbit/s 30 s end after 240 kB.
    A file-like body goes in blocks of 16 kB, each with its own time-out and a sign of life. And over plain http the
    client signs a SHA-256 that some servers never compare with the body; Content-MD5 they do compare.
    """

    def urlopen(self, method: str, url: str, redirect: bool = True, **request: Any) -> urllib3.BaseHTTPResponse:  # type: ignore[override]
        body = request.get("body")
        if method == "PUT" and isinstance(body, bytes):
            digest = hashlib.md5(body, usedforsecurity=False).digest()
            request["headers"]["Content-MD5"] = base64.b64encode(digest).decode()
            request["headers"]["Content-Length"] = str(len(body))
            request["body"] = BodyReader(HeldBody(body), read=beat)
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


class S3Client:
    """A bucket at `endpoint` (`host[:port]`), addressed path style; keys lie below `prefix`. Opens no connection yet.

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
        self.bucket = bucket
        self.prefix = f"{checked_key(prefix)}/" if prefix else ""
        self.base = f"{'https' if secure else 'http'}://{endpoint}/{bucket}"  # of a bucket nothing needs encoding
        self._credentials = credentials
        self._pool = _BlockwisePool(
            timeout=urllib3.Timeout(connect=timeout_s, read=reply_s),
            socket_options=_socket_options(timeout_s),
            retries=False,  # the uploader retries, for ever and with a log line; hidden retries would multiply that
            cert_reqs="CERT_REQUIRED",
            ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
        )
        try:
            self.minio = Minio(
                endpoint,
                credentials.access_key if credentials else None,
                credentials.secret_key if credentials else None,
                secure=secure,
                region=region,
                http_client=self._pool,
            )
        except ValueError as error:
            raise ConfigError(f"store.url: {self.base}: {error}") from error

    def name(self, key: str) -> str:
        """The key in the bucket. Raises `ValueError`."""
        return self.prefix + checked_key(key)

    def url(self, key: str) -> str:
        """Where a reader finds the object."""
        return object_url(self.base, self.name(key))

    def send(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """One request through a signed URL, its body read block by block; for what the client has no public call.

        Raises:
            S3Error, ServerError: as the client's own calls do.
        """
        body = body or HeldBody(b"")
        signed = self.minio.get_presigned_url(
            method, self.bucket, self.name(key), expires=_SIGNED_FOR, extra_query_params=dict(query)
        )
        response = self._pool.urlopen(
            method,
            signed,
            body=BodyReader(body, read=beat),
            headers={**(headers or {}), "Content-Length": str(body.length)},
        )
        failed = response.status >= HTTPStatus.MULTIPLE_CHOICES
        if failed and not response.data:
            raise ServerError(f"server failed with HTTP status code {response.status}", response.status)
        if failed or re.search(rb"<Error[ >]", response.data):  # completing may fail after its 200 was sent
            raise S3Error.fromxml(response)
        return response

    def creating_bucket(self, call: Callable[[], T]) -> T:
        """What `call` gives; where its bucket is missing, the bucket is made and `call` made once more.

        Anyone who knows a URL may read a bucket made here, so that a player needs no key; the policy of a bucket that
        exists is never touched.
        """
        try:
            return call()
        except S3Error as error:
            if error.code != "NoSuchBucket":
                raise
        self._create_bucket()
        return call()

    def _create_bucket(self) -> None:
        try:
            self.minio.make_bucket(self.bucket)
        except S3Error as error:
            if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:  # another box was faster
                raise
            return
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": ["*"]},
            "Action": ["s3:GetObject"],
            "Resource": [f"arn:aws:s3:::{self.bucket}/*"],
        }
        self.minio.set_bucket_policy(self.bucket, json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        _log.info("public_bucket_created", store=self.base)

    @contextmanager
    def errors(self, key: str) -> Iterator[None]:
        """Every error of client, HTTP and server as one of ours: one line, no secrets."""
        where = object_url(self.base, self.prefix + key)
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
        if code in _CLOCK or (code == "AccessDenied" and _SIGNED_TOO_LATE.search(error.message or "")):
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
        return redacted(_QUERY.sub("?…", " ".join(text.split())))
