"""An object store in memory: the fake that passes the same conformance suite as the real ones."""

from __future__ import annotations

from collections.abc import Iterator

from lesson.errors import ObjectNotFoundError
from publish.protocol import ObjectInfo, checked_key, md5_hex


class MemoryStore:
    """Objects are entries of `objects`; `headers` keeps their content type and cache control."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.headers: dict[str, tuple[str, str]] = {}

    def put(self, key: str, data: bytes, *, content_type: str, cache_control: str) -> None:
        self.objects[checked_key(key)] = bytes(data)
        self.headers[key] = (content_type, cache_control)

    def get(self, key: str) -> bytes:
        try:
            return self.objects[checked_key(key)]
        except KeyError:
            raise ObjectNotFoundError(f"{self.url(key)}: no such object") from None

    def head(self, key: str) -> ObjectInfo:
        data = self.get(key)
        return ObjectInfo(key, len(data), md5_hex(data))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        for key in sorted(key for key in self.objects if key.startswith(prefix)):
            yield self.head(key)

    def delete(self, key: str) -> None:
        self.objects.pop(checked_key(key), None)
        self.headers.pop(key, None)

    def url(self, key: str) -> str:
        return f"memory:///{checked_key(key)}"
