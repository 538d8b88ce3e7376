from __future__ import annotations

from pathlib import Path

import cv2
import httpx
import m3u8
import numpy as np
import pytest

from lesson.editions import skip_rung
from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.model import Kind
from lesson.records import FileDamaged, FrozenUntil
from lesson.time import TICKS_PER_SECOND
from tests.kit.damaged import SEGMENT_DAMAGE
from tests.kit.lessons import encode_all, make_again, make_lesson, old_chunk, plan_all, record_all, write_chunk
from tests.kit.room import TEACHER, began, committed, deliver, lost

ID = "20260101-080000-aaaa"
HLS = f"/lessons/{ID}/hls"


@pytest.fixture
def folder(root: Path) -> LessonFolder:
    folder = make_lesson(root, ID)
    record_all(folder, finished=False)
    return folder


def test_nothing_to_play_yet(client: httpx.Client, folder: LessonFolder) -> None:
    for address in ("index.m3u8", "low/index.m3u8", "low/init.mp4", "low/000000.m4s", "none/index.m3u8"):
        answer = client.get(f"{HLS}/{address}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get(f"/lessons/{folder.id}").json()["hls"] is None


def test_a_running_lesson_grows_and_ends(client: httpx.Client, folder: LessonFolder) -> None:
    plan_all(folder, final=False)
    half = 6 * TICKS_PER_SECOND
    encode_all(folder, end=half)
    chunk = folder.header.grid.chunk
    index = client.get(f"{HLS}/index.m3u8")
    assert index.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert index.headers["cache-control"] == "no-cache"
    names = [playlist.uri for playlist in m3u8.loads(index.text).playlists]
    assert names == ["voice/index.m3u8", "low/index.m3u8", "high/index.m3u8"]
    live = m3u8.loads(client.get(f"{HLS}/low/index.m3u8").text)
    assert (live.playlist_type, live.is_endlist) == ("event", False)
    known = len(live.segments)
    assert known == -(-half // chunk)

    end = folder.header.grid.span(known + 1)
    low = folder.header.rendition("low")
    append_records(
        folder.rendition_journal("low"),
        [write_chunk(folder, low, known, folder.header.grid.span(known)), write_chunk(folder, low, known + 1, end)],
    )
    grown = m3u8.loads(client.get(f"{HLS}/low/index.m3u8").text)
    assert len(grown.segments) == known + 2
    append_records(folder.plan_journal(), [FrozenUntil(at=end.end, final=True)])
    assert m3u8.loads(client.get(f"{HLS}/low/index.m3u8").text).is_endlist
    assert not m3u8.loads(client.get(f"{HLS}/high/index.m3u8").text).is_endlist  # its last chunks are still coming


def test_a_snapshot_is_a_finished_lesson_of_what_there_is(client: httpx.Client, folder: LessonFolder) -> None:
    plan_all(folder, final=False)
    encode_all(folder, end=3 * folder.header.grid.chunk)
    low = folder.header.rendition("low")
    append_records(folder.rendition_journal("low"), [write_chunk(folder, low, 3, folder.header.grid.span(3))])
    index = m3u8.loads(client.get(f"{HLS}/index.m3u8?snapshot=true").text)
    addresses = [playlist.uri for playlist in index.playlists] + [media.uri for media in index.media]
    assert len(addresses) == 4
    for address in addresses:
        part = m3u8.loads(client.get(f"{HLS}/{address}").text)
        assert (part.is_endlist, part.playlist_type, len(part.segments)) == (True, "vod", 3)


def test_every_file_of_the_playlists_is_served_whole(client: httpx.Client, folder: LessonFolder) -> None:
    plan_all(folder)
    encode_all(folder)
    for rendition in folder.header.ladder:
        playlist = m3u8.loads(client.get(f"{HLS}/{rendition.name}/index.m3u8").text)
        assert playlist.is_endlist
        kind = "audio/mp4" if rendition.kind is Kind.AUDIO else "video/mp4"
        names = [playlist.segment_map[0].uri, *(segment.uri for segment in playlist.segments)]
        for name in names:
            answer = client.get(f"{HLS}/{rendition.name}/{name}")
            assert answer.headers["content-type"] == kind
            assert "immutable" in answer.headers["cache-control"]
            assert answer.content == (folder.rendition_folder(rendition.name) / name).read_bytes()


def test_ranges_and_revalidation(client: httpx.Client, folder: LessonFolder) -> None:
    plan_all(folder)
    encode_all(folder)
    address = f"{HLS}/low/000001.m4s"
    whole = client.get(address)
    part = client.get(address, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert client.get(address, headers={"Range": "bytes=-5"}).content == whole.content[-5:]
    assert client.get(address, headers={"Range": f"bytes={len(whole.content)}-"}).status_code == 416
    head = client.head(address)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(whole.content)), b"")
    for known in (address, f"{HLS}/index.m3u8"):
        etag = client.get(known).headers["etag"]
        assert client.get(known, headers={"If-None-Match": etag}).status_code == 304
        assert client.get(known, headers={"If-None-Match": f'"other", W/{etag}'}).status_code == 304
        assert client.get(known, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "journal.jsonl", "000099.m4s", "0.m4s", "1.m4s", "000001.m4s.tmp", "-00001.m4s", "%EF%BC%91.m4s", "init.mp4%00",
        "..%2f..%2flesson.json", "%2e%2e%2flesson.json", "..%5clesson.json", "%2fetc%2fpasswd",
    ],
)  # fmt: skip
def test_only_what_a_journal_names_is_served(client: httpx.Client, folder: LessonFolder, name: str) -> None:
    plan_all(folder)
    encode_all(folder)
    (folder.rendition_folder("low") / "000099.m4s").write_bytes(b"no journal names me")
    answer = client.get(f"{HLS}/low/{name}")
    assert answer.status_code == 404
    assert b"no journal names me" not in answer.content


def test_a_record_that_points_outside_is_refused(client: httpx.Client, folder: LessonFolder, root: Path) -> None:
    plan_all(folder)
    encode_all(folder)
    secret = root.parent / "000001.m4s"
    secret.write_bytes(b"secret")
    inside = old_chunk(folder, "low", 1)
    inside.unlink()
    inside.symlink_to(secret)
    answer = client.get(f"{HLS}/low/000001.m4s")
    assert answer.status_code == 500
    assert b"secret" not in answer.content


def test_a_reclaimed_file_is_not_found(client: httpx.Client, folder: LessonFolder) -> None:
    plan_all(folder)
    encode_all(folder)
    old_chunk(folder, "low", 1).unlink()
    assert client.get(f"{HLS}/low/000001.m4s").json()["detail"] == "This file is no longer on this box."


def test_thumbnail_follows_the_recording(client: httpx.Client, root: Path) -> None:
    lesson_id = client.post("/lessons").json()["lesson_id"]
    folder = LessonFolder(root / lesson_id)
    address = f"/lessons/{lesson_id}/thumbs/teacher.jpg"
    assert client.get(address).status_code == 404
    deliver(folder, TEACHER)
    first = client.get(address)
    assert (first.status_code, first.headers["content-type"]) == (200, "image/jpeg")
    picture = cv2.imdecode(np.frombuffer(first.content, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture.shape == (270, 480)
    assert picture[80:120, 150:220].mean() > picture[160:, :].mean() + 60  # the bright square is where it was drawn
    same = client.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert same.status_code == 304
    append_records(
        folder.raw_journal("teacher"), [lost(TEACHER), began(TEACHER, epoch=1), committed(folder, TEACHER, 1, epoch=1)]
    )
    assert client.get(address).headers["etag"] != first.headers["etag"]


def test_thumbnails_that_cannot_be(client: httpx.Client, folder: LessonFolder) -> None:
    for name in ("mic", "nobody", "..%2fteacher"):
        assert client.get(f"/lessons/{folder.id}/thumbs/{name}.jpg").status_code == 404
    assert client.get(f"/lessons/{folder.id}/thumbs/teacher.jpg").status_code == 404  # its segments hold no pictures
    folder.segment_path("teacher", 0, 2).unlink()
    assert client.get(f"/lessons/{folder.id}/thumbs/teacher.jpg").status_code == 404


def test_a_rung_that_is_left_out_in_mid_lesson_ends_where_it_is(client: httpx.Client, folder: LessonFolder) -> None:
    plan_all(folder, final=False)
    encode_all(folder, end=6 * TICKS_PER_SECOND)
    before = m3u8.loads(client.get(f"{HLS}/high/index.m3u8").text)
    skip_rung(folder.path.parent, folder, "high", "too slow")
    after = m3u8.loads(client.get(f"{HLS}/high/index.m3u8").text)
    assert (before.is_endlist, after.is_endlist) == (False, True)
    assert [one.uri for one in after.segments] == [one.uri for one in before.segments]
    assert not m3u8.loads(client.get(f"{HLS}/low/index.m3u8").text).is_endlist
    assert "high" not in client.get(f"{HLS}/index.m3u8").text


@pytest.mark.parametrize("file", ["init.mp4", "000001.m4s"])
def test_what_is_made_again_is_played_under_its_old_name_too(
    client: httpx.Client, folder: LessonFolder, file: str
) -> None:
    plan_all(folder)
    encode_all(folder)
    path = folder.rendition_folder("low") / file
    path.unlink()
    chunk = None if file == "init.mp4" else 1
    damage = FileDamaged(rendition="low", chunk=chunk, path=folder.relative(path), problem="missing")
    playlist = client.get(f"{HLS}/low/index.m3u8").text
    append_records(folder.damage_journal, [damage])
    assert client.get(f"{HLS}/low/index.m3u8").text == playlist, "nobody's playlist shrinks meanwhile"
    assert client.get(f"{HLS}/low/{file}").status_code == 404
    assert make_again(folder) == 1
    new = client.get(f"{HLS}/low/index.m3u8").text
    assert new != playlist
    (name,) = {line.split('URI="')[-1].rstrip('"') for line in new.splitlines()} - {
        line.split('URI="')[-1].rstrip('"') for line in playlist.splitlines()
    }
    answers = [client.get(f"{HLS}/low/{uri}") for uri in (name, file)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert m3u8.loads(new).is_endlist


@pytest.mark.parametrize("damage", ["one byte", "cut", "zeros", "missing", "a folder", "a pipe"])
@pytest.mark.parametrize("played", [True, False], ids=["played before", "never played"])
def test_damaged_bytes_are_not_served(client: httpx.Client, folder: LessonFolder, damage: str, *, played: bool) -> None:
    plan_all(folder)
    encode_all(folder)
    path, address = old_chunk(folder, "low", 1), f"{HLS}/low/000001.m4s"
    whole = path.read_bytes()
    if played:
        assert client.get(address).content == whole
    SEGMENT_DAMAGE[damage](path)
    answer = client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert client.get(f"{HLS}/low/000002.m4s").status_code == 200


def test_what_was_found_whole_is_read_once(
    client: httpx.Client, folder: LessonFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_all(folder)
    encode_all(folder)
    assert client.get(f"{HLS}/low/000001.m4s").status_code == 200
    monkeypatch.setattr("api.whole_files.file_problem", None)  # whoever calls it fails
    assert client.get(f"{HLS}/low/000001.m4s").status_code == 200
