"""Memory of several processes together, pages that they share counted once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_PAGE = 4_096
_ENTRY = 8
_FRAME = np.uint64((1 << 55) - 1)
_PRESENT = np.uint64(1 << 63)
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """MiB. `together`: each page once, whoever maps it. `pss`: sum of the parts that are each process's by the kernel's
    sharing out, so that what others share with them counts in part. `sum`: of the resident sizes, shared pages many
    times.
    """

    together: float
    pss: float
    sum: float


def memory_of(pids: Sequence[int]) -> Memory:
    """Memory of processes that are alive.

    Counted by page frames, which the kernel shows to root only; without them `together` is `pss`.
    """
    pss = sum(_rollup(pid, "Pss") for pid in pids)
    frames = np.unique(np.concatenate([_frames(pid) for pid in pids] or [np.empty(0, np.uint64)]))
    together = frames[frames > 0].size * _PAGE / _MIB
    return Memory(together=together or pss, pss=pss, sum=sum(_rollup(pid, "Rss") for pid in pids))


def _rollup(pid: int, field: str) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found.group(1)) / 1024 if found else 0.0


def _frames(pid: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """The page frames that a process has in memory; zeros for those that may not be known."""
    parts = []
    try:
        maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
        with Path(f"/proc/{pid}/pagemap").open("rb") as pagemap:
            for line in maps:
                start, end = (int(part, 16) for part in line.split(" ", 1)[0].split("-"))
                if end >> 63 or "[v" in line:  # vsyscall, vdso, vvar: the kernel's own
                    continue
                pagemap.seek(start // _PAGE * _ENTRY)
                entries = np.frombuffer(pagemap.read((end - start) // _PAGE * _ENTRY), np.uint64)
                parts.append(entries[entries & _PRESENT > 0] & _FRAME)
    except OSError:  # it has ended, or may not be looked at
        return np.empty(0, np.uint64)
    return np.concatenate(parts or [np.empty(0, np.uint64)])
