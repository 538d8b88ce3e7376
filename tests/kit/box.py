"""A box: `classreel serve` in a process group of its own, its button pressed over HTTP, watched from outside.

with Box(tmp_path, (TEACHER, MIC)) as box:
    lesson = box.press()
    box.until_recording()
    box.kill(); box.start()             # kill -9 of the whole group, and power is back
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.journals import lessons, segments
from benchmarks.outside import Answer, Running, Source, ask, command, post, waited, write_config
from tests.kit.s3_servers import free_ports
from tests.kit.waiting import wait_until

TEACHER = Source("teacher", "test:teacher?size=320x180&fps=10", required=True)
MIC = Source("mic", "test:tone", role="mic", required=True)
ANSWERS_WITHIN_S = 60.0
POSTED_WITHIN_S = 60.0
"""A press waits for the disk, which may be slow."""
RECORDS_WITHIN_S = 60.0
_LISTENING = "0A"


class Box:
    """`sources` are those of its classroom.toml, with `store` and `more` as for `write_config`.

    `root`: where lessons go, by default a folder in `folder`. `before`: argv that runs the rest of its arguments, such
    as `unshare`.
    """

    def __init__(self, folder: Path, sources: Iterable[Source] = (TEACHER, MIC), *, root: Path | None = None,
                 store: str = "", more: str = "", env: Mapping[str, str] | None = None,
                 before: Sequence[str] = ()) -> None:  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.root = folder, root or folder / "root"
        self.sources = tuple(sources)
        self.config = write_config(folder / "classroom.toml", self.root, self.sources, store=store, more=more)
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.env: dict[str, str] = dict(env or {})
        self.before = list(before)
        self._running: Running | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:  # also when the run is ended while it starts
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def running(self) -> Running:
        assert self._running is not None, "the box is off"
        return self._running

    def start(self, *, answers: bool = True) -> None:
        """Power on; by default wait until its pages answer."""
        argv = [*self.before, *command("serve", "--config", self.config, "--port", str(self.port))]
        self._running = Running(argv, self.folder / "serve", env=self.env)
        if answers:
            wait_until(lambda: self.get("/health").status, ANSWERS_WITHIN_S, what=f"the box answers: {self.said}")

    def kill(self) -> None:
        """Kill -9 of the whole group, as a power cut ends it."""
        if self._running is not None:
            running, self._running = self._running, None
            running.kill_group()
            wait_until(lambda: not running.group(), 20, what="everything of the box has ended")

    @property
    def said(self) -> str:
        """The end of what it said on stderr."""
        return self.running.err.read_text(errors="replace")[-2000:]

    def get(self, path: str, *, timeout_s: float = 10.0, headers: Mapping[str, str] | None = None) -> Answer:
        return ask(self.url + path, timeout_s=timeout_s, headers=headers)

    def post(self, path: str, body: bytes = b"{}") -> Answer:
        return post(self.url + path, body, timeout_s=POSTED_WITHIN_S)

    def health(self) -> dict[str, Any]:
        """What `/health` says; empty when it gives no JSON object."""
        said = self.get("/health").json
        return said if isinstance(said, dict) else {}

    def source_health(self, source: str) -> dict[str, Any]:
        return next((one for one in self.health().get("sources", []) if one["id"] == source), {})

    def press(self) -> Path:
        """Press the button; the folder of the lesson that runs now."""
        answer = self.post("/lessons")
        assert answer.status in (200, 201), answer.body[:500]
        return self.root / str(answer.json["lesson_id"])

    def stop(self) -> None:
        """Press it again."""
        assert self.post(f"/lessons/{self.lesson.name}/stop").status == 200

    @property
    def lesson(self) -> Path:
        """The newest lesson."""
        return lessons(self.root)[-1]

    def detail(self) -> dict[str, Any]:
        """The newest lesson as the API tells it."""
        found = self.get(f"/lessons/{self.lesson.name}").json
        assert isinstance(found, dict)
        return found

    def until_recording(self, within_s: float = RECORDS_WITHIN_S) -> None:
        """Wait until the light says so: every required feed is on disk."""
        wait_until(lambda: self.health().get("status") == "recording", within_s, what=f"it records: {self.said}")

    def web_pid(self) -> int:
        """The process that serves the pages: it holds the listening socket."""
        lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        inode = next(f[9] for f in lines if f[1].endswith(f":{self.port:04X}") and f[3] == _LISTENING)
        for pid in self.running.group():
            if f"socket:[{inode}]" in map(_target, Path(f"/proc/{pid}/fd").iterdir()):
                return pid
        raise AssertionError("nobody of the box listens")

    def fault(self, *codes: str, within_s: float) -> dict[str, Any]:
        """The first fault of one of these codes in `/health`, within so many seconds."""

        def shown() -> dict[str, Any] | None:
            return next((one for one in self.health().get("faults", []) if one["code"] in codes), None)

        found = waited(shown, within_s, poll_s=0.25)
        assert found is not None, f"/health says nothing of {codes}: {self.health()}"
        return found


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def damaged(lesson: Path, source: str) -> list[str]:
    """Committed segments whose bytes are not those of the journal."""
    return [
        segment["path"]
        for segment in segments(lesson, source)
        if not (lesson / segment["path"]).is_file()
        or hashlib.sha256((lesson / segment["path"]).read_bytes()).hexdigest() != segment["sha256"]
    ]


def holes(lesson: Path, source: str, kind: str, *, longest_s: float = 0.5) -> list[float]:
    """Seconds of each hole between neighbouring segments of one epoch, `longest_s` and longer."""
    found = []
    last: tuple[int, int] | None = None
    for segment in segments(lesson, source):
        pts = segment.get(kind)
        if not pts:
            continue
        if last and last[0] == segment["epoch"] and pts["first"] - last[1] >= longest_s * 1000:
            found.append((pts["first"] - last[1]) / 1000)
        last = (segment["epoch"], pts["end"])
    return found


def named_s(detail: Mapping[str, Any], source: str, kind: str) -> list[float]:
    """Seconds of each gap of a source's stream that the API names."""
    gaps = [gap for gap in detail["gaps"] if gap["source"] == source and gap["kind"] == kind]
    return [gap["end_s"] - gap["start_s"] for gap in gaps]
