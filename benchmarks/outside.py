"""A running classreel seen from outside: its command line, its processes and its pages.

Nothing of the product is imported: what is measured with this holds whatever the rooms become.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

ROOT = Path(__file__).resolve().parent.parent
_END_WITHIN_S = 30.0
_STAGES = frozenset({"capture", "tracking", "encode", "publish"})

T = TypeVar("T")
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """One `[[sources]]` of a classroom.toml; `more` are further lines of it, such as `user_env = "CAM_USER"`."""

    id: str
    uri: str
    role: str = ""
    required: bool = False
    more: str = ""

    @property
    def toml(self) -> str:
        role = self.role or self.id
        return (
            f'[[sources]]\nid = "{self.id}"\nrole = "{role}"\nuri = "{self.uri}"\n'
            f"required = {str(self.required).lower()}\n{self.more}\n"
        )


def write_config(path: Path, root: Path, sources: tuple[Source, ...], *, store: str = "", more: str = "") -> Path:
    """Write a classroom.toml. `store`: lines of `[store]`; `more`: lines before any section."""
    section = f"[store]\n{store}\n" if store else ""
    path.write_text(f'root = "{root}"\n{more}\n{section}' + "".join(source.toml for source in sources))
    return path


def command(*arguments: str | Path) -> list[str]:
    """The argv of `classreel ARGUMENTS` with this interpreter and these rooms, from any working folder."""
    return [sys.executable, "-P", "-m", "classroom", *map(str, arguments)]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a user without CLASSREEL_ settings; `extra` wins, its PYTHONPATH comes first.

    Python may keep what it compiled, as it does of an installed box.
    """
    dropped = ("CLASSREEL_", "PYTHONDONTWRITEBYTECODE")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    extra = dict(extra or {})
    extra["PYTHONPATH"] = os.pathsep.join(filter(None, [extra.get("PYTHONPATH", ""), str(ROOT)]))
    return {**clean, **extra}


class Running:
    """A process in a group and session of its own, said lines kept in files; its whole group ends with the block."""

    def __init__(self, argv: list[str], log: Path, *, env: Mapping[str, str] | None = None) -> None:
        self.out, self.err = log.with_suffix(".out"), log.with_suffix(".err")
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell's background job: ours shall hear Ctrl-C
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self.started_ns = time.monotonic_ns()
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment(env), start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait(self, timeout_s: float) -> int:
        """Its exit status. Raises `subprocess.TimeoutExpired`."""
        return self._process.wait(timeout_s)

    def interrupt(self) -> None:
        """As Ctrl-C at its terminal, but for this process alone."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Kill -9 of this process alone."""
        self._process.kill()
        self._process.wait(_END_WITHIN_S)

    def kill_group(self) -> None:
        """Kill -9 of everything it started that is in its process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(_END_WITHIN_S)

    def group(self) -> list[int]:
        """All living processes of its group."""
        return [pid for pid, fields in _processes() if int(fields[2]) == self.pid]

    def report(self) -> Record:
        """The last JSON object it printed; empty when there is none."""
        found = [line for line in self.out.read_text(errors="replace").splitlines() if line.startswith("{")]
        return dict(json.loads(found[-1])) if found else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_group()


def end_as_by_ctrl_c() -> None:
    """Have SIGTERM (of `timeout`, of a service manager) end this program as Ctrl-C does: what it started ends too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


# --- waiting ---------------------------------------------------------------------------------------------------------


def waited(condition: Callable[[], T], timeout_s: float, *, poll_s: float = 0.05) -> T | None:
    """The first true value of `condition`, or None when there was none for `timeout_s`."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            return None
        time.sleep(poll_s)


# --- processes -------------------------------------------------------------------------------------------------------


def _processes() -> Iterator[tuple[int, list[str]]]:
    """Living processes and the fields of /proc/PID/stat after the name: state, parent, group, and more."""
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if fields and fields[0] not in "ZX":
                yield int(path.name), fields


def stage_pids(lesson: Path) -> dict[str, list[int]]:
    """Processes at work on a lesson by name: `capture-SOURCE`, `tracking`, `encode`, `publish`.

    Children of theirs (encoders' workers, the observer) stand under the name of their stage with `-child`.
    """
    parents = {pid: int(fields[1]) for pid, fields in _processes()}
    names = {pid: name for pid in parents if (name := _stage_name(pid, lesson))}
    found: dict[str, list[int]] = {}
    for pid, parent in parents.items():
        name = names.get(pid) or (f"{names[parent]}-child" if parent in names else None)
        if name:
            found.setdefault(name, []).append(pid)
    return found


def _stage_name(pid: int, lesson: Path) -> str | None:
    """The stage that a process is, by its arguments `python … -m STAGE LESSON [SOURCE]`, or `publish --all ROOT`."""
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    after = argv[argv.index("-m") + 1 :] if "-m" in argv else []
    if str(lesson) not in after and after[:3] != ["publish", "--all", str(lesson.parent)]:
        return None
    if not after or after[0] not in _STAGES:
        return None
    return f"capture-{after[2]}" if after[0] == "capture" and len(after) > 2 else after[0]


def capture_pids(lesson: Path) -> dict[str, int]:
    """The capture process of each source; while one replaces another, the newer."""
    pids = stage_pids(lesson)
    return {name.removeprefix("capture-"): max(pids[name]) for name in pids if _is_capture(name)}


def standby_pids(group: Iterable[int]) -> dict[str, int]:
    """Of these processes those that keep a feed open between lessons, by its source: `-m capture.standby {JSON}`."""
    found = {}
    for pid in group:
        try:
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has just ended
            continue
        if "capture.standby" in argv:
            found[str(json.loads(argv[argv.index("capture.standby") + 1])["id"])] = pid
    return found


def _is_capture(name: str) -> bool:
    return name.startswith("capture-") and not name.endswith("-child")


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process used so far, user and system; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def written_bytes(pid: int) -> int:
    """Bytes that a process so far had the disk write (0 on a file system in memory); 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("write_bytes:")), 0)


# --- pages -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; status 0 when it did not."""

    status: int
    body: bytes
    took_s: float

    @property
    def json(self) -> Any:
        """The body's JSON; an empty object when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


def ask(url: str, method: str = "GET", body: bytes | None = None, *, headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0) -> Answer:  # fmt: skip
    """One request to a server on this machine; never raises for what the server does."""
    request = urllib.request.Request(url, body, {"Accept": "application/json", **(headers or {})}, method=method)  # noqa: S310
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as reply:  # noqa: S310 - http on loopback only
            status, data = reply.status, reply.read()
    except urllib.error.HTTPError as error:
        status, data = error.code, error.read()
    except (OSError, ValueError) as error:
        status, data = 0, repr(error).encode()
    return Answer(status, data, time.monotonic() - began)


def post(url: str, body: bytes = b"{}", *, timeout_s: float = 10.0) -> Answer:
    """A POST of JSON."""
    return ask(url, "POST", body, headers={"Content-Type": "application/json"}, timeout_s=timeout_s)
