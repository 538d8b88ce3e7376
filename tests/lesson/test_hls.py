from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson import hls
from lesson.bitrate import BitRate
from lesson.ladders import ladder
from lesson.model import ChunkRecord, Kind, LessonHeader
from lesson.records import ChunkEncoded, FrozenUntil, Origin, RenditionStarted
from lesson.state import LessonState
from lesson.time import TICKS_PER_SECOND, Span
from tests.kit.lessons import header, moment, source
from tests.kit.playlists import attributes, check_media, check_multivariant, check_strictly

THIN = ladder("thin")


def state_of(
    *, end: int, bytes_of: int = 20_000, names: tuple[str, ...] | None = None, **fields: object
) -> LessonState:
    """A state with every chunk up to `end` ticks encoded, each of `bytes_of` bytes."""
    head: LessonHeader = header("lesson", **{"ladder": THIN, **fields})
    state = LessonState(head)
    state.apply(Origin(at=moment(2.5), master="mic"))
    for rendition in head.ladder:
        if names is not None and rendition.name not in names:
            continue
        codecs = "mp4a.40.2" if rendition.kind is Kind.AUDIO else "avc1.64000c"
        init = f"enc/{rendition.name}/init.mp4"
        state.apply(
            RenditionStarted(
                rendition=rendition.name, digest="", codecs=codecs, init_path=init, init_bytes=9, init_sha256=""
            )
        )
        for index, span in enumerate(head.grid.spans(end)):
            state.apply(ChunkEncoded(chunk=chunk(rendition.name, index, span, bytes_of)))
    state.apply(FrozenUntil(at=end, final=True))
    return state


def chunk(name: str, index: int, span: Span, size: int) -> ChunkRecord:
    return ChunkRecord(
        rendition=name, index=index, span=span, path=f"enc/{name}/{index:06d}.m4s", bytes=size, sha256="", inputs=""
    )


@pytest.mark.parametrize("final", [False, True])
def test_media_playlist_names_chunks_in_order_and_passes_the_judges(tmp_path: Path, final: bool) -> None:
    state = state_of(end=2 * 184_320 + 7 * 1_920)
    text = hls.media_playlist(state, "v360", chunks=3, final=final)
    assert check_media(text, final=final) == [(3.84, "000000.m4s"), (3.84, "000001.m4s"), (0.28, "000002.m4s")]
    assert '#EXT-X-MAP:URI="init.mp4"\n' in text
    check_strictly(text, folder=tmp_path)


def test_live_playlist_only_grows() -> None:
    state = state_of(end=5 * 184_320)
    texts = [hls.media_playlist(state, "voice", chunks=count, final=False) for count in range(1, 6)]
    for shorter, longer in pairwise(texts):
        assert longer.startswith(shorter)
    final = hls.media_playlist(state, "voice", chunks=5, final=True)
    assert final == texts[-1].replace("EVENT", "VOD") + "#EXT-X-ENDLIST\n"


def test_media_playlist_refuses_what_it_cannot_name() -> None:
    state = state_of(end=2 * 184_320)
    for count in (0, 3):
        with pytest.raises(ValueError, match="2 there"):
            hls.media_playlist(state, "v180", chunks=count, final=False)
    with pytest.raises(KeyError):
        hls.media_playlist(state, "v999", chunks=1, final=False)
    with pytest.raises(ValueError, match="0 there"):
        hls.media_playlist(state_of(end=184_320, names=("voice",)), "v180", chunks=1, final=False)


def test_multivariant_playlist_live_declares_the_caps(tmp_path: Path) -> None:
    state = state_of(end=184_320)
    text = hls.multivariant_playlist(state)
    variants = check_multivariant(text)
    assert [variant["URI"] for variant in variants] == [f"{r.name}/index.m3u8" for r in THIN]
    voice, *rungs = THIN
    containers = 3_000  # bit/s for each of the two tracks
    caps = [rung.maxrate + voice.bitrate + 2 * containers for rung in rungs]
    assert [int(variant["BANDWIDTH"]) for variant in variants] == [voice.bitrate + containers, *caps]
    assert int(variants[1]["BANDWIDTH"]) < 64_000, "the lowest rung with its voice fits the thinnest line"
    assert variants[0].get("RESOLUTION") is None
    assert variants[0]["CODECS"] == "mp4a.40.2"
    assert variants[1] | {"BANDWIDTH": "", "AVERAGE-BANDWIDTH": ""} == {
        "BANDWIDTH": "",
        "AVERAGE-BANDWIDTH": "",
        "CODECS": "avc1.64000c,mp4a.40.2",
        "RESOLUTION": "320x180",
        "FRAME-RATE": "6.250",
        "AUDIO": "audio",
        "URI": "v180/index.m3u8",
    }
    assert [variant.get("FRAME-RATE") for variant in variants[1:]] == [
        f"{25 / rung.frame_divisor:.3f}" for rung in rungs
    ]
    media = attributes(next(line for line in text.splitlines() if line.startswith("#EXT-X-MEDIA")))
    assert media == {
        "TYPE": "AUDIO", "GROUP-ID": "audio", "NAME": "voice", "DEFAULT": "YES", "AUTOSELECT": "YES", "CHANNELS": "1",
        "URI": "voice/index.m3u8",
    }  # fmt: skip
    check_strictly(text, hls.multivariant_playlist(state, final=True), folder=tmp_path)


def test_multivariant_playlist_final_declares_measured_rates() -> None:
    state = state_of(end=2 * 184_320, bytes_of=48_000)  # 48 kB in 3.84 s: 100 kbit/s
    state.apply(ChunkEncoded(chunk=chunk("v180", 1, state.header.grid.span(1), 96_000)))
    by_name = {v["URI"].split("/")[0]: v for v in check_multivariant(hls.multivariant_playlist(state, final=True))}
    assert (by_name["voice"]["BANDWIDTH"], by_name["voice"]["AVERAGE-BANDWIDTH"]) == ("100000", "100000")
    assert (by_name["v180"]["BANDWIDTH"], by_name["v180"]["AVERAGE-BANDWIDTH"]) == ("300000", "250000")
    assert (by_name["v360"]["BANDWIDTH"], by_name["v360"]["AVERAGE-BANDWIDTH"]) == ("200000", "200000")


def test_only_what_can_be_played_is_named() -> None:
    state = state_of(end=184_320, names=("voice", "v180", "v270"))
    uris = [v["URI"] for v in check_multivariant(hls.multivariant_playlist(state))]
    assert uris == ["voice/index.m3u8", "v180/index.m3u8", "v270/index.m3u8"]
    uris = [v["URI"] for v in check_multivariant(hls.multivariant_playlist(state, names={"voice", "v180", "v720"}))]
    assert uris == ["voice/index.m3u8", "v180/index.m3u8"]
    with pytest.raises(ValueError, match="no rendition has a chunk"):
        hls.multivariant_playlist(state, names=())


def test_pictures_without_sound_have_no_audio_group(tmp_path: Path) -> None:
    text = hls.multivariant_playlist(state_of(end=184_320, names=("v180",)))
    (variant,) = check_multivariant(text)
    assert "AUDIO" not in variant
    assert variant["CODECS"] == "avc1.64000c"
    check_strictly(text, folder=tmp_path)


@pytest.mark.parametrize(
    ("languages", "line"),
    [(("bo",), 'LANGUAGE="bo"'), (("zh-Hans",), 'LANGUAGE="zh-Hans"'), (("bo", "zh"), None), (('x",URI="evil',), None)],
)
def test_language_is_told_when_there_is_one(languages: tuple[str, ...], line: str | None) -> None:
    text = hls.multivariant_playlist(state_of(end=184_320, languages=languages))
    check_multivariant(text)
    assert (line in text) if line else ("LANGUAGE" not in text)


def test_program_date_time_is_the_origin_or_for_imports_the_creation() -> None:
    assert hls.program_date_time(state_of(end=184_320), TICKS_PER_SECOND) == "2026-11-02T08:00:03.500Z"
    imported = state_of(end=184_320, sources=(source("teacher", imported=True, uri="file:/a.mp4"),))
    assert hls.program_date_time(imported, 0) == "2026-11-02T08:00:00.000Z"
    elsewhere = state_of(end=184_320, sources=imported.header.sources, created_wall="2026-11-02T16:00:00.000+08:00")
    assert hls.program_date_time(elsewhere, 0) == "2026-11-02T08:00:00.000Z"


def test_peak_rate_spares_a_short_last_chunk() -> None:
    whole = chunk("v", 0, Span(0, 184_320), 48_000)
    heavy_stub = chunk("v", 1, Span(184_320, 184_320 + 1_920), 4_000)  # 800 kbit/s for one frame: container overhead
    assert peak_bps([whole]) == 100_000
    assert peak_bps([whole, heavy_stub]) == pytest.approx(52_000 * 8 / 3.88, abs=1)
    assert peak_bps([heavy_stub]) == 800_000  # nothing else there
    assert peak_bps([]) == 0


def peak_bps(chunks: list[ChunkRecord]) -> int:
    rate = BitRate(4)
    for one in chunks:
        rate.add(one.bytes, one.span.duration)
    return rate.peak_bps


@given(
    end=st.integers(1, 12 * 184_320),
    sizes=st.lists(st.integers(1, 2_000_000), min_size=1, max_size=12),
    final=st.booleans(),
)
def test_any_lesson_makes_playlists_by_the_rules(end: int, sizes: list[int], final: bool) -> None:
    end = max(1_920, end - end % 1_920)
    state = state_of(end=end)
    for progress in state.renditions.values():
        for index, record in list(progress.chunks.items()):
            size = sizes[(index + len(record.rendition)) % len(sizes)]
            progress.chunks[index] = chunk(record.rendition, index, record.span, size)
    variants = check_multivariant(hls.multivariant_playlist(state, final=final))
    chunks = state.renditions["v180"].leading
    segments = check_media(hls.media_playlist(state, "v180", chunks=chunks, final=final), final=final)
    assert sum(seconds for seconds, _ in segments) == pytest.approx(end / TICKS_PER_SECOND, abs=1e-5 * chunks)
    assert len(variants) == len(THIN)
