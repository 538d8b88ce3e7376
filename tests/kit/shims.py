"""Preloaded libraries that bend one system call, and the number by which they bend it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Shim:
    """Environment for processes to be bent; `set` changes by how much, for those that run too."""

    env: dict[str, str]
    _value: Path

    def set(self, value: float) -> None:
        with self._value.open("r+b") as file:  # in place: the processes have it mapped
            file.write(struct.pack("d", value))


def slow_fsync(folder: Path, milliseconds: float = 0.0) -> Shim:
    """Each fsync takes so much longer. Skips the test without a compiler."""
    return _shim(folder, "slow_fsync", "SLOW_FSYNC", milliseconds)


def wall_clock(folder: Path, seconds: float = 0.0) -> Shim:
    """The wall clock is ahead by so much. Skips the test without a compiler."""
    return _shim(folder, "wall_clock", "WALL_CLOCK_OFFSET", seconds)


def _shim(folder: Path, name: str, variable: str, value: float) -> Shim:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip(f"no gcc: {name}.c cannot be built")
    library, number = folder / f"{name}.so", folder / f"{name}.number"
    if not library.exists():
        argv = [compiler, "-O1", "-shared", "-fPIC", "-o", library, _HERE / f"{name}.c", "-ldl", "-lm"]
        subprocess.run(argv, check=True)
    number.write_bytes(struct.pack("d", value))
    return Shim({"LD_PRELOAD": str(library), variable: str(number)}, number)
