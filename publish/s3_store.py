"""Any S3-compatible server as object store: whole objects through the `minio` client, larger ones in parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from minio.error import S3Error

from lesson.errors import ConfigError, IntegrityError, ObjectNotFoundError, StoreError
from publish.body import BLOCK, Body, BodyReader, md5_of
from publish.protocol import MAX_WHOLE_BYTES, ObjectInfo
from publish.s3_client import S3Client
from publish.s3_parts import S3Parts

_MD5_LENGTH = 32


class S3Store:
    """The objects of the bucket that `s3` speaks to."""

    def __init__(self, s3: S3Client) -> None:
        self.in_parts = S3Parts(s3, self)
        self._s3 = s3

    def put(self, key: str, body: Body, *, content_type: str, cache_control: str) -> None:
        if body.length > MAX_WHOLE_BYTES:
            raise ValueError(f"{key}: {body.length} bytes are more than one request carries")
        md5 = md5_of(body)
        try:
            with self._s3.request(key):
                etag = self._s3.creating_bucket(lambda: self._put(key, body, content_type, cache_control))
        except StoreError:
            if self._holds(key, body.length, md5):  # only the reply was lost
                return
            raise
        if etag != md5 and self._md5_read_back(key) != md5:
            raise IntegrityError(f"{self.url(key)}: the store holds other bytes than were sent")

    def _put(self, key: str, body: Body, content_type: str, cache_control: str) -> str | None:
        result = self._s3.minio.put_object(
            self._s3.bucket,
            self._s3.name(key),
            BodyReader(body),  # type: ignore[arg-type]  # it is only read from
            body.length,
            content_type=content_type,
            metadata={"Cache-Control": cache_control},
            part_size=MAX_WHOLE_BYTES,  # never in parts: the ETag of a multipart object is no MD5
        )
        return _md5_of_etag(result.etag)

    def _holds(self, key: str, length: int, md5: str) -> bool:
        try:
            info = self.head(key)
            return info.bytes == length and (info.md5 or self._md5_read_back(key)) == md5
        except (StoreError, ConfigError):  # the first error is the one to tell
            return False

    def _md5_read_back(self, key: str) -> str:
        digest = hashlib.md5(usedforsecurity=False)
        for block in self.blocks(key):
            digest.update(block)
        return digest.hexdigest()

    def get(self, key: str) -> bytes:
        return b"".join(self.blocks(key))

    def blocks(self, key: str) -> Iterator[bytes]:
        with self._s3.request(key):
            response = self._s3.minio.get_object(self._s3.bucket, self._s3.name(key))
            try:
                yield from response.stream(BLOCK)
            finally:
                response.close()
                response.release_conn()

    def head(self, key: str) -> ObjectInfo:
        name = self._s3.name(key)
        with self._s3.request(key):
            try:
                found = self._s3.minio.stat_object(self._s3.bucket, name)
            except S3Error as error:
                if error.code == "AccessDenied":  # a reply to HEAD has no body: GET tells the reason (a wrong clock?)
                    self._s3.minio.get_object(self._s3.bucket, name, length=1).close()
                raise
        return _info(key, found.size, found.etag)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        try:
            with self._s3.request(prefix):
                for found in self._s3.minio.list_objects(
                    self._s3.bucket, prefix=self._s3.prefix + prefix, recursive=True
                ):
                    if found.object_name and not found.is_dir:
                        yield _info(found.object_name.removeprefix(self._s3.prefix), found.size, found.etag)
        except ObjectNotFoundError:  # no bucket yet
            return

    def delete(self, key: str) -> None:
        try:
            with self._s3.request(key):
                self._s3.minio.remove_object(self._s3.bucket, self._s3.name(key))
        except ObjectNotFoundError:
            return

    def url(self, key: str) -> str:
        return self._s3.url(key)


def _info(key: str, size: int | None, etag: str | None) -> ObjectInfo:
    return ObjectInfo(key, size or 0, _md5_of_etag(etag), (etag or "").strip('"').lower() or None)


def _md5_of_etag(etag: str | None) -> str | None:
    """The MD5 an ETag is for objects sent in one piece; other ETags (encrypted, multipart) say nothing."""
    text = (etag or "").strip('"').lower()
    return text if len(text) == _MD5_LENGTH and all(c in "0123456789abcdef" for c in text) else None
