"""What every `ObjectStore` must do: one suite over the folder, the fake and two real S3 servers."""

from __future__ import annotations

import threading
import tracemalloc
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lesson.errors import IntegrityError, ObjectNotFoundError, StoreError
from publish.body import FileBody, HeldBody
from publish.folder_store import FolderStore
from publish.in_parts import parts_of
from publish.memory_store import MemoryStore
from publish.protocol import (
    MAX_WHOLE_BYTES,
    MIN_PART_BYTES,
    ObjectStore,
    Part,
    Upload,
    etag_of_parts,
    md5_hex,
)
from publish.s3_client import S3Client
from publish.s3_store import S3Store
from tests.kit.s3_servers import S3Server

Reopen = Callable[[], ObjectStore]
KINDS = [
    "folder",
    "memory",
    pytest.param("juicefs", marks=pytest.mark.s3),
    pytest.param("seaweed", marks=pytest.mark.s3),
]


@pytest.fixture(params=KINDS)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Reopen:
    """Opens the same, at first empty, store each time it is called."""
    kind: str = request.param
    if kind == "folder":
        return lambda: FolderStore(tmp_path / "store")
    if kind == "memory":
        store = MemoryStore()
        return lambda: store
    server = request.getfixturevalue(f"{kind}_server")
    prefix = f"school/{uuid4().hex}"
    return lambda: S3Store(
        S3Client(
            server.endpoint, "conformance", prefix=prefix, secure=False, credentials=server.credentials, timeout_s=20
        )
    )


@pytest.fixture
def store(reopen: Reopen) -> ObjectStore:
    return reopen()


def put(store: ObjectStore, key: str, data: bytes) -> None:
    store.put(key, HeldBody(data), content_type="video/mp4", cache_control="no-cache")


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 4096], ids=["empty", "a byte", "a megabyte"])
def test_what_is_put_is_got(store: ObjectStore, reopen: Reopen, data: bytes) -> None:
    put(store, "l1/v180/000000.m4s", data)
    again = reopen()
    assert again.get("l1/v180/000000.m4s") == data
    info = again.head("l1/v180/000000.m4s")
    assert (info.key, info.bytes, info.md5) == ("l1/v180/000000.m4s", len(data), md5_hex(data))


def test_put_replaces(store: ObjectStore) -> None:
    for text in (b"one", b"three", b"2"):
        put(store, "l1/index.m3u8", text)
        assert store.get("l1/index.m3u8") == text
    assert [info.bytes for info in store.list("l1/")] == [1]


def test_what_is_not_there_is_not_found(store: ObjectStore) -> None:
    for lookup in (store.get, store.head):
        with pytest.raises(ObjectNotFoundError, match="nothing"):
            lookup("l1/nothing")
    put(store, "l1/something", b"x")
    for lookup in (store.get, store.head):
        with pytest.raises(ObjectNotFoundError, match="nothing"):
            lookup("l1/nothing")


def test_list_gives_keys_in_order_below_a_prefix(store: ObjectStore) -> None:
    assert list(store.list()) == []
    assert list(store.list("l1/")) == []
    keys = ["l1/index.m3u8", "l1/v180/000000.m4s", "l1/v180/000001.m4s", "l10/index.m3u8", "l2/voice/init.mp4"]
    for key in reversed(keys):
        put(store, key, key.encode())
    assert [info.key for info in store.list()] == keys
    assert [info.key for info in store.list("l1/")] == keys[:3]
    assert [info.key for info in store.list("l1")] == keys[:4]
    assert [(info.key, info.bytes) for info in store.list("l1/v180/")] == [(key, len(key)) for key in keys[1:3]]
    assert list(store.list("l3")) == []
    for info in store.list():
        assert info.md5 in {None, md5_hex(info.key.encode())}


def test_list_goes_beyond_one_page(store: ObjectStore) -> None:
    keys = [f"l1/v180/{index:06d}.m4s" for index in range(1_003)]  # S3 answers with 1 000 at most
    for key in keys:
        put(store, key, b"x")
    assert [info.key for info in store.list("l1/")] == keys


def test_delete_is_idempotent(store: ObjectStore) -> None:
    store.delete("l1/nothing")
    put(store, "l1/a", b"x")
    put(store, "l1/b", b"y")
    store.delete("l1/a")
    store.delete("l1/a")
    assert [info.key for info in store.list("l1/")] == ["l1/b"]
    with pytest.raises(ObjectNotFoundError):
        store.get("l1/a")


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\\b", "a\0b"])
def test_keys_that_could_leave_the_store_are_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(ValueError, match="no object key"):
        put(store, key, b"x")
    with pytest.raises(ValueError, match="no object key"):
        store.get(key)
    assert list(store.list()) == []


def test_readers_see_the_old_bytes_or_the_new(
    store: ObjectStore, reopen: Reopen, request: pytest.FixtureRequest
) -> None:
    if "juicefs" in request.node.callspec.id:
        pytest.skip("its gateway gives readers errors and mixed sizes while an object is replaced: docs/adr/0007")
    old, new = b"o" * 200_000, b"n" * 150_000
    put(store, "l1/index.m3u8", old)
    done = threading.Event()

    def read() -> set[bytes]:
        reader = reopen()
        seen = {reader.get("l1/index.m3u8")}
        while not done.is_set():
            seen.add(reader.get("l1/index.m3u8"))
        return seen

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        for turn in range(20):
            put(store, "l1/index.m3u8", new if turn % 2 == 0 else old)
        done.set()
        assert reading.result(30) <= {old, new}


def test_url_names_the_object_without_secrets(store: ObjectStore) -> None:
    url = store.url("l1/index.m3u8")
    assert url.endswith("/l1/index.m3u8")
    assert "://" in url
    assert "@" not in url
    assert "?" not in url


KEYS = st.from_regex(r"[a-z0-9_-]{1,8}/[a-z0-9.]{0,4}[a-z0-9]", fullmatch=True)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.dictionaries(KEYS, st.binary(max_size=64), max_size=6))
def test_a_store_is_a_dictionary(reopen: Reopen, contents: dict[str, bytes]) -> None:
    store = reopen()
    for info in list(store.list()):
        store.delete(info.key)
    for key, data in contents.items():
        put(store, key, data)
    assert {info.key: store.get(info.key) for info in store.list()} == contents


@pytest.mark.parametrize("prefix", ["room 3", "学校/课 #1", "a+b&c=d", "100%", "it's [1]"])
def test_anyone_can_fetch_the_url_of_an_object(s3_server: S3Server, prefix: str) -> None:
    """Whatever signs are in the prefix: the key has them as they are, the address percent-encoded."""
    bucket = f"urls-{uuid4().hex[:12]}"
    store = S3Store(
        S3Client(s3_server.endpoint, bucket, prefix=prefix, secure=False, credentials=s3_server.credentials)
    )
    put(store, "l1/index.m3u8", b"#EXTM3U")
    assert [info.key for info in store.list("l1/")] == ["l1/index.m3u8"]
    url = store.url("l1/index.m3u8")
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 loopback; sends the address as it is
        assert answer.read() == b"#EXTM3U"


PART = bytes(range(256)) * (MIN_PART_BYTES // 256)


def begin(store: ObjectStore, key: str = "l1/课 1.mp4") -> Upload:
    return store.in_parts.start(key, content_type="video/mp4", cache_control="no-cache")


def test_parts_become_one_object_when_all_are_there(store: ObjectStore, reopen: Reopen) -> None:
    upload = begin(store)
    last = store.in_parts.put_part(upload, 2, HeldBody(b"the end"))  # in any order
    first = store.in_parts.put_part(upload, 1, HeldBody(PART))
    assert first == Part(1, len(PART), md5_hex(PART))
    assert list(store.list()) == []
    with pytest.raises(ObjectNotFoundError):
        store.head(upload.key)
    again = reopen().in_parts  # as after a restart, which knows the upload from its journal
    assert again.parts(upload) == [first, last]
    again.complete(upload, [last, first])
    assert b"".join(store.blocks(upload.key)) == PART + b"the end"
    info = store.head(upload.key)
    assert info.bytes == len(PART) + 7
    assert info.md5 in {None, md5_hex(PART + b"the end")}
    assert info.md5 or info.etag == etag_of_parts([first.etag, last.etag])
    assert [(found.key, found.bytes) for found in store.list()] == [(upload.key, info.bytes)]
    again.complete(upload, [first, last])  # the reply was lost
    with pytest.raises(ObjectNotFoundError):
        again.parts(upload)


def test_a_part_sent_again_replaces_the_first(store: ObjectStore) -> None:
    upload = begin(store)
    store.in_parts.put_part(upload, 1, HeldBody(b"slip"))
    part = store.in_parts.put_part(upload, 1, HeldBody(b"right"))
    assert store.in_parts.parts(upload) in ([part], [])  # SeaweedFS keeps both, and does not say which is the newer
    store.in_parts.complete(upload, [part])
    assert b"".join(store.blocks(upload.key)) == b"right"


def test_what_is_given_up_is_gone(store: ObjectStore) -> None:
    upload, other = begin(store), begin(store)
    assert upload != other
    part = store.in_parts.put_part(upload, 1, HeldBody(b"x"))
    kept = store.in_parts.put_part(other, 1, HeldBody(b"y"))
    store.in_parts.abort(upload)
    store.in_parts.abort(upload)
    for lookup in (
        lambda: store.in_parts.parts(upload),
        lambda: store.in_parts.put_part(upload, 2, HeldBody(b"x")),
        lambda: store.in_parts.complete(upload, [part]),
    ):
        with pytest.raises(ObjectNotFoundError):
            lookup()
    assert list(store.list()) == []
    store.in_parts.complete(other, [kept])
    assert b"".join(store.blocks(other.key)) == b"y"


@pytest.mark.parametrize("upload_id", ["../../etc", "0" * 48, "never-begun"])
def test_an_upload_nobody_began_is_not_found(store: ObjectStore, upload_id: str) -> None:
    put(store, "l1/a", b"x")
    error = StoreError if "/" in upload_id else ObjectNotFoundError  # servers refuse what can be no id
    with pytest.raises(error):
        store.in_parts.parts(Upload("l1/a", upload_id))
    assert store.get("l1/a") == b"x"


def test_more_parts_are_listed_than_one_page_has(s3_server: S3Server) -> None:
    client = S3Client(s3_server.endpoint, "conformance", secure=False, credentials=s3_server.credentials)
    store = S3Store(client)
    upload = begin(store, f"pages/{uuid4().hex}")
    sent = [store.in_parts.put_part(upload, number, HeldBody(b"%d" % number)) for number in range(1, 1_004)]
    assert store.in_parts.parts(upload) == sent
    store.in_parts.abort(upload)


@pytest.mark.parametrize("size", [MAX_WHOLE_BYTES, 12 * MIN_PART_BYTES], ids=["whole", "60 MB in parts"])
def test_memory_stays_small_however_large_the_object(store: ObjectStore, tmp_path: Path, size: int) -> None:
    """What lies in memory is at most one object that may go whole, twice while it is handed to the client."""
    if isinstance(store, MemoryStore):
        pytest.skip("keeps what it is given in memory")
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(size)
    body = FileBody(path, 0, size)
    tracemalloc.start()
    try:
        if size <= MAX_WHOLE_BYTES:
            store.put("l1/large", body, content_type="video/mp4", cache_control="no-cache")
        else:
            upload = begin(store, "l1/large")
            store.in_parts.complete(
                upload, [store.in_parts.put_part(upload, number, piece) for number, piece in parts_of(body)]
            )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert store.head("l1/large").bytes == size
    limit = (2 << 20) + (2 * size if size <= MAX_WHOLE_BYTES and isinstance(store, S3Store) else 0)
    assert peak < limit
    store.delete("l1/large")


def test_a_body_that_cannot_be_read_to_its_end_is_not_stored(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(b"abc")
    with pytest.raises(IntegrityError, match="short"):
        store.put("l1/a", FileBody(path, 1, 5), content_type="video/mp4", cache_control="no-cache")
    assert list(store.list()) == []
    store.put("l1/a", FileBody(path, 1, 2), content_type="video/mp4", cache_control="no-cache")
    assert store.get("l1/a") == b"bc"


class TestFolder:
    def test_a_put_cut_short_by_a_crash_is_no_object(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path)
        put(store, "l1/a", b"x")
        (tmp_path / "l1" / ".b.123.tmp").write_bytes(b"half")
        assert [info.key for info in store.list()] == ["l1/a"]

    def test_a_store_that_cannot_be_written_is_a_store_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(StoreError, match=r"^store .*file"):
            put(FolderStore(tmp_path / "file"), "l1/a", b"x")

    def test_url_is_a_file_url(self, tmp_path: Path) -> None:
        assert FolderStore(tmp_path / "ü b").url("l1/a") == (tmp_path / "ü b" / "l1" / "a").as_uri()
