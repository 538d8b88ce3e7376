"""What a source of every kind must do: open, report its streams, be seen to stall, go away and come back, end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import capture.kinds
from capture.kinds import KINDS, remedy
from capture.settings import SourceSettings
from lesson.loss import Loss
from lesson.model import Kind, Role
from lesson.records import SourceLost, StreamAccount
from lesson.source_fault import SourceFault
from media.decode.sound import sound
from media.feeds.segment import file_digest
from process.stage import EXIT_RETRY
from tests.kit.capturing import (
    Capture,
    by_epoch,
    epochs,
    files,
    finished,
    live_lesson,
    marks,
    records,
    segments,
    stop_now,
)
from tests.kit.lessons import source
from tests.kit.pushed_kind import TABLE
from tests.kit.source_stand_ins import STAND_INS, USER, StandIn

NAMES = [kind.schemes[0] for kind in TABLE]
USER_VARIABLE, PASSWORD_VARIABLE = "CAM_USER", "CAM_PASS"
SEEN_WITHIN_S = 20.0
STALLING = {"rtsp", "v4l2", "alsa", "x11", "push", "knock"}
LOSABLE = {"rtsp", "v4l2", "x11", "file", "push", "knock"}


class Life:
    """One source of one kind and the capture process that records it, started again as its supervisor would."""

    def __init__(self, name: str, folder: Path, stand_in: StandIn) -> None:
        self.name = name
        self.stand_in = stand_in
        spec = source(
            "teacher", uri=stand_in.uri, user_env=USER_VARIABLE, password_env=PASSWORD_VARIABLE, required=True
        )
        self.folder = live_lesson(folder, spec)
        self.log = ""
        self.exit_code: int | None = None
        self._start()

    def _start(self) -> None:
        env = {**self.stand_in.env, USER_VARIABLE: USER, PASSWORD_VARIABLE: self.stand_in.password}
        self.process = Capture(self.folder, "teacher", env=env, module="tests.kit.pushed_kind")
        self.argv = Path(f"/proc/{self.process.process.pid}/cmdline").read_bytes()

    @property
    def losses(self) -> list[SourceLost]:
        return records(self.folder, "teacher", SourceLost)

    def began(self, count: int) -> bool:
        """Whether so many epochs began, the newest with something in a file that is being written."""
        self._replace()
        started = epochs(self.folder, "teacher")
        return len(started) >= count and any(
            path.stat().st_size > 2_000 for path in self.folder.path.glob(f"raw/teacher/e{started[-1].epoch:02d}/*")
        )

    def lost(self, count: int) -> bool:
        self._replace()
        return len(self.losses) >= count

    def over(self) -> bool:
        """Whether the process ended for good."""
        self._replace()
        self.exit_code = self.process.process.poll()
        return self.exit_code is not None

    def _replace(self) -> None:
        if self.process.process.poll() == EXIT_RETRY:
            self.log += self.process.log
            self._start()

    def close(self) -> None:
        self.process.kill()
        self.log += self.process.log


def until(condition: Callable[[], bool], limit_s: float) -> None:
    """Wait for it, and no longer; what came of it is for the tests to say, each for its kind."""
    end = time.monotonic() + limit_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Life]]:
    """A source of each kind through a lesson: all of them at once, as most of it is waiting."""
    with ExitStack() as stack:
        lives: list[Life] = []
        for name in NAMES:
            folder = tmp_path_factory.mktemp(name)
            life = Life(name, folder, stack.enter_context(STAND_INS[name](folder)))
            stack.callback(life.close)
            lives.append(life)
        stalling = [life for life in lives if life.stand_in.stall]
        losable = [life for life in lives if life.stand_in.lose]
        expected = dict.fromkeys(NAMES, 1)
        until(lambda: all(life.began(1) for life in lives), 25)
        for fault, chosen in (("stall", stalling), ("lose", losable)):
            before = {life.name: len(life.losses) for life in chosen}
            for life in chosen:
                getattr(life.stand_in, fault)(True)
            until(lambda chosen=chosen, before=before: all(i.lost(before[i.name] + 1) for i in chosen), SEEN_WITHIN_S)
            tries = time.monotonic() + 1.0
            until(lambda tries=tries: time.monotonic() > tries, 2)  # that it is looked for in vain must not end it
            for life in chosen:
                getattr(life.stand_in, fault)(False)
                expected[life.name] += 1
            until(lambda chosen=chosen: all(life.began(expected[life.name]) for life in chosen), 25)
        for life in lives:
            stop_now(life.folder)
        until(lambda: all(life.over() for life in lives), 15)
        for life in lives:
            life.close()
        yield {life.name: life for life in lives}


@pytest.fixture(params=NAMES)
def life(request: pytest.FixtureRequest, lives: dict[str, Life]) -> Life:
    return lives[request.param]


def test_no_kind_is_left_out() -> None:
    assert set(STAND_INS) == set(NAMES)


def test_it_opens_and_what_it_shows_and_sounds_like_is_recorded(life: Life) -> None:
    first = by_epoch(segments(life.folder, "teacher")).get(0, [])
    assert {info.kind: info.codec for info in epochs(life.folder, "teacher")[0].streams} == life.stand_in.streams
    if Kind.VIDEO in life.stand_in.streams:
        shown = marks(life.folder, first)
        assert len(shown) > 3
        assert all(mark is not None for _, mark in shown)
    if Kind.AUDIO in life.stand_in.streams:
        pcm = np.concatenate([block.pcm for block in sound(files(life.folder, first))])
        assert abs(pcm).max() > 0.1


def test_it_reports_its_streams(life: Life) -> None:
    accounts = [account for account in records(life.folder, "teacher", StreamAccount) if account.epoch == 0]
    announced = {**life.stand_in.streams, **life.stand_in.announced}
    assert {(one.kind, one.codec, one.used) for one in accounts[: len(announced)]} == {
        (kind, codec, True) for kind, codec in announced.items()
    }


@pytest.mark.parametrize("life", sorted(STALLING), indirect=True)
def test_it_is_seen_to_stall_and_recorded_again(life: Life) -> None:
    assert life.losses[0].code == Loss.STALLED, life.losses
    assert life.began(2), life.log


@pytest.mark.parametrize("life", sorted(LOSABLE), indirect=True)
def test_it_is_lost_once_and_recorded_again(life: Life) -> None:
    losses = life.losses[life.name in STALLING :]
    codes = [loss.code for loss in losses]
    away = Loss.NOT_SENT if life.name == "push" else Loss.NO_SIGNAL
    assert codes in ([Loss.ENDED], [away], [Loss.ENDED, away]), "each reason once"
    assert not any("\n" in loss.reason for loss in losses)
    assert life.began(2 + (life.name in STALLING)), life.log


def test_what_no_stand_in_can_do_is_said(lives: dict[str, Life]) -> None:
    assert {name for name, life in lives.items() if life.stand_in.stall} == STALLING
    assert {name for name, life in lives.items() if life.stand_in.lose} == LOSABLE
    assert {name for name, life in lives.items() if life.stand_in.cannot} == set(NAMES) - (STALLING & LOSABLE)


def test_it_ends_with_the_lesson_and_everything_is_whole(life: Life) -> None:
    assert life.exit_code == 0, life.log
    assert finished(life.folder, "teacher")
    found = segments(life.folder, "teacher")
    assert [segment.seq for segment in found] == list(range(len(found)))
    for segment in found:
        assert file_digest(life.folder.absolute(segment.path)) == (segment.bytes, segment.sha256)
    for group in by_epoch(found).values():
        for kind in life.stand_in.streams:
            spans = [span for segment in group if (span := segment.span(kind))]
            assert all(a.end <= b.start + 4_800 for a, b in pairwise(spans))


def test_its_password_is_nowhere(life: Life) -> None:
    written = b"".join(path.read_bytes() for path in life.folder.path.rglob("*") if path.is_file())
    assert life.log
    for secret in (USER, life.stand_in.password, "s3cr%2Fet%40pass%20word"):
        assert secret not in life.log
        assert secret.encode() not in life.argv
        assert secret.encode() not in written


def test_a_kind_is_one_file_and_one_line_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """That it is recorded is seen above: it is one of `NAMES`. Settings and self-test know it by the same line."""
    uri = "knock:127.0.0.1:9000"
    with pytest.raises(ValueError, match="no such kind of source"):
        SourceSettings(id="guest", role=Role.TEACHER, uri=uri)
    monkeypatch.setattr(capture.kinds, "KINDS", TABLE)
    assert SourceSettings(id="guest", role=Role.TEACHER, uri=uri).uri == uri
    assert "start the encoder" in remedy(uri, SourceFault.UNREACHABLE)
    with pytest.raises(ValueError, match="knock:HOST:PORT"):
        SourceSettings(id="guest", role=Role.TEACHER, uri="pull:127.0.0.1:9000")


def test_no_other_file_knows_the_name_of_a_kind() -> None:
    root = Path(capture.kinds.__file__).parents[2]
    for kind in KINDS:
        for scheme in set(kind.schemes) - {"test", "file"}:  # words of their own
            names = {
                str(path.relative_to(root))
                for room in (
                    "api",
                    "capture",
                    "classroom",
                    "encode",
                    "lesson",
                    "media",
                    "process",
                    "publish",
                    "tracking",
                )
                for path in (root / room).rglob("*.py")
                if f'"{scheme}"' in path.read_text()
            }
            assert names == {f"capture/kinds/{kind.schemes[0]}.py"}
