"""An object store in memory: the fake that passes the same conformance suite as the real ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lesson.errors import IntegrityError, ObjectNotFoundError
from publish.body import Body
from publish.protocol import ObjectInfo, Part, Upload, checked_key, etag_of_parts, md5_hex


class MemoryStore:
    """Objects are entries of `objects`; `headers` keeps their content type and cache control."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.headers: dict[str, tuple[str, str]] = {}
        self.in_parts = MemoryParts(self)

    def put(self, key: str, body: Body, *, content_type: str, cache_control: str) -> None:
        self.objects[checked_key(key)] = b"".join(body.blocks())
        self.headers[key] = (content_type, cache_control)

    def get(self, key: str) -> bytes:
        try:
            return self.objects[checked_key(key)]
        except KeyError:
            raise ObjectNotFoundError(f"{self.url(key)}: no such object") from None

    def blocks(self, key: str) -> Iterator[bytes]:
        yield self.get(key)

    def head(self, key: str) -> ObjectInfo:
        data = self.get(key)
        etag = self.in_parts.etags.get(data)
        return ObjectInfo(key, len(data), None if etag else md5_hex(data), etag or md5_hex(data))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        for key in sorted(key for key in self.objects if key.startswith(prefix)):
            yield self.head(key)

    def delete(self, key: str) -> None:
        self.objects.pop(checked_key(key), None)
        self.headers.pop(key, None)

    def url(self, key: str) -> str:
        return f"memory:///{checked_key(key)}"


class MemoryParts:
    """`uploads` keeps the parts of what is not complete; `etags` what S3 calls objects that came in parts."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._headers: dict[Upload, tuple[str, str]] = {}
        self.uploads: dict[Upload, dict[int, bytes]] = {}
        self.etags: dict[bytes, str] = {}

    def start(self, key: str, *, content_type: str, cache_control: str) -> Upload:
        upload = Upload(checked_key(key), str(len(self._headers)))
        self._headers[upload] = (content_type, cache_control)
        self.uploads[upload] = {}
        return upload

    def _held(self, upload: Upload) -> dict[int, bytes]:
        try:
            return self.uploads[upload]
        except KeyError:
            raise ObjectNotFoundError(f"{self._store.url(upload.key)}: no such upload") from None

    def put_part(self, upload: Upload, number: int, body: Body) -> Part:
        data = b"".join(body.blocks())
        self._held(upload)[number] = data
        return Part(number, len(data), md5_hex(data))

    def parts(self, upload: Upload) -> list[Part]:
        return [Part(number, len(data), md5_hex(data)) for number, data in sorted(self._held(upload).items())]

    def complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        parts = sorted(parts, key=lambda part: part.number)
        etag = etag_of_parts([part.etag for part in parts])
        if upload not in self.uploads and self.etags.get(self._store.objects.get(upload.key, b"")) == etag:
            return
        held = self._held(upload)
        if [part for part in parts if md5_hex(held.get(part.number, b"")) != part.etag]:
            raise IntegrityError(f"{self._store.url(upload.key)}: other parts are held than are to make the object")
        data = b"".join(held[part.number] for part in parts)
        self._store.objects[upload.key], self._store.headers[upload.key] = data, self._headers[upload]
        self.etags[data] = etag
        del self.uploads[upload]

    def abort(self, upload: Upload) -> None:
        self.uploads.pop(upload, None)
