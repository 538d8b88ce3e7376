"""Speaks to an S3 server: signed requests over connections that suit a thin line, errors in our words.

What the `minio` client does not do by itself, and why it is done here, is in docs/adr/0007-object-store.md and
0022-one-publisher-and-parts.md.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TypeVar
from xml.etree.ElementTree import ParseError

import certifi
import structlog
import urllib3
from minio import Minio
from minio.error import MinioException, S3Error, ServerError

from lesson.errors import ConfigError, IntegrityError, ObjectNotFoundError, StoreError
from lesson.store_fault import StoreFault
from process.beat import beat
from process.logs import redacted
from publish.address import object_url
from publish.body import Body, BodyReader, HeldBody
from publish.hang import HangWatch
from publish.protocol import checked_key
from publish.s3_http import ThinLinePool, socket_options
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
    "ExpiredToken": "the key has expired: put a new pair where store.access_key_env or _file points",
    "InvalidToken": "the key is one of those that expire, or is cut short: put a lasting pair in its place",
    "TokenRefreshRequired": "the key has expired: put a new pair where store.access_key_env or _file points",
    "AllAccessDisabled": "the account is disabled: ask whoever runs the store",
    "AccountProblem": "the account is disabled: ask whoever runs the store",
    "InvalidBucketName": "the server does not allow this name for a bucket",
}
_POOL = re.compile(r"\b\w+Pool\(host='[^']*', port=\d+\): ?")
_UNREACHED = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
NO_ANSWER = "the store takes the question and does not answer"
MAX_SAID = 300
"""Characters of an error that are repeated, where a server says more."""
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair; its `repr` shows neither half."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


class S3Client:
    """A bucket at `endpoint` (`host[:port]`), addressed path style; keys lie below `prefix`. Opens no connection yet.

    `timeout_s` bounds connecting, handing over one block and hearing nothing from the peer's TCP; `reply_s` bounds the
    wait for the reply, which on a thin line spans what lies in the send buffer: 120 s carry 0.96 MB at 64 kbit/s. Long
    before that the process says that its store hangs, if it does (`publish.hang`).
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
        self._watch = HangWatch(self.base, give_up_s=reply_s)
        self._pool = ThinLinePool(
            self._watch,
            timeout=urllib3.Timeout(connect=timeout_s, read=reply_s),
            socket_options=socket_options(timeout_s),
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
    def request(self, key: str) -> Iterator[None]:
        """While a request about `key` is under way: a server that hangs is noticed, and every error of client, HTTP and
        server is one of ours, one line without secrets.
        """
        where = object_url(self.base, self.prefix + key)
        try:
            with self._watch.watching():
                yield
        except S3Error as error:
            raise self._server_error(where, error) from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError, ParseError) as error:
            fault = StoreFault.UNREACHED if isinstance(error, _UNREACHED) else tls_fault(error)
            silent = self._watch.gave_up or isinstance(error, urllib3.exceptions.ReadTimeoutError)
            words = NO_ANSWER if silent else TLS_WORDS.get(fault)
            said = words or self._clean(str(error) or type(error).__name__)
            raise StoreError(f"{where}: {said}", fault) from error

    def _server_error(self, where: str, error: S3Error) -> Exception:
        code = error.code or "error"
        if code in _MISSING:
            return ObjectNotFoundError(f"{where}: {code}")
        if code in _CLOCK or (code == "AccessDenied" and _SIGNED_TOO_LATE.search(error.message or "")):
            said = "the clock of this machine is wrong; it is tried again once it is set"
            return StoreError(f"{where}: {code}: {said}", StoreFault.CLOCK)
        if code == "BadDigest":
            return IntegrityError(f"{where}: the bytes were damaged on their way")
        if code in _REFUSED:
            unset = "" if self._credentials else " (no credentials are set)"
            return ConfigError(f"{where}: {code}: {_REFUSED[code]}{unset}")
        return StoreError(f"{where}: {code}: {self._clean(error.message or '')}")

    def _clean(self, text: str) -> str:
        if self._credentials:
            text = text.replace(self._credentials.secret_key, "***")
        return redacted(_QUERY.sub("?…", _POOL.sub("", " ".join(text.split()))))[:MAX_SAID]
