"""S3 over lines that cut, stall, damage and lose: nothing false is ever acknowledged."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import uuid4

import httpx
import minio.time
import pytest
from minio import Minio
from minio.error import S3Error

from lesson.errors import ConfigError, IntegrityError, ObjectNotFoundError, StoreError
from publish.body import HeldBody
from publish.protocol import Part, Upload, md5_hex
from publish.s3_client import Credentials, S3Client
from publish.s3_store import S3Store
from tests.kit.bad_proxy import BadProxy, Fault
from tests.kit.s3_servers import S3Server

DATA = bytes(range(256)) * 200
CHUNK = "public, max-age=31536000, immutable"


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[BadProxy]:
    with BadProxy(s3_server.port) as proxy:
        yield proxy


@pytest.fixture
def store(s3_server: S3Server, proxy: BadProxy) -> S3Store:
    """A store reached through the proxy, its bucket made already."""
    store = make(s3_server, port=proxy.port, timeout_s=2, reply_s=2)
    put(store, "warm", b"up")
    proxy.requests.clear()
    return store


def make(
    server: S3Server,
    bucket: str | None = None,
    *,
    port: int | None = None,
    timeout_s: float = 10,
    reply_s: float = 20,
) -> S3Store:
    return S3Store(
        S3Client(
            f"127.0.0.1:{port or server.port}",
            bucket or f"faults-{uuid4().hex[:12]}",
            secure=False,
            credentials=server.credentials,
            timeout_s=timeout_s,
            reply_s=reply_s,
        )
    )


def put(store: S3Store, key: str, data: bytes) -> None:
    store.put(key, HeldBody(data), content_type="video/mp4", cache_control=CHUNK)


def test_a_lost_reply_is_resolved_by_asking(store: S3Store, proxy: BadProxy) -> None:
    proxy.fault(Fault.LOSE_REPLY, "PUT", "/a")
    put(store, "a", DATA)
    assert len(proxy.puts("/a")) == 1
    assert proxy.broken == 1
    assert store.get("a") == DATA


def test_a_lost_reply_over_old_bytes_is_no_success(store: S3Store, proxy: BadProxy) -> None:
    put(store, "a", b"old")
    proxy.fault(Fault.CUT, "PUT", "/a")
    with pytest.raises(StoreError):
        put(store, "a", DATA)
    assert store.get("a") == b"old"


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.CUT])
def test_a_broken_line_is_a_store_error_and_the_next_try_works(store: S3Store, proxy: BadProxy, fault: Fault) -> None:
    proxy.fault(fault, "PUT", "/a")
    with pytest.raises(StoreError) as caught:
        put(store, "a", DATA)
    assert "\n" not in str(caught.value)
    with pytest.raises(ObjectNotFoundError):
        store.head("a")
    put(store, "a", DATA)
    assert store.get("a") == DATA


def test_a_stalled_line_is_noticed(store: S3Store, proxy: BadProxy) -> None:
    proxy.fault(Fault.STALL, "PUT", "/a")
    began = time.monotonic()
    with pytest.raises(StoreError):
        put(store, "a", DATA)
    assert time.monotonic() - began < 15  # two time-outs: of the upload, and of asking what became of it
    put(store, "a", DATA)


def test_damage_on_the_way_is_never_acknowledged(store: S3Store, proxy: BadProxy) -> None:
    for _ in range(5):
        proxy.fault(Fault.CORRUPT, "PUT", "/a")
        with pytest.raises((StoreError, IntegrityError)):
            put(store, "a", DATA)
        with pytest.raises(ObjectNotFoundError):
            store.head("a")
    put(store, "a", DATA)
    assert store.get("a") == DATA


@pytest.mark.s3
def test_the_bare_client_would_acknowledge_damage(seaweed_server: S3Server) -> None:
    """Why `ThinLinePool` exists: signed payload digests are not compared by every server."""
    pair = seaweed_server.credentials
    with BadProxy(seaweed_server.port) as proxy:
        client = Minio(f"127.0.0.1:{proxy.port}", pair.access_key, pair.secret_key, secure=False, region="us-east-1")
        client.make_bucket("bare")
        proxy.fault(Fault.CORRUPT, "PUT", "/bare/a")
        result = client.put_object("bare", "a", io.BytesIO(DATA), len(DATA))
        assert result.etag != md5_hex(DATA)  # stored damaged, reported as done
        client.put_object("bare", "b", io.BytesIO(DATA), len(DATA), metadata={"Content-MD5": "anything"})
        stored = client.stat_object("bare", "b").metadata
        assert stored is not None
        assert stored.get("x-amz-meta-content-md5") == "anything"  # the client cannot be told to send Content-MD5


def begin(store: S3Store) -> Upload:
    return store.in_parts.start("p", content_type="video/mp4", cache_control=CHUNK)


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.CUT, Fault.CORRUPT, Fault.STALL, Fault.LOSE_REPLY])
def test_a_part_that_does_not_get_there_is_never_acknowledged(store: S3Store, proxy: BadProxy, fault: Fault) -> None:
    upload = begin(store)
    first = store.in_parts.put_part(upload, 1, HeldBody(DATA))
    proxy.fault(fault, "PUT", "partNumber=2")
    with pytest.raises((StoreError, IntegrityError)) as caught:
        store.in_parts.put_part(upload, 2, HeldBody(b"end"))
    assert "X-Amz" not in str(caught.value), "whoever has a signed URL may write"
    assert "\n" not in str(caught.value)
    if fault is not Fault.LOSE_REPLY:
        assert store.in_parts.parts(upload) == [first]
    second = store.in_parts.put_part(upload, 2, HeldBody(b"end"))
    assert second == Part(2, 3, md5_hex(b"end"))
    store.in_parts.abort(upload)


def test_a_lost_reply_to_the_last_request_of_an_upload_is_resolved_by_asking(store: S3Store, proxy: BadProxy) -> None:
    upload = begin(store)
    part = store.in_parts.put_part(upload, 1, HeldBody(DATA))
    proxy.fault(Fault.LOSE_REPLY, "POST", "uploadId=")
    store.in_parts.complete(upload, [part])
    assert proxy.broken == 1
    assert b"".join(store.blocks("p")) == DATA


def test_other_parts_than_are_held_make_no_object(store: S3Store) -> None:
    upload = begin(store)
    part = store.in_parts.put_part(upload, 1, HeldBody(DATA))
    with pytest.raises((StoreError, IntegrityError)):
        store.in_parts.complete(upload, [Part(1, part.bytes, md5_hex(b"another"))])
    with pytest.raises(ObjectNotFoundError):
        store.head("p")
    store.in_parts.abort(upload)


def test_what_goes_in_parts_can_be_read_by_players(s3_server: S3Server) -> None:
    """Also where its first part has to make the bucket."""
    store = make(s3_server)
    upload = begin(store)
    store.in_parts.complete(upload, [store.in_parts.put_part(upload, 1, HeldBody(DATA))])
    reply = httpx.get(store.url("p"), headers={"Range": "bytes=10-19"})
    assert (reply.status_code, reply.content) == (206, DATA[10:20])
    assert (reply.headers["Content-Type"], reply.headers["Cache-Control"]) == ("video/mp4", CHUNK)


def test_a_signed_url_of_a_wrong_clock_may_right_itself(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make(s3_server)
    put(store, "a", b"x")
    right = minio.time.utcnow

    with monkeypatch.context() as patch:
        patch.setattr(minio.time, "utcnow", lambda: right() - timedelta(hours=3))
        with pytest.raises(StoreError, match="clock of this machine"):
            begin(store)
    store.in_parts.abort(begin(store))


def test_a_slow_line_is_slow_not_broken(s3_server: S3Server) -> None:
    with BadProxy(s3_server.port, up_bps=200_000) as proxy:
        store = make(s3_server, port=proxy.port, timeout_s=1)
        put(store, "warm", b"up")
        began = time.monotonic()
        put(store, "a", bytes(100_000))  # 4 s at this rate: four time-outs
        assert time.monotonic() - began > 2
        assert store.head("a").bytes == 100_000


@pytest.mark.parametrize(
    ("pair", "remedy"),
    [
        (("nobody0000", "secret000000"), "access key"),
        ((None, "wrong-secret"), "secret key is wrong"),
        (None, "no credentials are set"),
    ],
    ids=["unknown key", "wrong secret", "none"],
)
def test_wrong_credentials_give_one_line_with_a_remedy(
    s3_server: S3Server, pair: tuple[str | None, str] | None, remedy: str
) -> None:
    mine = Credentials(pair[0] or s3_server.credentials.access_key, pair[1]) if pair else None
    store = S3Store(S3Client(s3_server.endpoint, "private-lessons", secure=False, credentials=mine))
    with pytest.raises(ConfigError, match=remedy) as caught:
        put(store, "a", b"x")
    line = str(caught.value)
    assert "\n" not in line
    assert f"{s3_server.endpoint}/private-lessons" in line
    if mine:
        assert mine.secret_key not in line + repr(mine) + repr(caught.value.__cause__)


def test_a_wrong_clock_may_right_itself(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make(s3_server)
    put(store, "a", b"x")
    right = minio.time.utcnow

    def late() -> datetime:
        return right() + timedelta(hours=3)

    with monkeypatch.context() as patch:
        patch.setattr(minio.time, "utcnow", late)
        with pytest.raises(StoreError, match="clock of this machine"):
            put(store, "b", b"x")
    put(store, "b", b"x")


def test_a_bucket_made_here_is_readable_by_players(s3_server: S3Server) -> None:
    store = make(s3_server)
    store.put(
        "l1/index.m3u8", HeldBody(b"#EXTM3U\n"), content_type="application/vnd.apple.mpegurl", cache_control="no-cache"
    )
    reply = httpx.get(store.url("l1/index.m3u8"), headers={"Origin": "http://classroom.lan"})
    assert reply.content == b"#EXTM3U\n"
    assert reply.headers["Content-Type"] == "application/vnd.apple.mpegurl"
    assert reply.headers["Cache-Control"] == "no-cache"
    assert reply.headers["Access-Control-Allow-Origin"] in {"*", "http://classroom.lan"}
    put(store, "l1/v180/000000.m4s", DATA)
    reply = httpx.get(store.url("l1/v180/000000.m4s"), headers={"Range": "bytes=10-19"})
    assert (reply.status_code, reply.content) == (206, DATA[10:20])
    assert (reply.headers["Content-Type"], reply.headers["Cache-Control"]) == ("video/mp4", CHUNK)
    assert httpx.get(store.url("x").removesuffix("/x")).status_code == 403  # to be read, not to be listed …
    assert httpx.put(store.url("x"), content=b"x").status_code == 403  # … nor written


def test_the_policy_of_a_bucket_that_exists_is_not_touched(s3_server: S3Server) -> None:
    pair = s3_server.credentials
    bucket = f"own-{uuid4().hex[:12]}"
    client = Minio(s3_server.endpoint, pair.access_key, pair.secret_key, secure=False)
    client.make_bucket(bucket)
    store = make(s3_server, bucket)
    put(store, "a", b"x")
    assert httpx.get(store.url("a")).status_code == 403
    with pytest.raises(S3Error):  # no policy was set, not even an empty one
        client.get_bucket_policy(bucket)


def test_two_boxes_may_make_the_bucket_at_once(s3_server: S3Server) -> None:
    bucket = f"both-{uuid4().hex[:12]}"
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(put, make(s3_server, bucket), f"box{n}", b"x") for n in range(2)]:
            done.result(30)
    assert [info.key for info in make(s3_server, bucket).list()] == ["box0", "box1"]


def test_nothing_is_sent_before_it_is_asked_for() -> None:
    store = S3Store(
        S3Client("127.0.0.1:1", "lessons", secure=False, timeout_s=1)
    )  # nobody listens: opening must not mind
    assert store.url("a") == "http://127.0.0.1:1/lessons/a"
    with pytest.raises(StoreError, match="refused"):
        put(store, "a", b"x")
    with pytest.raises(ValueError, match="one request"):
        put(store, "a", bytes((64 << 20) + 1))
