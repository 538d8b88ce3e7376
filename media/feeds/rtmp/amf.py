"""AMF0, in which RTMP's commands are written: Adobe's "Action Message Format -- AMF 0". Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping

MOST_DEPTH = 8
"""Objects in objects; an encoder's `connect` has two."""

_NUMBER, _BOOLEAN, _STRING, _OBJECT, _NULL, _UNDEFINED, _ECMA_ARRAY, _END, _STRICT_ARRAY, _DATE, _LONG_STRING = (
    *range(4), 5, 6, 8, 9, 10, 11, 12
)  # fmt: skip

Value = float | bool | str | None | dict[str, "Value"] | list["Value"]


class RtmpError(ValueError):
    """What was sent is not what RTMP says it should be."""


class _AmfReader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def over(self) -> bool:
        return self._at >= len(self._data)

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise RtmpError("a command that ends too soon")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self, length_bytes: int = 2) -> str:
        return self.take(self.number(length_bytes)).decode("utf-8", "replace")

    def value(self, depth: int = 0) -> Value:
        if depth > MOST_DEPTH:
            raise RtmpError("a command whose objects lie too deep in each other")
        marker = self.number(1)
        match marker:
            case 0:
                return float(struct.unpack(">d", self.take(8))[0])
            case 1:
                return self.number(1) != 0
            case 2 | 12:
                return self.text(2 if marker == _STRING else 4)
            case 3 | 8:
                if marker == _ECMA_ARRAY:
                    self.take(4)  # how many there are, which is only a hint
                return self._object(depth)
            case 5 | 6:
                return None
            case 10:
                return [self.value(depth + 1) for _ in range(self._count())]
            case 11:
                self.take(10)
                return None
            case _:
                raise RtmpError(f"a command with a value of the unknown type {marker}")

    def _count(self) -> int:
        """Of an array: no more values than bytes are left, as each has one at least."""
        count = self.number(4)
        if count > len(self._data) - self._at:
            raise RtmpError("an array that is longer than its command")
        return count

    def _object(self, depth: int) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while True:
            name = self.text()
            if not name and self._data[self._at : self._at + 1] == bytes([_END]):
                self.take(1)
                return found
            found[name] = self.value(depth + 1)


def read_values(data: bytes) -> list[Value]:
    """All values that `data` holds. Raises `RtmpError`."""
    reader = _AmfReader(data)
    values: list[Value] = []
    while not reader.over:
        values.append(reader.value())
    return values


def first_text(data: bytes) -> tuple[str, int]:
    """The string that `data` begins with, or an empty one, and where the next value begins. Raises `RtmpError`."""
    if data[:1] != bytes([_STRING]):
        return "", 0
    text = _AmfReader(data[1:]).text()
    return text, 3 + int.from_bytes(data[1:3], "big")


def written(*values: float | str | Mapping[str, float | str] | None) -> bytes:
    """These values, one after the other. Strings must be shorter than 64 KB."""
    return b"".join(map(_written, values))


def _written(value: float | str | Mapping[str, float | str] | None) -> bytes:
    if value is None:
        return bytes([_NULL])
    if isinstance(value, str):
        return bytes([_STRING]) + _name(value)
    if isinstance(value, Mapping):
        fields = b"".join(_name(name) + _written(one) for name, one in value.items())
        return bytes([_OBJECT]) + fields + _name("") + bytes([_END])
    return bytes([_NUMBER]) + struct.pack(">d", value)


def _name(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data
