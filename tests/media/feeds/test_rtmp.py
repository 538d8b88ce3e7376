"""RTMP as an encoder speaks it, cut as any network may cut it, and what is no RTMP."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.feeds.rtmp.amf import RtmpError, read_values, written
from media.feeds.rtmp.chunks import ChunkReader, Message, Type, chunks
from media.feeds.rtmp.publishing import MOST_BEFORE, Publishing, SenderRefusedError, TalkPhase, flv_tag
from tests.kit import rtmp_client
from tests.kit.rtmp_client import KEY, NAME, asking, chunked, command, fields, media, number, text

CUTS = st.lists(st.integers(1, 4_000), max_size=30)
BODIES = st.lists(st.binary(max_size=700), max_size=6)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` in parts of these lengths, and the rest."""
    parts, at = [], 0
    for size in cuts:
        parts.append(data[at : at + size])
        at += size
    return [part for part in [*parts, data[at:]] if part]


def heard(talk: Publishing, data: bytes, cuts: list[int]) -> list[Message]:
    """What media it gives, granted as soon as it asks."""
    found: list[Message] = []
    for part in cut(data, cuts):
        talk.receive(part)
        if talk.phase is TalkPhase.ASKED:
            talk.grant()
        found += talk.media()
    return found


@given(CUTS, BODIES, st.sampled_from([0, 0xFFFFF0, 0xFFFFFFF0]))
def test_however_it_is_cut_the_same_is_understood(cuts: list[int], bodies: list[bytes], first_at: int) -> None:
    at = [(first_at + 40 * n) for n in range(len(bodies)) if first_at + 40 * n <= 0xFFFFFFFF]
    said = asking() + media(bodies[: len(at)], first_at=first_at)
    found = heard(Publishing(NAME, KEY), said, cuts)
    assert [(one.type, one.at, one.body) for one in found] == [
        (Type.VIDEO, when, body) for when, body in zip(at, bodies, strict=False)
    ]


@given(CUTS, st.text(max_size=30).filter(lambda key: key != KEY))
def test_another_key_is_refused_however_it_is_cut_and_never_repeated(cuts: list[int], key: str) -> None:
    talk = Publishing(NAME, KEY)
    with pytest.raises(SenderRefusedError) as caught:
        heard(talk, asking(key=key) + media([b"x"]), cuts)
    assert talk.phase is TalkPhase.OVER
    assert str(caught.value) == "wrong stream key"
    assert b"NetStream.Publish.BadName" in talk.to_send()
    assert not list(talk.media())


@pytest.mark.parametrize("name", ["", "other", "screen2", f"screen/{KEY}"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(SenderRefusedError):
        heard(Publishing(NAME, KEY), asking(name=name), [])


def test_a_key_with_a_slash_may_be_split_by_the_encoder() -> None:
    talk = Publishing(NAME, "one/two/three")
    talk.receive(asking(name="screen/one", key="two/three"))
    assert talk.phase is TalkPhase.ASKED


def test_no_key_counts_without_a_name_before_it() -> None:
    said = rtmp_client.HANDSHAKE + command("publish", number(5), b"\x05", text(KEY))
    with pytest.raises(SenderRefusedError):
        Publishing(NAME, KEY).receive(said)


def test_nothing_is_taken_before_it_is_granted() -> None:
    talk = Publishing(NAME, KEY)
    talk.receive(asking() + media([b"first"]))
    assert talk.phase is TalkPhase.ASKED
    assert not list(talk.media())
    assert b"NetStream.Publish.Start" not in talk.to_send()
    talk.grant()
    assert b"NetStream.Publish.Start" in talk.to_send()
    assert [message.body for message in talk.media()] == [b"first"]


def test_it_says_farewell() -> None:
    talk = Publishing(NAME, KEY)
    farewell = command("deleteStream", number(6), b"\x05", number(1))
    assert len(heard(talk, asking() + media([b"a"]) + farewell + media([b"b"]), [])) == 1
    assert talk.phase is TalkPhase.OVER


def test_a_ping_is_answered() -> None:
    talk = Publishing(NAME, KEY)
    talk.receive(rtmp_client.HANDSHAKE + chunked(b"\x00\x06\x01\x02\x03\x04", 4, number=2))
    assert talk.to_send().endswith(b"\x00\x07\x01\x02\x03\x04")


@given(st.binary(max_size=6_000), CUTS, st.integers(0, 3))
def test_what_is_no_rtmp_is_at_worst_an_error_of_ours(junk: bytes, cuts: list[int], after: int) -> None:
    said = [b"", rtmp_client.HANDSHAKE, asking()[:-20], asking()][after]
    try:
        heard(Publishing(NAME, KEY), said + junk, cuts)
    except RtmpError:
        return


@given(st.integers(0, 5_000), st.integers(0, 255))
def test_one_wrong_byte_is_at_worst_an_error_of_ours(at: int, wrong: int) -> None:
    said = bytearray(asking() + media([b"x" * 300]))
    said[at % len(said)] = wrong
    try:
        heard(Publishing(NAME, KEY), bytes(said), [])
    except RtmpError:
        return


def test_commands_without_end_are_not_waited_for() -> None:
    talk = Publishing(NAME, KEY)
    talk.receive(rtmp_client.HANDSHAKE)
    with pytest.raises(RtmpError, match="too long"):
        talk.receive(chunked(b"x" * (MOST_BEFORE + 1), 20)[:50])


def test_unfinished_messages_of_many_streams_are_bounded_together() -> None:
    reader = ChunkReader(10_000)
    said = b"".join(chunked(bytes(5_000), 9, number=stream)[:140] for stream in range(3, 60))
    reader.add(said)
    with pytest.raises(RtmpError, match="too long"):
        list(reader.messages())


def test_chunk_streams_are_counted() -> None:
    reader = ChunkReader(10_000)
    reader.add(b"".join(chunked(b"x", 9, number=stream) for stream in range(3, 600)))
    with pytest.raises(RtmpError, match="too many"):
        list(reader.messages())


def test_deep_and_endless_values_are_refused() -> None:
    for body in (b"\x03\x00\x01a" * 50, b"\x0a\xff\xff\xff\xff\x05", b"\x02\xff\xff", b"\x99"):
        with pytest.raises(RtmpError):
            read_values(body)


def test_values_are_read_as_they_were_written() -> None:
    data = written("onStatus", 1.0, None, {"code": "x", "n": 2.0})
    assert read_values(data) == ["onStatus", 1.0, None, {"code": "x", "n": 2.0}]
    assert read_values(fields(a=number(3), b=b"\x01\x01", c=b"\x08\x00\x00\x00\x00\x00\x00\x09")) == [
        {"a": 3.0, "b": True, "c": {}}
    ]


@given(st.binary(max_size=900), st.sampled_from([128, 200, 4096]), CUTS)
def test_what_is_said_in_chunks_is_read_back(body: bytes, size: int, cuts: list[int]) -> None:
    reader, found = ChunkReader(10_000), []
    said = chunked(struct_size(size), 1, number=2) + chunks(Message(20, 7, 1, body), size)
    for part in cut(said, cuts):
        reader.add(part)
        found += reader.messages()
    assert found == [Message(20, 7, 1, body)]


def struct_size(size: int) -> bytes:
    return size.to_bytes(4, "big")


def test_a_time_step_goes_on_where_a_header_says_nothing() -> None:
    """Forms 1, 2 and 3 (5.3.1.2): the step since the message before, then the same step again."""
    reader = ChunkReader(1_000)
    body = b"ab"
    reader.add(chunked(body, 8, at=1_000, stream=1, number=4))
    reader.add(bytes([1 << 6 | 4]) + b"\x00\x00\x14" + b"\x00\x00\x02" + b"\x09" + body)
    reader.add(bytes([2 << 6 | 4]) + b"\x00\x00\x28" + body)
    reader.add(bytes([3 << 6 | 4]) + body)
    assert [(one.type, one.at, one.stream) for one in reader.messages()] == [
        (8, 1_000, 1),
        (9, 1_020, 1),
        (9, 1_060, 1),
        (9, 1_100, 1),
    ]


def test_a_tag_is_what_flv_wants() -> None:
    told = flv_tag(Message(Type.DATA, 0, 1, text("@setDataFrame") + text("onMetaData") + fields()))
    assert told[11:-4] == text("onMetaData") + fields()
    late = flv_tag(Message(Type.VIDEO, 0x12345678, 1, b"xyz"))
    assert late == b"\x09\x00\x00\x03\x34\x56\x78\x12\x00\x00\x00xyz\x00\x00\x00\x0e"


def test_a_long_stream_leaves_nothing_in_memory() -> None:
    talk = Publishing(NAME, KEY)
    heard(talk, asking(), [])
    part = media([bytes(60_000)])
    tracemalloc.start()
    for _ in range(60):
        talk.receive(part)
        assert len(list(talk.media())) == 1
        talk.to_send()
    assert tracemalloc.get_traced_memory()[0] < 1_000_000
    tracemalloc.stop()
