"""A store that hangs is named soon, one at the end of a slow line is not: what decides is whether bytes move."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesson.errors import StoreError
from process.beat import BEAT_ENV, heard
from publish import hang
from publish.answer import Lag
from publish.body import HeldBody
from publish.hang import LEAST_BYTES, QUIET_S, Movement
from publish.s3_client import Credentials, S3Client
from publish.s3_store import S3Store
from tests.kit.bad_proxy import BadProxy
from tests.kit.odd_servers import Reply, closing_drip, dribble, drip, endless, interim, odd_server, silence
from tests.kit.own_network import outcome_of
from tests.kit.s3_servers import S3Server
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.slow

NAMED_WITHIN_S = 25.0
"""Eight seconds without movement, eight for the question, and looks each second."""


class Ear:
    """What this process says to its supervisor."""

    def __init__(self) -> None:
        self._end, writing = os.pipe()
        os.set_blocking(self._end, False)
        os.environ[BEAT_ENV] = str(writing)
        self._writing = writing
        self._rest = b""
        self.said: list[str | None] = []
        self.beats = 0

    def listen(self) -> list[str | None]:
        """All complaints until now; None where one was taken back."""
        try:
            self._rest += os.read(self._end, 65_536)
        except BlockingIOError:
            return self.said
        *lines, self._rest = self._rest.split(b"\n")
        self.beats += lines.count(b"")
        self.said += [heard(line)[1] for line in lines if line]
        return self.said

    def close(self) -> None:
        del os.environ[BEAT_ENV]
        os.close(self._writing)
        os.close(self._end)


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    yield ear
    ear.close()


def store_at(
    port: int, *, secure: bool = False, reply_s: float = 120.0, credentials: Credentials | None = None
) -> S3Store:
    bucket = f"hang-{uuid4().hex[:10]}"
    client = S3Client(
        f"127.0.0.1:{port}",
        bucket,
        secure=secure,
        region="us-east-1",
        credentials=credentials or Credentials("kit-access", "kit-secret"),
        timeout_s=min(reply_s, 30.0),
        reply_s=reply_s,
    )
    return S3Store(client)


def put(store: S3Store, data: bytes) -> None:
    store.put("a", HeldBody(data), content_type="video/mp4", cache_control="no-cache")


@given(st.lists(st.tuples(st.floats(0.1, 3.0), st.integers(0, 2 * LEAST_BYTES)), max_size=60), st.integers(0, 10**9))
def test_still_is_what_moved_less_than_the_least(looks: list[tuple[float, int]], before: int) -> None:
    now, moved = 100.0, before
    movement = Movement(now, moved)
    history = [(now, moved)]
    for seconds, more in looks:
        now, moved = now + seconds, moved + more
        history.append((now, moved))
        still_s = movement.still_s(now, moved)
        since = next(at for at, there in reversed(history) if now - at >= still_s)
        assert now - since == pytest.approx(still_s)
        (then,) = {there for at, there in history if at == since}
        assert still_s == 0.0 or moved - then < LEAST_BYTES


@given(st.floats(LEAST_BYTES / QUIET_S * 1.5, 10**6), st.integers(1, 200))
def test_a_slow_line_is_never_still_for_long(bytes_a_second: float, seconds: int) -> None:
    movement = Movement(0.0, 0)
    assert all(movement.still_s(at, int(at * bytes_a_second)) < QUIET_S for at in range(1, seconds))


@given(st.floats(0.0, LEAST_BYTES / QUIET_S / 20), st.integers(9, 150))
def test_a_byte_now_and_then_is_no_movement(bytes_a_second: float, seconds: int) -> None:
    movement = Movement(0.0, 0)
    still = [movement.still_s(at, int(at * bytes_a_second)) for at in range(1, seconds)]
    assert still[-1] == seconds - 1


def test_another_connection_is_movement() -> None:
    movement = Movement(0.0, 70_000)
    assert movement.still_s(5.0, 70_001) == 5.0
    assert movement.still_s(6.0, 200) == 0.0
    assert movement.still_s(7.0, 300) == 1.0


@given(st.lists(st.tuples(st.floats(0.5, 2.0), st.floats(1.2, 50.0)), min_size=1, max_size=300))
def test_an_answer_that_comes_slowly_never_lags(looks: list[tuple[float, float]]) -> None:
    """However its speed changes, as long as it stays above the least one."""
    lag, now, heard = Lag(LEAST_BYTES, QUIET_S), 0.0, 0.0
    for seconds, times in looks:
        now, heard = now + seconds, heard + seconds * times * LEAST_BYTES / QUIET_S
        assert lag.behind_s(now, int(heard)) < 1.0


@given(st.floats(0.0, 0.3), st.integers(0, 10**6), st.integers(0, 200))
def test_an_answer_that_drips_is_behind_whatever_came_before(speed: float, before: int, waited: int) -> None:
    lag = Lag(LEAST_BYTES, QUIET_S)
    assert [lag.behind_s(at, None) for at in range(waited)] == [0.0] * waited, "what was sent may be on its way"
    lag.behind_s(waited, 0)
    lag.behind_s(waited + 1, before)
    drips = [waited + 1 + second for second in range(1, 200)]
    behind = [lag.behind_s(at, before + int(speed * (at - waited - 1) * LEAST_BYTES / QUIET_S)) for at in drips]
    named = next(at for at, seconds in zip(drips, behind, strict=True) if seconds >= QUIET_S + hang.ANSWER_S)
    assert named - waited <= (QUIET_S + hang.ANSWER_S) / (1 - speed) + 3
    assert behind[-1] > 120.0, "it is ended some time"


@pytest.mark.parametrize("reply", [silence, dribble, drip, closing_drip, interim])
def test_a_store_that_hangs_is_named_long_before_its_reply_is_due(ear: Ear, reply: Reply) -> None:
    """In real numbers. The request is not given up: what was sent may lie in a modem."""
    with (
        odd_server(reply) as server,
        subprocess.Popen(
            [sys.executable, "-c", PUT, str(server.port)],
            env={**os.environ},
            pass_fds=[int(os.environ[BEAT_ENV])],
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        try:
            wait_until(lambda: server.began, 20, what="a request")
            wait_until(ear.listen, NAMED_WITHIN_S, what="it is named")
            assert server.began is not None
            assert QUIET_S < time.monotonic() - server.began < NAMED_WITHIN_S
            assert process.poll() is None
        finally:
            process.kill()
    words = "does not answer" if reply is silence else "does not (answer|end its answer)"
    assert re.fullmatch(f"http://127.0.0.1:{server.port}/lessons: the store {words}", ear.said[0] or "")
    assert ear.beats > QUIET_S / 2, "the process itself is well"


PUT = """
import sys
from publish.body import HeldBody
from publish.s3_client import S3Client
from publish.s3_store import S3Store
line = S3Client(f"127.0.0.1:{sys.argv[1]}", "lessons", secure=False, region="x")
S3Store(line).put("a", HeldBody(bytes(300_000)), content_type="video/mp4", cache_control="no-cache")
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight times as fast."""
    for name in ("LOOK_S", "QUIET_S", "ANSWER_S"):
        monkeypatch.setattr(hang, name, getattr(hang, name) / 8)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("reply", "secure"),
    [
        (silence, False),
        (dribble, False),
        (silence, True),
        (drip, False),
        (closing_drip, False),
        (interim, False),
    ],
)
def test_a_request_of_which_nothing_moves_is_ended(ear: Ear, reply: Reply, secure: bool) -> None:
    """Though a byte comes each second, so that no time-out of a read is over."""
    with odd_server(reply) as server:
        store = store_at(server.port, secure=secure, reply_s=4.0)
        began = time.monotonic()
        with pytest.raises(StoreError):
            put(store, bytes(100_000))
        assert time.monotonic() - began < 3 * 4.0  # the upload, and asking what became of it
    assert any(said and re.search("does not (answer|end its answer)", said) for said in ear.listen())


@pytest.mark.usefixtures("impatient")
def test_a_body_that_stops_coming_is_a_store_that_hangs(ear: Ear) -> None:
    def stops() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(50_000)

    with odd_server(stops) as server, pytest.raises(StoreError):
        store_at(server.port, reply_s=3.0).get("a")
    (said,) = ear.listen()
    assert said
    assert said.endswith("the store does not end its answer"), "though it answers other questions"
    with odd_server(lambda: [b"HTTP/1.1 200 OK"]) as server, pytest.raises(StoreError):
        store_at(server.port, reply_s=3.0).get("a")
    assert ear.listen()[1:] != []


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_comes_slowly_is_waited_for(ear: Ear) -> None:
    """Twice as fast as the least speed, for longer than anything may be still."""
    body = b"<a>".ljust(8_000, b" ")

    def slowly() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 8000\r\nConnection: close\r\n\r\n"
        for at in range(0, len(body), 500):
            time.sleep(0.25)
            yield body[at : at + 500]

    with odd_server(slowly) as server:
        assert store_at(server.port, reply_s=3.0).get("a") == body
    assert ear.listen() == []


@pytest.mark.usefixtures("impatient")
def test_whoever_takes_its_time_with_an_answer_is_not_the_store(ear: Ear) -> None:
    """What is read is whole: how long it is looked at says nothing of the store."""
    with odd_server(lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"]) as server:
        client = S3Client(f"127.0.0.1:{server.port}", "lessons", secure=False, region="x", reply_s=3.0)
        with client.request("a"):
            assert client.send("GET", "a", {}).data == b"a"
            time.sleep(2.0 * (hang.QUIET_S + hang.ANSWER_S))
    assert [said for said in ear.listen() if said and "end its answer" in said] == []


def test_interim_answers_without_end_at_full_speed_are_refused_at_once() -> None:
    with odd_server(lambda: repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000)) as server:
        began = time.monotonic()
        with pytest.raises(StoreError, match="is that the store"):
            store_at(server.port).get("a")
        assert time.monotonic() - began < 10.0


@pytest.mark.s3
def test_what_a_slow_line_swallows_at_once_is_on_its_way(
    ear: Ear, seaweed_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A modem takes the whole body and hands it on at 64 kbit/s and 600 ms: nothing moves that the kernel could see."""
    for name, seconds in (("LOOK_S", 0.1), ("QUIET_S", 1.0), ("ANSWER_S", 2.0)):
        monkeypatch.setattr(hang, name, seconds)
    with BadProxy(seaweed_server.port, up_bps=64_000, delay_s=0.6) as proxy:
        store = store_at(proxy.port, credentials=seaweed_server.credentials)
        began = time.monotonic()
        put(store, bytes(60_000))
        assert time.monotonic() - began > 2 * (1.0 + 2.0)
    assert ear.listen() == []


@pytest.mark.s3
def test_a_line_of_64_kbit_is_slow_and_does_not_hang(tmp_path: Path) -> None:
    """In real numbers, on a line that the kernel makes thin: 64 kbit/s, and seconds in its queue, upwards."""
    script = Path(__file__).with_name("thin_line.py")
    outcome = outcome_of(script, tmp_path / "server", needs="tc", timeout_s=120)
    assert outcome["seconds"] > QUIET_S + hang.ANSWER_S + 2
    assert outcome["said"] == []
    assert outcome["stored"]


def test_a_store_that_fails_with_words_does_not_hang(ear: Ear) -> None:
    with odd_server(endless("500 Error", size=10)) as server, pytest.raises(StoreError):
        put(store_at(server.port), b"x")
    assert ear.listen() == []
