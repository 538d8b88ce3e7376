"""Objects in parts on an S3 server: its five multipart calls, through URLs that the client signs (docs/adr/0022)."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from typing import Protocol
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

from minio.datatypes import ListPartsResult

from lesson.errors import IntegrityError, ObjectNotFoundError, StoreError
from publish.body import Body, HeldBody, md5_of
from publish.protocol import ObjectInfo, Part, Upload, etag_of_parts
from publish.s3_client import S3Client


class _Heads(Protocol):
    def head(self, key: str) -> ObjectInfo: ...


class S3Parts:
    """`PartStore` of the bucket that `s3` speaks to; `objects` tells what became of an upload."""

    def __init__(self, s3: S3Client, objects: _Heads) -> None:
        self._s3 = s3
        self._objects = objects

    def start(self, key: str, *, content_type: str, cache_control: str) -> Upload:
        headers = {"Content-Type": content_type, "Cache-Control": cache_control}
        with self._s3.request(key):
            reply = self._s3.creating_bucket(lambda: self._s3.send("POST", key, {"uploads": ""}, headers=headers)).data
            upload_id = fromstring(reply).findtext("{*}UploadId")  # noqa: S314 the store's own reply
        if not upload_id:
            raise StoreError(f"{self._s3.url(key)}: the reply names no upload")
        return Upload(key, upload_id)

    def put_part(self, upload: Upload, number: int, body: Body) -> Part:
        md5 = md5_of(body)
        headers = {"Content-MD5": base64.b64encode(bytes.fromhex(md5)).decode()}
        query = {"partNumber": str(number), "uploadId": upload.id}
        with self._s3.request(upload.key):
            reply = self._s3.send("PUT", upload.key, query, body, headers)
        if reply.headers.get("ETag", "").strip('"').lower() != md5:
            raise IntegrityError(f"{self._s3.url(upload.key)}: the store holds another part {number} than was sent")
        return Part(number, body.length, md5)

    def parts(self, upload: Upload) -> list[Part]:
        found: list[Part] = []
        marker = "0"
        while marker:
            query = {"uploadId": upload.id, "part-number-marker": marker}
            with self._s3.request(upload.key):
                page = ListPartsResult(self._s3.send("GET", upload.key, query))
            found += [Part(part.part_number, part.size or 0, part.etag.lower()) for part in page.parts]
            marker = page.next_part_number_marker or "" if page.is_truncated else ""
        numbers = Counter(part.number for part in found)  # SeaweedFS lists every version of a part
        return [part for part in found if numbers[part.number] == 1]

    def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        root = Element("CompleteMultipartUpload")
        for part in sorted(parts, key=lambda part: part.number):
            entry = SubElement(root, "Part")
            SubElement(entry, "PartNumber").text = str(part.number)
            SubElement(entry, "ETag").text = part.etag
        body = HeldBody(tostring(root))
        try:
            with self._s3.request(upload.key):
                self._s3.send("POST", upload.key, {"uploadId": upload.id}, body)
        except StoreError:
            if not self._is_complete(upload, parts):  # else only the reply was lost
                raise
            return
        if not self._is_complete(upload, parts):
            raise IntegrityError(f"{self._s3.url(upload.key)}: the store holds another object than was sent in parts")

    def _is_complete(self, upload: Upload, parts: Sequence[Part]) -> bool:
        try:
            info = self._objects.head(upload.key)
        except ObjectNotFoundError:
            return False
        etags = [part.etag for part in sorted(parts, key=lambda part: part.number)]
        return info.bytes == sum(part.bytes for part in parts) and info.etag == etag_of_parts(etags)

    def abort(self, upload: Upload) -> None:
        try:
            with self._s3.request(upload.key):
                self._s3.send("DELETE", upload.key, {"uploadId": upload.id})
        except ObjectNotFoundError:
            return
