"""Renditions whose chunks are several times as long as the grid's: the same programme, in step, and cut as little."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from lesson.editions import start_edition
from lesson.folder import LessonFolder
from lesson.hls import playlist_key
from lesson.journal import append_records
from lesson.model import Kind, Layout, Rendition
from lesson.overrides import Trim
from lesson.records import FrozenUntil, Mapped, Origin, Shot, SourceFinished
from lesson.time import ClockMap, Span, Ticks, ticks_from_pts
from lesson.verify import verify_local
from lesson.view import load_state
from media.output.audio_encoder import BLOCK
from media.output.fmp4 import MEDIA_START
from publish.folder_store import FolderStore
from publish.verify import verify_remote
from tests.kit.clicks import find_clicks
from tests.kit.filmed import Take, film
from tests.kit.fragments import read_segment
from tests.kit.lessons import VOICE, make_lesson, moment, source, start, stop
from tests.kit.marks import MARK_PERIOD, TEACHER, read_mark
from tests.kit.playlists import attributes, check_media, check_multivariant, check_strictly
from tests.kit.programme import decoding_errors
from tests.kit.stages import S, coded, without_workers, work

SECONDS = 34
CAMERA = source("teacher")
TOP = Rendition(name="top", kind=Kind.VIDEO, codec="h264", width=320, height=180, crf=18, maxrate=4_000_000,
                bufsize=4_000_000, preset="ultrafast")  # fmt: skip
LONG = replace(TOP, name="long", width=256, height=144, frame_divisor=2, grid_multiple=2)
LONGER = replace(TOP, name="longer", width=192, height=108, frame_divisor=4, grid_multiple=4)
LADDER = (replace(VOICE, grid_multiple=2), LONGER, LONG, TOP)
MILLISECOND = S // 1000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LessonFolder:
    """A camera with sound, recorded for 34 s and shown throughout."""
    without_workers(monkeypatch)
    folder = make_lesson(tmp_path / "lessons", sources=(CAMERA,), ladder=LADDER)
    start(folder)
    film(folder, CAMERA, Take(TEACHER, SECONDS, sound=True))
    append_records(folder.raw_journal("teacher"), [SourceFinished(source="teacher", at=moment(SECONDS))])
    stop(folder, at=moment(SECONDS))
    whole = Span(0, SECONDS * S)
    append_records(
        folder.plan_journal(),
        [
            Origin(at=moment(), master="teacher"),
            Mapped(map=ClockMap("teacher", 0, whole, 0)),
            Shot(span=whole, layout=Layout.FULL, sources=("teacher",), reason="test"),
            FrozenUntil(at=whole.end, final=True),
        ],
    )
    return folder


class Published:
    """One rendition as it lies in the store: its playlist, initialisation segment and chunks."""

    def __init__(self, place: Path, rendition: Rendition, edition: int) -> None:
        self.rendition = rendition
        playlist = place / playlist_key(rendition.name, edition)
        self.text = playlist.read_text()
        lines = self.text.splitlines()
        init = attributes(next(line for line in lines if line.startswith("#EXT-X-MAP")))["URI"]
        self.init = (playlist.parent / init).read_bytes()
        self.stated = [(round(seconds * S), uri) for seconds, uri in check_media(self.text, final=True)]
        self.chunks = [(playlist.parent / uri).read_bytes() for _, uri in self.stated]

    def spans(self, begin: Ticks) -> list[Span]:
        """Where each chunk lies by what the playlist says of lengths."""
        found: list[Span] = []
        for length, _ in self.stated:
            at = found[-1].end if found else begin
            found.append(Span(at, at + length))
        return found

    def pictures(self, position: int) -> list[Ticks]:
        """When the pictures of one chunk are shown, decoded without any other; each has to be the one of that time."""
        times = []
        with av.open(io.BytesIO(self.init + self.chunks[position]), format="mp4") as container:
            base = container.streams.video[0].time_base
            assert base is not None
            for frame in container.decode(video=0):
                mark = read_mark(frame.to_ndarray(format="gray"), drawn_height=180)
                at = ticks_from_pts(frame.pts or 0, base) - MEDIA_START
                assert mark is not None
                assert abs(mark.at - at) <= MILLISECOND
                times.append(at)
        return times

    def clicks(self, first: int) -> list[Ticks]:
        """When clicks are heard by who begins with this chunk."""
        data = self.init + b"".join(self.chunks[first:])
        with av.open(io.BytesIO(data), format="mp4") as container:
            frames = list(container.decode(audio=0))
            base = container.streams.audio[0].time_base
            assert base is not None
            at = ticks_from_pts(frames[0].pts or 0, base) - MEDIA_START
            return find_clicks(np.concatenate([frame.to_ndarray()[0] for frame in frames]), start=at)


def check_published(folder: LessonFolder, place: Path, window: Span) -> dict[str, Published]:
    """All that a viewer may ask of the lesson in the store: the renditions of its newest edition."""
    state = load_state(folder)
    index = (place / "index.m3u8").read_text()
    assert len(check_multivariant(index)) == len(LADDER)
    found = {rung.name: Published(place, rung, state.newest) for rung in LADDER}
    check_strictly(index, *(one.text for one in found.values()), folder=place.parent / "judged")
    assert decoding_errors(place / "index.m3u8") == ""
    assert verify_local(folder) == []
    assert verify_remote(folder, FolderStore(place.parent), deep=True) == []
    for rung in LADDER:
        one = found[rung.name]
        assert "#EXT-X-TARGETDURATION:16\n" in one.text, "one for all variants, the longest chunk rounded up"
        spans = one.spans(window.start)
        assert [chunk.span for chunk in state.renditions[rung.name].named(len(spans) + 1)] == spans
        assert spans[-1].end == window.end
        fragments = [read_segment(chunk) for chunk in one.chunks]
        for before, after in pairwise(fragments):
            assert after.decode_time == before.decode_time + before.duration
        late = BLOCK if rung.kind is Kind.AUDIO else 0  # a track of sound begins one block early
        assert [part.duration for part in fragments] == [*(s.duration for s in spans[:-1]), spans[-1].duration + late]
        grid = folder.header.grid_of(rung.grid_multiple)
        assert {span.start % grid.chunk for span in spans[1:]} == {0}
        if rung.kind is Kind.VIDEO:
            step = rung.frame_divisor * grid.frame
            assert [one.pictures(n) for n in range(len(spans))] == [[*range(s.start, s.end, step)] for s in spans]
        else:
            check_heard(one, spans)
    return found


def check_heard(voice: Published, spans: list[Span]) -> None:
    """Wherever a player begins, clicks are heard at even seconds: when the pictures of that time are shown."""
    for position, span in enumerate(spans):
        due = [at for at in range(0, SECONDS * S, MARK_PERIOD) if span.start <= at < spans[-1].end]
        heard = voice.clicks(position)
        assert len(heard) == len(due)
        assert max(abs(at - wanted) for at, wanted in zip(heard, due, strict=True)) <= 2 * MILLISECOND


def test_chunks_of_several_lengths_are_one_programme(folder: LessonFolder, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    place = store.root / folder.id
    work(folder, store)
    before = check_published(folder, place, Span(0, SECONDS * S))
    assert {name: len(one.chunks) for name, one in before.items()} == {"voice": 5, "longer": 3, "long": 5, "top": 9}

    start_edition(folder.path.parent, folder, [Trim(span=Span(20 * S, SECONDS * S))])
    coded.clear()
    work(folder, store)
    after = check_published(folder, place, Span(round(20.16 * S), SECONDS * S))
    assert sorted(coded) == [("long", 2), ("longer", 1), ("top", 5)], "only what the cut goes through"
    new = {name: [uri for uri in one.stated if uri not in before[name].stated] for name, one in after.items()}
    assert {name: len(uris) for name, uris in new.items()} == {"voice": 1, "longer": 1, "long": 1, "top": 1}
    assert {name: len(one.chunks) for name, one in after.items()} == {"voice": 3, "longer": 2, "long": 3, "top": 4}
