"""What strangers may send and what they get to see: never a 5xx, never another file, never a path or an address."""

from __future__ import annotations

import json
import socket
import string
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.app import create_app
from api.hosts import is_host, may_be_called, own_hosts
from lesson.folder import lessons_in
from lesson.journal import append_records
from lesson.loss import Loss
from lesson.records import SourceLost
from lesson.titles import one_line
from tests.kit.lessons import encode_all, make_lesson, moment, plan_all, record_all, source
from tests.kit.room import template
from tests.kit.web import serving

ALLOWED = ("localhost", "recorder", "recorder.local", "box.school.example")
MARKER = "MARKER-7f3a"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished lesson, and beside the lessons a file that nobody may have."""
    folder = tmp_path_factory.mktemp("trust")
    (folder / "secret.txt").write_text(MARKER)
    spec = source("teacher", uri=f"rtsp://{MARKER}.example/main", user_env=MARKER)
    lesson = make_lesson(folder / "lessons", sources=(spec, source("mic", uri="test:tone")))
    record_all(lesson)
    reason = f"rtsp://{MARKER}/main: {folder}/x"
    lost = SourceLost(source="teacher", epoch=0, at=moment(12), reason=reason, code=Loss.NO_SIGNAL)
    append_records(lesson.raw_journal("teacher"), [lost])
    plan_all(lesson)
    encode_all(lesson)
    return folder / "lessons"


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[httpx.Client]:
    app = create_app(root, template(), allowed_hosts=ALLOWED)
    with serving(app) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


# --- bodies ----------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(st.characters())),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)),
    max_leaves=10,
)
TITLES = st.one_of(JSON, st.text(st.characters(), max_size=300))
DOCUMENTS = st.one_of(JSON, TITLES.map(lambda title: {"title": title})).map(lambda v: json.dumps(v).encode())
DEEP = st.builds(
    lambda opening, depth, closing: (opening * depth + closing * depth)[:65_000].encode(),
    st.sampled_from(["[", '{"a":', '{"title":[', "[{\"\":"]), st.integers(1, 50_000), st.sampled_from(["]", "}", ""]),
)  # fmt: skip
NUMBERS = st.integers(1, 60_000).map(lambda digits: b'{"title": ' + b"9" * digits + b"}")
MULTIPART = st.lists(
    st.sampled_from(
        [
            *(b"--x\r\n", b"--x--", b"\r\n", b"\r\n\r\n", b"title", b"--", b"\xff"),
            b'Content-Disposition: form-data; name="title"\r\n',
            b'Content-Disposition: form-data; name="title"; filename="a"\r\n',
            b"Content-Type: text/plain; charset=none\r\n",
        ]
    ),
    max_size=12,
).map(b"".join)
BODIES = st.one_of(DOCUMENTS, DEEP, NUMBERS, MULTIPART, st.binary(max_size=200), st.just(b"a=1&" * 10_000))
TYPES = st.sampled_from(
    [
        *("application/json", "application/problem+json", "application/json; charset=\xff"),
        *("application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-16"),
        *("multipart/form-data", "multipart/form-data; boundary=x", "multipart/form-data; boundary=x; charset=none"),
        *('multipart/form-data; boundary="', "text/plain", "", ";", "/"),
    ]
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES, kind=TYPES)
def test_whatever_is_sent_is_a_lesson_or_a_problem(client: httpx.Client, root: Path, body: bytes, kind: str) -> None:
    answer = client.post("/lessons", content=body, headers={"Content-Type": kind.encode("latin-1")})
    assert answer.status_code in {200, 201, 303, 400, 413, 415, 422}, (answer.status_code, answer.text[:200])
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
        return
    newest = list(lessons_in(root))[-1]
    title = newest.header.title
    assert title == one_line(title) != ""
    running = client.get("/health").json()["lesson"]
    assert running
    assert client.post(f"/lessons/{running}/stop").status_code == 200
    assert client.get("/lessons?limit=3").status_code == 200


def test_deep_nesting_is_the_sender_s_mistake(client: httpx.Client) -> None:
    for body in (b"[" * 50_000, b"[" * 25_000 + b"]" * 25_000, b'{"title":' * 7_000):
        answer = client.post("/lessons", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422


# --- hosts -----------------------------------------------------------------------------------------------------------

LABELS = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=12)
FOREIGN = (
    st.lists(LABELS, min_size=1, max_size=4)
    .map(".".join)
    .filter(
        lambda name: not may_be_called(name, ALLOWED)  # the rule has tests of its own below
    )
)


STRANGERS = (
    *("evil.example", "localhost.evil.example", "recorder.evil.example", "127.0.0.1.evil.example", "xrecorder"),
    *("127.0.0.1:80:80", "[::1", "a@recorder", "", "10.0.0.300", "0x7f.1", "recorder.local.."),
)


@pytest.mark.parametrize("name", STRANGERS)
def test_names_that_are_not_the_box_s(name: str) -> None:
    assert not may_be_called(name, ALLOWED)
    assert may_be_called(name, ("*",))


@given(st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(lambda a: f"[{a}]"), st.sampled_from(ALLOWED)),
       st.one_of(st.none(), st.integers(1, 65535)))  # fmt: skip
def test_addresses_and_own_names_with_any_port(name: str, port: int | None) -> None:
    host = name if port is None else f"{name}:{port}"
    assert may_be_called(host, ALLOWED)
    assert may_be_called(host.upper(), ALLOWED)
    assert is_host(name)


def test_a_machine_knows_its_names() -> None:
    names = own_hosts("box.school.example:8000")
    assert {"localhost", "box.school.example"} <= names
    assert any(name.endswith(".local") for name in names)
    assert may_be_called(socket.gethostname(), names)


READABLE = ("/", "/lessons", "/health", "/static/style.css", "/lessons/lesson/hls/index.m3u8", "/nothing")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=FOREIGN, method=st.sampled_from(["GET", "POST", "HEAD"]), path=st.sampled_from(READABLE))
def test_a_page_behind_a_rebound_name_may_neither_press_nor_read(
    client: httpx.Client, root: Path, name: str, method: str, path: str
) -> None:
    before = len(list(lessons_in(root)))
    headers = {"Host": name, "Origin": f"http://{name}", "Sec-Fetch-Site": "same-origin"}
    answer = client.request(method, path, headers=headers)
    assert answer.status_code == 421
    if method != "HEAD":
        assert "allowed_hosts" in answer.json()["detail"]
    assert len(list(lessons_in(root))) == before


def test_a_person_who_used_a_wrong_name_gets_a_page(client: httpx.Client) -> None:
    answer = client.get("/", headers={"Host": "other.example", "Accept": "text/html"})
    assert answer.status_code == 421
    assert answer.headers["content-type"].startswith("text/html")
    assert "allowed_hosts" in answer.text


def test_scripts_without_origin_and_own_names_still_work(client: httpx.Client) -> None:
    for name in ALLOWED:
        assert client.get("/health", headers={"Host": f"{name}:8000"}).status_code == 200
    lesson = client.post("/lessons", headers={"Host": "box.school.example"}).json()["lesson_id"]
    own = {"Host": "recorder.local:8000", "Origin": "http://recorder.local:8000"}
    assert client.post(f"/lessons/{lesson}/stop", headers=own).status_code == 200
    assert client.post("/lessons", headers={"Origin": "http://[evil"}).status_code == 403
    assert client.post("/lessons", headers={"Referer": "http://evil.example/page"}).status_code == 403
    own_page = {"Host": "recorder.local:8000", "Referer": "http://recorder.local:8000/lessons"}
    assert client.post(f"/lessons/{lesson}/stop", headers=own_page).status_code == 200


def test_a_request_with_two_hosts_or_none(client: httpx.Client) -> None:
    two = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert raw(client, two)[9:12] in {b"400", b"421"}
    assert raw(client, b"GET /health HTTP/1.0\r\n\r\n")[9:12] == b"200"


# --- files -----------------------------------------------------------------------------------------------------------


def raw(client: httpx.Client, request: bytes) -> bytes:
    """The reply to exactly these bytes: no client library tidies the path."""
    parts = urlsplit(str(client.base_url))
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(request)
        reply = b""
        while more := connection.recv(65536):
            reply += more
    return reply


STEPS = st.lists(
    st.sampled_from(
        [
            *(
                "..",
                "%2e%2e",
                "%2E.",
                ".",
                "....",
                "%2f",
                "/",
                "//",
                "\\",
                "%5c",
                "%00",
                "%",
                "%zz",
                "%ff",
                "~",
                ";",
                "?",
            ),
            *("secret.txt", "lesson.json", "control.jsonl", "etc/passwd", "teacher.jpg", "lesson", "enc", "raw"),
            *("voice", "low", "000000.m4s", "init.mp4", "index.m3u8", "000000.m4s%00.jpg", "-1.m4s", "1e0.m4s"),
            *("٠٠٠٠٠٠.m4s", "9" * 5000 + ".m4s"),
        ]
    ),
    min_size=1,
    max_size=9,
)
PLACES = ["/lessons/lesson/hls/", "/lessons/lesson/thumbs/", "/lessons/", "/static/", "/player/", "/"]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), steps=STEPS, between=st.sampled_from(["/", "", "%2f"]))
def test_no_path_leads_out(client: httpx.Client, root: Path, place: str, steps: list[str], between: str) -> None:
    target = quote(place + between.join(steps), safe="/%\\?;~")
    reply = raw(client, f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    assert reply[9:12] in {b"200", b"304", b"307", b"400", b"404", b"405", b"422", b"503"}, reply[:200]
    assert MARKER.encode() not in reply
    assert str(root).encode() not in reply
    assert b"root:" not in reply
    if reply[9:12] == b"200" and "/hls/" in place:
        body = reply.partition(b"\r\n\r\n")[2]
        served = {path.read_bytes() for path in (root / "lesson" / "enc").rglob("*.m[p4]*")}
        assert body in served or body.startswith(b"#EXTM3U")


@pytest.mark.parametrize("path", [*READABLE[:3], READABLE[4], "/lessons/lesson", "/metrics"])
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_no_answer_names_cameras_accounts_or_folders(client: httpx.Client, root: Path, path: str, accept: str) -> None:
    answer = client.get(path, headers={"Accept": accept})
    assert answer.status_code == 200
    assert MARKER not in answer.text
    assert str(root) not in answer.text


def test_a_damaged_lesson_is_said_without_its_path(client: httpx.Client, root: Path) -> None:
    broken = root / "20200101-000000-aaaa"
    broken.mkdir()
    (broken / "lesson.json").write_text("{")
    for path in ("/lessons/20200101-000000-aaaa", "/lessons?limit=1000"):
        answer = client.get(path)
        assert answer.status_code in {200, 500}
        assert "damaged" in answer.text
        assert str(root) not in answer.text


# --- heads -----------------------------------------------------------------------------------------------------------

WORDS = st.text(string.printable.strip() + " äß", max_size=20)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Accept", "Accept-Language", "Cookie", "Range", "If-None-Match", "Content-Length", "Expect", "Origin"]
    ),
    st.one_of(
        WORDS, st.sampled_from(["text/html;q=nan", "*/*;q=1e999", "bytes=9-1", "bytes=-0", "lang=;=", "zh;q=-1", "W/"])
    ),
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(
        [*READABLE, "/lessons/lesson", "/lessons/lesson/hls/low/000000.m4s", "/metrics", "/openapi.json"]
    ),
    query=st.dictionaries(st.sampled_from(["limit", "before", "lang", "snapshot", "v"]), st.text(max_size=8)),
    headers=HEADERS,
)
def test_no_head_makes_the_box_fail(
    client: httpx.Client, path: str, query: dict[str, str], headers: dict[str, str]
) -> None:
    target = f"{path}?" + "&".join(f"{key}={quote(value, errors='replace')}" for key, value in query.items())
    lines = [
        f"GET {target} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        *(f"{k}: {v}" for k, v in headers.items()),
    ]
    reply = raw(client, "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
    assert reply[9:12] < b"500", reply[:200]
