"""An encoding farm: chunk jobs carried out by the workers of a Dask scheduler instead of processes of this machine.

The workers have classreel installed and see the lesson folder under the same path (a shared folder); what they make
comes back as bytes and is committed here.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from lesson.errors import ConfigError, MediaError

CONNECT_TIMEOUT = "10s"


@dataclass(frozen=True, slots=True)
class Farm:
    """`slots`: how many jobs its workers can do at a time, 1 at least."""

    executor: Executor
    slots: int


def open_farm(url: str) -> Farm:
    """The farm whose scheduler is at `url` (`tcp://host:8786`).

    Raises:
        ConfigError: Dask is not installed here.
        MediaError: nobody answers at `url`.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError("an encoding farm needs Dask: pip install 'classreel[farm]'") from error
    try:
        client: Any = Client(url, timeout=CONNECT_TIMEOUT, set_as_default=False)  # type: ignore[no-untyped-call]
        return Farm(client.get_executor(), max(1, sum(client.ncores().values())))
    except (OSError, ValueError) as error:
        raise MediaError(f"encoding farm {url}: no scheduler answers there") from error


def worker_was_lost(error: BaseException | None) -> bool:
    """Whether a job failed because its worker on the farm died over it, again and again."""
    return type(error).__name__ == "KilledWorker"  # by name: Dask is not there on a box without a farm
