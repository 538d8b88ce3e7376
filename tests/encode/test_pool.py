"""Workers that really die: a job that ends the process which unpacks it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from encode.jobs import ChunkJob
from encode.pool import MAX_DEATHS, SHARED_MEMORY, Pool
from encode.programme import SLATE, Piece
from lesson.errors import MediaError
from lesson.model import Kind, Rendition
from lesson.time import Grid
from tests.kit.fragments import read_segment
from tests.kit.processes import alive, children, command_line
from tests.kit.waiting import wait_until

GRID = Grid()
RUNG = Rendition(name="rung", kind=Kind.VIDEO, codec="h264", width=64, height=36, crf=30, maxrate=90_000,
                 bufsize=90_000, preset="ultrafast")  # fmt: skip


class Poison:
    """Ends the process that unpickles it, as a fault inside a decoder would."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


def job(index: int, count: int = 1, *, poison: bool = False) -> ChunkJob:
    spans = tuple(GRID.span(index + number) for number in range(count))
    return ChunkJob(
        grid=GRID,
        first=index,
        spans=spans,
        inputs=("",) * count,
        canvas=(64, 36),
        renditions=(RUNG,),
        pieces=(Piece(replace(spans[0], end=spans[-1].end), SLATE),),
        clips=(),
        crops=(Poison(),) if poison else (),  # type: ignore[arg-type]
    )


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(1)
    yield pool
    pool.close()


def made(pool: Pool) -> list[int]:
    """Wait until something was made or died; the chunks that were made."""
    found: list[int] = []

    def look() -> bool:
        found.extend(chunk.index for chunk in pool.finished())
        return bool(found) or not pool.busy

    wait_until(look, 60)
    return found


def test_jobs_become_chunks(pool: Pool) -> None:
    pool.submit(job(3, 2))
    assert pool.busy == {(1, 3), (1, 4)}
    chunks = []
    wait_until(lambda: chunks.extend(pool.finished()) or chunks, 60)
    assert [(chunk.index, read_segment(chunk.data).decode_time > 0) for chunk in chunks] == [(3, True), (4, True)]
    assert pool.busy == set()


def test_chunks_of_a_worker_that_died_are_missing_again_and_go_alone(pool: Pool) -> None:
    pool.submit(job(0, poison=True))
    pool.submit(job(1, 2))
    assert made(pool) == []
    assert pool.busy == set()
    assert pool.alone == {(1, 0), (1, 1), (1, 2)}
    pool.submit(job(1))
    assert pool.full
    assert made(pool) == [1]
    assert pool.alone == {(1, 0), (1, 2)}


def test_workers_that_hang_are_replaced(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("encode.pool.HANG_S", 1.0)
    monkeypatch.setattr("encode.pool.HANG_PER_S", 0.0)
    pool.submit(job(0, 8))
    workers = wait_until(lambda: [pid for pid in children(os.getpid()) if "spawn_main" in command_line(pid)], 30)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    assert made(pool) == []
    assert pool.busy == set()
    assert not any(map(alive, workers))


def test_a_chunk_that_kills_every_worker_is_made_without_its_feeds(
    pool: Pool, error_logs: list[logging.LogRecord]
) -> None:
    for _ in range(MAX_DEATHS):
        pool.submit(job(7, poison=True))
        assert made(pool) == []
    pool.submit(job(7, poison=True))
    assert made(pool) == [7]
    assert len(error_logs) == 1
    assert pool.alone == set()


def test_when_workers_die_of_anything_the_stage_gives_up(pool: Pool, error_logs: list[logging.LogRecord]) -> None:
    incurable = replace(job(1), inputs=(Poison(),))  # taking the feeds away does not help
    for _ in range(2 * MAX_DEATHS - 1):
        pool.submit(incurable)
        assert made(pool) == []
    pool.submit(incurable)
    with pytest.raises(MediaError, match="keep dying"):
        made(pool)
    assert len(error_logs) == MAX_DEATHS


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_shared_memory_that_is_full_is_named(tmp_path: Path) -> None:
    script = (
        "from encode.pool import Pool\n"
        "from lesson.errors import StorageError\n"
        "try:\n    Pool(1)._open()\n"
        "except StorageError as error:\n    print(error)\n"
    )
    (tmp_path / "try.py").write_text(script)
    full = "mount -t tmpfs -o size=16k tmpfs /dev/shm && (head -c 16k /dev/zero > /dev/shm/fill || true)"
    argv = ["unshare", "--mount", "sh", "-c", f'{full} && exec "$0" "$1"', sys.executable, str(tmp_path / "try.py")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == f"{SHARED_MEMORY}: no space left on the disk; free some and start again\n", done.stderr


def test_closing_ends_workers_in_the_middle(pool: Pool) -> None:
    pool.submit(job(0, 8))
    workers = wait_until(lambda: [pid for pid in children(os.getpid()) if "spawn_main" in command_line(pid)], 30)
    pool.close()
    assert not any(map(alive, workers))
    assert pool.busy == set()
