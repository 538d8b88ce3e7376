"""The truth table of the light: one fault after the other, and what page, `/health` and `check` say of it, and when.

`python -m tests.faults.truth_table --json OUT [--plot PNG]` on a quiet machine; tests/faults/test_truth_table.py runs
it with patience. One real box, its cameras over RTSP; what is wrong with pictures and sound begins on all cameras at
once. Each fault is made to end, too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from api.wording import FAULTS, FLAWS, HINTS
from benchmarks.outside import Source, command, stage_pids, standby_pids
from lesson.box import Fault
from lesson.loss import Loss, loss_words
from lesson.model import Kind
from lesson.signal import FLAW_KINDS, PATIENCE, Flaw
from lesson.time import TICKS_PER_SECOND
from tests.kit.box import Box
from tests.kit.disks import disk
from tests.kit.flawed import staged
from tests.kit.rtsp_camera import RtspCamera
from tests.kit.shims import Shim, wall_clock
from tests.kit.waiting import wait_until

FLAWED: Mapping[Flaw, str] = {
    Flaw.BLACK: "teacher_closeup",
    Flaw.COVERED: "students",
    Flaw.FROZEN: "students_closeup",
    Flaw.SILENT: "mic",
    Flaw.CLIPPED: "mic",
    Flaw.HUM: "mic",
    Flaw.FAINT: "mic",
}
"""With the role of the camera that has it. The wrong microphone is the faint one: somebody speaks, far from it."""
WELL, OFF, HUNG, LATE = "teacher", "off", "hung", "late"
SEGMENT_S = 5.0
LOOK_S = 34.0
"""Between lessons a feed that is well is looked at each 30 s; what seems wrong is looked at again after 4."""
NOTICED_S: Mapping[str, float] = {OFF: 1.0, HUNG: 10.0}
"""How long it takes until it can be known: a reset at once, a standstill after 10 s without a sign of life."""
LATE_S = 25.0
PAGE = {"Accept": "text/html", "Accept-Language": "en"}


@dataclass
class Row:
    """A fault while the room waits or a lesson runs. Times: seconds from its beginning (its end) until it was said (no
    more); None: never. `knowable_s`: until when nobody could know it.
    """

    fault: str
    while_: str
    knowable_s: float
    health_s: float | None = None
    page_s: float | None = None
    check: str = ""
    back_s: float | None = None
    page: str = ""


@dataclass
class Watch:
    """What is waited for, of one fault: when `/health` and the page say it."""

    row: Row
    told: Callable[[dict[str, Any]], bool]
    sentences: tuple[str, ...]
    element: str = ""
    began: float = field(default_factory=time.monotonic)

    def shown(self, page: str) -> str:
        """Which of its sentences stands on the page, in its element if it has one."""
        part = page
        if self.element:
            found = re.search(f'id="{self.element}".*?</p>', page, re.DOTALL)
            part = found.group() if found else ""
        return next((sentence for sentence in self.sentences if sentence in part), "")


class Room:
    """The box, its cameras, its disk, its clock and its store."""

    def __init__(self, work: Path, stack: ExitStack) -> None:
        names = [*FLAWED, WELL, OFF, HUNG, LATE]
        self.cameras = {str(name): RtspCamera(shown=staged()).start() for name in names}
        for camera in self.cameras.values():
            stack.callback(camera.stop)
        self.clock: Shim = wall_clock(work)
        self.disk = stack.enter_context(disk(work / "disk", size=1 << 30))
        self.store = work / "store"
        self.rows: list[Row] = []
        roles = {str(flaw): role for flaw, role in FLAWED.items()} | {OFF: "board", HUNG: "screen", LATE: "screen"}
        sources = [
            Source(name, camera.url, role=roles.get(name, name), required=name == WELL)
            for name, camera in self.cameras.items()
        ]
        self.box = stack.enter_context(
            Box(work / "box", sources, root=self.disk.path / "root", store=f'url = "file://{self.store}"',
                env=self.clock.env)
        )  # fmt: skip

    def page(self) -> str:
        return self.box.get("/", headers=PAGE).body.decode()

    def calms(self, hint: str, within_s: float) -> str:
        """Empty once the page says that all is well; else what is wrong."""
        with contextlib.suppress(AssertionError):
            wait_until(lambda: hint in self.page(), within_s)
            return ""
        health = self.box.health()
        wrong = [(one["id"], one["state"], one["flaws"]) for one in health["sources"]]
        return f"{health['status']} {health['faults']} {wrong}"

    def watch(self, watches: list[Watch], within_s: float) -> None:
        """Until each is said by `/health` and page."""

        def all_said() -> bool:
            health, page = self.box.health(), self.page()
            now = time.monotonic()
            for one in watches:
                if one.row.health_s is None and health and one.told(health):
                    one.row.health_s = round(now - one.began, 1)
                if one.row.page_s is None and (shown := one.shown(page)):
                    one.row.page_s, one.row.page = round(now - one.began, 1), shown
            return all(one.row.health_s is not None and one.row.page_s is not None for one in watches)

        with contextlib.suppress(AssertionError):
            wait_until(all_said, within_s, poll_s=0.5)

    def until_over(self, watches: list[Watch], within_s: float) -> None:
        """Until none is said any more; from now on they have ended."""
        ended = time.monotonic()

        def all_over() -> bool:
            health, page = self.box.health(), self.page()
            for one in watches:
                over = health and not one.told(health) and not one.shown(page)
                one.row.back_s = one.row.back_s or (round(time.monotonic() - ended, 1) if over else None)
                one.row.back_s = one.row.back_s if over else None
            return all(one.row.back_s is not None for one in watches)

        with contextlib.suppress(AssertionError):
            wait_until(all_over, within_s, poll_s=0.5)
        self.rows += [one.row for one in watches]

    def check(self, watches: list[Watch]) -> None:
        """What `classreel check` says of each."""
        done = subprocess.run(
            command("check", "--config", self.box.config, "--json"), capture_output=True, text=True, timeout=180,
            check=False, env={**os.environ, **self.clock.env},
        )  # fmt: skip
        said = {one["name"].removeprefix("source "): one for one in json.loads(done.stdout)["checks"]}
        for one in watches:
            found = said.get(one.row.fault)
            if found is not None and not found["ok"]:
                one.row.check = f"{found['detail']} – {found['remedy']}"


def _source(health: dict[str, Any], name: str) -> dict[str, Any]:
    return next((one for one in health.get("sources", []) if one["id"] == name), {})


def _flaw_watch(flaw: Flaw, while_: str) -> Watch:
    looks_s = 2 * LOOK_S if flaw is Flaw.FROZEN else LOOK_S  # that it stands still only two looks tell
    patience_s = PATIENCE[flaw] / TICKS_PER_SECOND + (looks_s if while_ == "idle" else SEGMENT_S)
    return Watch(
        Row(flaw.value, while_, patience_s), lambda health: flaw.value in _source(health, flaw.value).get("flaws", ()),
        (FLAWS[flaw],),
    )  # fmt: skip


def _lost_watch(name: str, while_: str) -> Watch:
    words = [loss_words(code) for code in (Loss.NO_SIGNAL, Loss.STALLED, Loss.ENDED)] + ["nothing new is arriving"]
    return Watch(
        Row(name, while_, NOTICED_S.get(name, 1.0)),
        lambda health: _source(health, name).get("state") in ("lost", "late"),
        tuple(words),
        f"state-{name}",
    )


def _fault_watch(name: str, code: Fault, while_: str, knowable_s: float) -> Watch:
    told = lambda health: code in {one["code"] for one in health["faults"]}  # noqa: E731 - one line of a table
    return Watch(Row(name, while_, knowable_s), told, (FAULTS[code],))


def _media(room: Room, while_: str) -> None:
    """All that may be wrong with pictures and sound, a feed that is off, and a camera that hangs."""
    flaws = [flaw for flaw in FLAWED if while_ == "recording" or flaw is not Flaw.FAINT]
    watches = [_flaw_watch(flaw, while_) for flaw in flaws]
    watches += [_lost_watch(OFF, while_), _lost_watch(HUNG, while_)]
    for flaw in flaws:
        picture = FLAW_KINDS[flaw] is Kind.VIDEO
        room.cameras[flaw].show(staged(flaw) if picture else staged(None, flaw))
    room.cameras[OFF].stop()
    room.cameras[HUNG].faults.stalled = True
    for one in watches:
        one.began = time.monotonic()
    room.watch(watches, max(one.row.knowable_s for one in watches) + 30)
    room.check(watches)
    for flaw in flaws:
        room.cameras[flaw].show(staged())
    room.cameras[OFF].start()
    room.cameras[HUNG].faults.stalled = False
    room.until_over(watches, 60)


def _process(room: Room, while_: str) -> None:
    """The box's own process of one camera stands still."""
    watch = _lost_watch(HUNG, while_)
    watch.row.fault, watch.row.knowable_s = "process", 10.0
    watch.sentences, watch.element = (*watch.sentences, FAULTS[Fault.CAPTURE_FAILS]), ""
    before = watch.told
    watch.told = lambda health: before(health) or "capture_fails" in {one["code"] for one in health["faults"]}
    group = room.box.running.group()
    pid = standby_pids(group)[HUNG] if while_ == "idle" else stage_pids(room.box.lesson)[f"capture-{HUNG}"][-1]
    os.kill(pid, signal.SIGSTOP)
    watch.began = time.monotonic()
    room.watch([watch], 40)
    room.until_over([watch], 60)


def _box(room: Room, while_: str) -> None:
    """The disk, the store and the clock of the box."""
    low = _fault_watch("disk low", Fault.DISK_LOW, while_, 20.0)
    usage = os.statvfs(room.disk.path)
    taken = int(usage.f_bavail * usage.f_frsize - usage.f_blocks * usage.f_frsize * 0.06)
    ballast = room.disk.path / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, taken)
    low.began = time.monotonic()
    away = _fault_watch("store away", Fault.STORE_UNREACHABLE, while_, 10.0)
    refused = away.told
    away.told = lambda health: refused(health) or "store_refuses" in {one["code"] for one in health["faults"]}
    away.sentences = (*away.sentences, FAULTS[Fault.STORE_REFUSES])
    elsewhere = room.store.with_name("elsewhere")
    if room.store.exists():
        room.store.rename(elsewhere)
    room.store.write_text("no folder")
    room.box.post("/test")
    away.began = time.monotonic()
    room.watch([low, away], 60)
    room.check([low, away])
    ballast.unlink()
    room.store.unlink()
    if elsewhere.exists():
        elsewhere.rename(room.store)
    room.box.post("/test")
    room.until_over([low, away], 90)


def _clock(room: Room, while_: str) -> None:
    """The clock jumps an hour ahead; that is said for ten minutes, so that its end is not waited for."""
    watch = _fault_watch("clock jump", Fault.CLOCK_UNTRUSTED, while_, 1.0)
    room.clock.set(3600.0)
    watch.began = time.monotonic()
    room.watch([watch], 30)
    room.rows.append(watch.row)


def _begin_late(room: Room) -> None:
    """A lesson begins while a camera is off, which comes later."""
    room.cameras[LATE].stop()
    time.sleep(8)
    room.box.press()
    watch = _lost_watch(LATE, "recording")
    room.watch([watch], LATE_S)
    room.cameras[LATE].start()
    room.until_over([watch], 60)


def truth_table(work: Path) -> dict[str, Any]:
    """Make every fault while the room waits, then while a lesson runs."""
    with ExitStack() as stack:
        room = Room(work, stack)
        wait_until(lambda: room.box.health().get("tested"), 90, what=f"all is well: {room.box.said}")
        calm = {"idle": room.calms(HINTS["idle"], 20)}
        _media(room, "idle")
        _process(room, "idle")
        _box(room, "idle")
        _begin_late(room)
        calm["recording"] = room.calms(HINTS["recording"], 90)
        _media(room, "recording")
        calm["recording again"] = room.calms(HINTS["recording"], 60)
        _process(room, "recording")
        _box(room, "recording")
        _clock(room, "recording")
        room.box.stop()
    return {"calm": calm, "rows": [asdict(row) for row in room.rows]}


def plot(result: Mapping[str, Any], path: Path) -> None:
    """A table: seconds until each fault was said, beyond what nobody could know; and until it was no more."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    heads = ("fault", "while", "can be known", "/health", "page", "check", "over")
    cells = [
        [row["fault"], row["while_"], f"{row['knowable_s']:.0f} s", *(_s(row[key]) for key in ("health_s", "page_s")),
         "says so" if row["check"] else "–", _s(row["back_s"])]
        for row in result["rows"]
    ]  # fmt: skip
    figure, axes = plt.subplots(figsize=(9, 0.32 * len(cells) + 0.8))
    axes.axis("off")
    table = axes.table(cellText=cells, colLabels=heads, loc="center", cellLoc="left")
    table.scale(1, 1.3)
    for number, row in enumerate(result["rows"], 1):
        for column, key in ((3, "health_s"), (4, "page_s"), (6, "back_s")):
            if key == "back_s" and (row["health_s"] is None or row[key] is None):
                continue  # what was never said is not over; of a clock that jumped its end is not waited for
            allowed = 10.0 + (row["knowable_s"] if key != "back_s" else 0.0)
            good = row[key] is not None and row[key] <= allowed
            table[number, column].set_facecolor("#cfe8cf" if good else "#f4d6a8" if row[key] is not None else "#eeb4b4")
    figure.savefig(path, dpi=130, bbox_inches="tight")
    plt.close(figure)


def _s(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.1f} s"


@contextmanager
def _work() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="truth-") as name:
        yield Path(name)


def main() -> None:
    """Run it, and write what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.truth_table", description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    with _work() as work:
        result = truth_table(work)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    if arguments.plot:
        plot(result, arguments.plot)


if __name__ == "__main__":
    main()
