"""Workers for chunk jobs, on this machine or a farm. One that dies takes no chunk with it: its jobs are made again."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import cv2
import structlog

from encode.chunk import EncodedChunk, run
from encode.farm import open_farm, worker_was_lost
from encode.jobs import ChunkJob, Slot
from encode.programme import SLATE, Piece
from lesson.errors import MediaError, storage_errors
from lesson.time import seconds_from_ticks
from process.logs import configure_logging
from process.parentage import die_with_parent

MAX_DEATHS = 3
"""Worker deaths over one chunk after which it is made without its sources: one bad file must not stop a lesson."""
HANG_S = 120.0
HANG_PER_S = 60.0
"""A job hangs after `HANG_S` and `HANG_PER_S` for each second of its programme; the slowest box seen takes 2."""

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - nothing is written there by name
"""Where Linux keeps a pool's semaphores: its errors do not say so, and mean no disk."""

_log = structlog.get_logger()


def _prepare_worker(parent: int) -> None:
    die_with_parent(parent)
    configure_logging("encode-worker")
    cv2.setNumThreads(1)  # the rungs' threads fill the cores already


class Pool:
    """Runs jobs on `workers` processes, or on the farm at a URL, and gives back what they made, in any order."""

    def __init__(self, workers: int, farm: str | None = None) -> None:
        self.workers = workers
        self._farm = farm
        self._executor: Executor | None = None
        self._running: dict[Future[tuple[EncodedChunk, ...]], ChunkJob] = {}
        self._quiet_since = time.monotonic()
        self._deaths: Counter[Slot] = Counter()

    @property
    def busy(self) -> set[Slot]:
        """Chunks that are being made."""
        return {slot for job in self._running.values() for slot in job.slots}

    @property
    def alone(self) -> set[Slot]:
        """Chunks over which a worker died: to be made in jobs of their own, so that it shows which one it was."""
        return set(self._deaths)

    @property
    def full(self) -> bool:
        """Whether there is a job for every worker, and while nobody died one waiting."""
        return len(self._running) >= (1 if self._deaths else self.workers + 1)

    def submit(self, job: ChunkJob) -> None:
        executor = self._executor = self._executor or self._open()
        deaths = max(self._deaths.get(slot, 0) for slot in job.slots)
        if deaths >= MAX_DEATHS:
            _log.error("chunk_failed", chunk=job.first, error=f"{deaths} workers died over it: it shows the slate")
            job = without_sources(job)
        if not self._running:
            self._quiet_since = time.monotonic()
        try:
            self._running[executor.submit(run, job)] = job
        except BrokenProcessPool:
            self._bury([*self._running.values(), job])

    def _open(self) -> Executor:
        if self._farm:
            farm = open_farm(self._farm)
            self.workers = farm.slots
            return farm.executor
        context = multiprocessing.get_context("spawn")  # a fork would copy threads in the middle of their work
        with storage_errors(SHARED_MEMORY):
            return ProcessPoolExecutor(
                self.workers, mp_context=context, initializer=_prepare_worker, initargs=(os.getpid(),)
            )

    def finished(self) -> Iterator[EncodedChunk]:
        """What has been made since the last call. Raises what a job raised; `MediaError` when workers keep dying."""
        done, _ = wait(self._running, timeout=0)
        if done:
            self._quiet_since = time.monotonic()
        elif self._hang():
            self._bury(list(self._running.values()))
            return
        for future in done:
            if isinstance(future.exception(), BrokenProcessPool) or worker_was_lost(future.exception()):
                self._bury(list(self._running.values()))
                return
            job = self._running.pop(future)
            for slot in job.slots:
                self._deaths.pop(slot, None)
            yield from future.result()

    def _hang(self) -> bool:
        """Whether the workers have been silent for longer than their longest job may take."""
        longest = max((sum(span.duration for span in job.spans) for job in self._running.values()), default=0)
        allowed = HANG_S + HANG_PER_S * seconds_from_ticks(longest)
        return bool(self._running) and time.monotonic() - self._quiet_since > allowed

    def _bury(self, jobs: list[ChunkJob]) -> None:
        """A worker died or hangs, and the pool with it: forget its jobs, whose chunks are then missing as before."""
        for job in jobs:
            self._deaths.update(job.slots)
        chunks = sorted(index for job in jobs for index in job.indices)
        _log.warning("encode_worker_died", chunks=chunks, error="it ended, or hung: its chunks are made again")
        self.close()
        if max(self._deaths.values()) >= 2 * MAX_DEATHS:
            raise MediaError("encode workers keep dying, even over chunks without pictures")

    def close(self) -> None:
        """End the workers at once, whatever they are doing."""
        executor, self._executor = self._executor, None
        self._running.clear()
        if executor is not None:
            for process in multiprocessing.active_children():
                process.kill()
            executor.shutdown(wait=self._farm is None, cancel_futures=True)


def without_sources(job: ChunkJob) -> ChunkJob:
    """The same chunks with nothing but the slate."""
    span = replace(job.pieces[0].span, end=job.pieces[-1].span.end)
    return replace(job, pieces=(Piece(span, SLATE),), clips=(), crops=())
