"""Journal lines: they come back as they went, and nothing altered is taken for sound."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.errors import LessonFormatError
from lesson.records import (
    RECORD_TYPES,
    DamagedLineError,
    FrozenUntil,
    Origin,
    SourceLost,
    Unknown,
    decode_line,
    encode_line,
)
from lesson.time import Span
from tests.kit.lessons import moment
from tests.kit.strategies import records, spans

LINE = encode_line(SourceLost(source="teacher", epoch=3, at=moment(5), reason="unplugged"))


def line_of(text: bytes) -> bytes:
    """A line with a sound CRC around any text that ends with a brace."""
    body = text[:-1]
    return body + f',"crc":"{zlib.crc32(body):08x}"}}\n'.encode()


@given(records)
def test_every_record_comes_back(record: object) -> None:
    line = encode_line(record)  # type: ignore[arg-type]
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode_line(line) == record
    assert json.loads(line)["type"] == type(record).__name__


def test_absent_values_come_back() -> None:
    assert decode_line(encode_line(Origin(at=moment(), master=None))) == Origin(at=moment(), master=None)


@pytest.mark.parametrize("at", range(len(LINE) - 1))
def test_no_flipped_bit_goes_unnoticed(at: int) -> None:
    for bit in range(8):
        altered = bytearray(LINE)
        altered[at] ^= 1 << bit
        with pytest.raises(DamagedLineError):
            decode_line(bytes(altered))


@pytest.mark.parametrize("length", range(len(LINE) - 1))
def test_no_beginning_of_a_line_is_a_line(length: int) -> None:
    with pytest.raises(DamagedLineError):
        decode_line(LINE[:length])


@given(st.binary(max_size=300))
def test_noise_is_damage(noise: bytes) -> None:
    with pytest.raises(LessonFormatError):
        decode_line(noise)


def test_later_versions_may_add_types_and_fields() -> None:
    assert decode_line(line_of(b'{"type":"Teleported","to":"Mars"}')) == Unknown("Teleported")
    assert decode_line(line_of(b'{"type":"FrozenUntil","at":7,"mood":{"x":[1]}}')) == FrozenUntil(at=7)
    assert len(RECORD_TYPES) > 15


@pytest.mark.parametrize(
    "text",
    [
        b"[1,2]",
        b"{}",
        b'{"type":["FrozenUntil"],"at":1}',
        b'{"type":"FrozenUntil"}',
        b'{"type":"FrozenUntil","at":"soon"}',
        b'{"type":"Shot","span":{"start":9,"end":3},"layout":"full","sources":[],"reason":""}',
        b'{"type":"Shot","span":{"start":1,"end":3},"layout":"hologram","sources":[],"reason":""}',
        b'{"type":"FrozenUntil","at":7' + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"type":"FrozenUntil","at":\xff}',
    ],
    ids=lambda text: text[:40].decode(errors="replace"),
)
def test_sound_lines_that_say_nothing_usable_are_refused_as_such(text: bytes) -> None:
    try:
        found = decode_line(line_of(text))
    except DamagedLineError:
        raise
    except LessonFormatError:
        return
    assert isinstance(found, Unknown)


def test_file_names_that_are_no_utf8_are_written_and_read() -> None:
    record = SourceLost(source="teacher", epoch=0, at=moment(), reason="caf\udce9.mp4: no such file")
    line = encode_line(record)
    assert b"caf\\udce9.mp4" in line
    assert decode_line(line) == record


def test_newlines_and_quotes_stay_inside_the_line() -> None:
    record = SourceLost(source="t", epoch=0, at=moment(), reason='two\nlines\r and ","crc":"00000000"}\n')
    assert decode_line(encode_line(record)) == record


@given(st.sampled_from(["SegmentUnseen", "SegmentUnheard"]), spans.filter(lambda span: not span.empty))
def test_a_part_that_ends_before_it_begins_is_no_record(name: str, span: Span) -> None:
    fields = {"type": name, "source": "teacher", "epoch": 0, "seq": 0, "start": span.end, "end": span.start}
    with pytest.raises(LessonFormatError, match="ends before it starts"):
        decode_line(line_of(json.dumps(fields).encode()))
