"""Boxes are process groups of their own: nothing of them outlives a run, however it is ended."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from benchmarks.outside import end_as_by_ctrl_c


@pytest.fixture(scope="session", autouse=True)
def _ended_tidily() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    end_as_by_ctrl_c()
    yield
    signal.signal(signal.SIGTERM, before)
