"""The light tells the truth about what is recorded: each flaw by its name, soon, and nothing about what is well."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.wording import BACKUP, FLAWS, HINT_PARTLY, HINT_USELESS, HINTS
from benchmarks.outside import Source
from lesson.model import Kind
from lesson.signal import PATIENCE, Flaw
from lesson.time import TICKS_PER_SECOND
from tests.kit.box import Box
from tests.kit.flawed import filmed, flawed_clip
from tests.kit.programme import folder_of, sound_of
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.faults
SOON_S = 10.0
"""How soon a flaw is said after it can be known: after its patience, and the segment in which that ends."""
SEGMENT_S = 5.0
LIVE: dict[Flaw, str] = {
    Flaw.BLACK: "teacher_closeup",
    Flaw.COVERED: "students",
    Flaw.FROZEN: "students_closeup",
    Flaw.SILENT: "mic",
    Flaw.CLIPPED: "mic",
    Flaw.HUM: "mic",
}
"""With the role of a source that has it."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for flaw in LIVE:
        flawed_clip(folder / f"{flaw.value}.mkv", flaw, seconds=20)
    flawed_clip(folder / "room.mkv", None, seconds=20, kind=Kind.VIDEO)
    flawed_clip(folder / "speech.mkv", None, seconds=20, kind=Kind.AUDIO)
    filmed(folder / "sometimes.mkv", [Flaw.BLACK] * 24 + [None] * 60)
    return folder


def fed(folder: Path, name: str, role: str, *, required: bool = False, more: str = "") -> Source:
    return Source(name, f"file:{folder / name}.mkv?loop", role=role, required=required, more=more)


def flaws_of(health: dict[str, Any]) -> dict[str, list[str]]:
    return {one["id"]: one["flaws"] for one in health.get("sources", []) if one["flaws"]}


def page(box: Box) -> str:
    return box.get("/", headers={"Accept": "text/html", "Accept-Language": "en"}).body.decode()


def known_s(flaw: Flaw) -> float:
    return PATIENCE[flaw] / TICKS_PER_SECOND + SEGMENT_S


def test_every_flaw_is_said_by_its_name_and_nothing_of_what_is_well(tmp_path: Path, clips: Path) -> None:
    backed = {Flaw.SILENT: 'backup = "speech"'}  # it is the first microphone: without a backup nothing would be heard
    sources = [fed(clips, flaw.value, role, more=backed.get(flaw, "")) for flaw, role in LIVE.items()]
    sources += [fed(clips, "room", "teacher", required=True), fed(clips, "speech", "mic", required=True)]
    wanted = {flaw.value: [flaw.value] for flaw in LIVE}
    with Box(tmp_path, sources) as box:
        box.press()
        box.until_recording()
        wait_until(
            lambda: flaws_of(box.health()) == wanted, max(map(known_s, LIVE)) + SOON_S + 20, what="each is named"
        )
        health = box.health()
        assert (health["status"], health["ok"]) == ("recording", False)
        assert all(one["measured"] for one in health["sources"])
        assert {one["id"]: one["backup"] for one in health["sources"] if one["backup"]} == {"silent": "speech"}
        shown = page(box)
        assert HINT_PARTLY in shown
        assert HINTS["recording"] not in shown, "not everything is recorded as it should be"
        assert all(FLAWS[flaw] in shown for flaw in LIVE)
        assert BACKUP % {"backup": "speech"} in shown
        figures = box.get("/metrics").body.decode()
        for flaw, role in LIVE.items():
            assert f'source_flaw{{flaw="{flaw.value}",role="{role}",source="{flaw.value}"}} 1.0' in figures
        assert sum(
            line.startswith("classreel_source_flaw{") and line.endswith(" 1.0") for line in figures.splitlines()
        ) == len(LIVE)
        box.stop()
        said = wait_until(lambda: _said_at_the_end(box), 60, what="the lesson says where it was spoilt")
        assert said is not None
        instead = [one for one in said if one.endswith("; speech is heard instead")]
        assert len(instead) == 1
        assert instead[0].startswith("silent: nothing is heard of it ")
        url = wait_until(lambda: _published(box), 90, what="it is published")
        assert url is not None
        voice = sound_of(folder_of(url) / "voice")[1]
        quiet = np.abs(voice[: len(voice) // 4800 * 4800].reshape(-1, 4800)).max(axis=1) < 1e-3
        assert quiet.mean() < 0.05, "of tenths of a second in which nothing is heard"


def _published(box: Box) -> str | None:
    found = box.detail()
    return str(found["published_url"]) if found["state"] == "published" else None


def _said_at_the_end(box: Box) -> list[str] | None:
    problems = [str(one) for one in box.detail()["problems"]]
    found = [one for one in problems for flaw in LIVE if one.startswith(f"{flaw.value}: ")]
    return found if len(found) >= len(LIVE) else None


def test_what_is_needed_and_useless_is_trouble_until_it_is_mended(tmp_path: Path, clips: Path) -> None:
    sources = [fed(clips, "sometimes", "teacher", required=True), fed(clips, "speech", "mic", required=True)]
    with Box(tmp_path, sources) as box:
        pressed = time.monotonic()
        box.press()
        seen = _until(box, lambda health: health.get("status") == "trouble" and flaws_of(health), 24 + SOON_S)
        assert flaws_of(seen) == {"sometimes": ["black"]}
        assert HINT_USELESS in page(box)
        mended = _until(box, lambda health: health.get("status") == "recording", 60)
        assert time.monotonic() - pressed < 24 + SEGMENT_S + SOON_S + 5, "said good soon after it was"
        assert flaws_of(mended) == {}
        assert HINTS["recording"] in page(box)


def _until(box: Box, is_so: Callable[[dict[str, Any]], object], within_s: float) -> dict[str, Any]:
    found = wait_until(lambda: (health := box.health()) and is_so(health) and health, within_s)
    assert isinstance(found, dict)
    return found
