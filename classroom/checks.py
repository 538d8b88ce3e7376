"""The pre-class self-test: each check says what is wrong and what to do about it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from capture.kinds import remedy
from capture.settings import SourceSettings
from classroom.feed_check import FlawedFeedError, check_feed
from classroom.served import Feed, feeds_of_box
from classroom.settings import Settings
from lesson.durable import make_folder, write_atomic
from lesson.errors import ClassreelError, MediaError, StoreError
from lesson.model import Role
from lesson.signal import FLAW_REMEDIES, FLAW_WORDS
from lesson.source_fault import SourceFault
from lesson.store_fault import StoreFault
from process.disk import space_for
from publish.store import ATTENDED_REPLY_S, open_store
from publish.trial import try_store

MAX_TRIALS = 4
"""Sources tried at a time."""
_UNUSED = "; its substream is kept with the lesson and not used yet"
_STORE_REMEDIES = {
    StoreFault.UNREACHED: "start the store, plug in the line, and look whether store.url has the store's address",
    StoreFault.PLAIN_HTTP: "write s3+http:// in store.url, or switch TLS on in the server",
    StoreFault.UNKNOWN_CERTIFICATE: (
        "save the certificate of the store's CA on this box and name that file in SSL_CERT_FILE"
    ),
    StoreFault.OTHER_NAME: "write the name that the certificate is for in store.url",
    StoreFault.OUT_OF_DATE: "set this machine's clock; if it is right, the store needs a new certificate",
    StoreFault.CLOCK: "set this machine's clock, or connect it to a time server",
    StoreFault.UNKNOWN: "check [store] in classroom.toml, its keys and the line",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the self-test."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""

    @property
    def line(self) -> str:
        """For people."""
        remedy = f" – {self.remedy}" if self.remedy else ""
        return f"{'ok  ' if self.ok else 'FAIL'} {self.name}: {self.detail}{remedy}"


def checks_result(checks: Sequence[Check]) -> dict[str, Any]:
    """The contract's object: `{ok, checks: [{name, ok, detail, remedy}]}`."""
    return {"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]}


def self_test(settings: Settings) -> Iterator[Check]:
    """The whole self-test, each line as soon as it is known."""
    yield _attempt("disk", lambda: _disk(settings.root), "free some space, or set root to a larger disk")
    yield _attempt("store", lambda: _store(settings), _STORE_REMEDIES[StoreFault.UNKNOWN])
    if settings.hls_js:
        yield _attempt(
            "hls_js", lambda: _player(settings.hls_js), "correct hls_js; without it some browsers play nothing"
        )
    if not settings.sources:
        yield Check("sources", ok=False, detail="none configured", remedy="add [[sources]] to classroom.toml")
    told = feeds_of_box(settings.root)
    with ThreadPoolExecutor(MAX_TRIALS) as trials:  # each waits for a process of its own
        voice = all(source.role is not Role.MIC for source in settings.sources)
        yield from trials.map(lambda source: _source(source, told.get(source.id), voice=voice), settings.sources)


def _attempt(name: str, check: Callable[[], str], otherwise: str) -> Check:
    """`otherwise`: what to do about a failure that does not say itself what is at fault."""
    try:
        return Check(name, ok=True, detail=check())
    except StoreError as error:
        return Check(name, ok=False, detail=str(error), remedy=_STORE_REMEDIES[error.fault])
    except (ClassreelError, OSError) as error:
        return Check(name, ok=False, detail=str(error), remedy=otherwise)


def _player(script: Path | None) -> str:
    if script is None or not script.is_file():
        raise OSError(f"{script}: no such file")
    return str(script)


def _disk(root: Path) -> str:
    make_folder(root)
    trial = root / f".check-{uuid.uuid4().hex}"
    write_atomic(trial, b"classreel")
    trial.unlink()
    space = space_for(root)
    if space.low:
        raise OSError(f"{root}: only {space.free / 1e9:.1f} GB free")
    return f"{root}: {space.free / 1e9:.0f} GB free"


def _store(settings: Settings) -> str:
    store = open_store(settings.named_store, reply_s=ATTENDED_REPLY_S)
    key = f".check/{uuid.uuid4().hex}"
    try_store(store, key)
    store.delete(key)
    return f"{settings.named_store.url}: stores and gives back"


def _source(source: SourceSettings, told: Feed | None, *, voice: bool) -> Check:
    """Tried, unless the box that is running has it open and says what it is like. `voice`: its sound is needed."""
    name = f"source {source.id}"
    known = _as_told(name, told) if told is not None else None
    if known is not None:
        return known
    try:
        return Check(
            name, ok=True, detail=check_feed(source.spec(), voice=voice) + (_UNUSED if source.substream else "")
        )
    except FlawedFeedError as error:
        return Check(name, ok=False, detail=str(error), remedy=FLAW_REMEDIES[error.flaw])
    except MediaError as error:
        unneeded = error.fault is SourceFault.NOT_SENT and not source.required  # it listens, and that is all it can do
        return Check(name, ok=unneeded, detail=str(error), remedy=remedy(source.uri, error.fault))


def _as_told(name: str, feed: Feed) -> Check | None:
    """What the running box knows of a feed; None where that is less than a trial would say."""
    if feed["state"] == "recording":
        words = "is being recorded"
    elif feed["state"] == "standby" and feed["tested_s"] is not None:
        words = ", ".join(_measured(feed))
    else:
        return None
    for flaw in feed["flaws"]:
        return Check(
            name, ok=False, detail=f"{words}; {FLAW_WORDS.get(flaw, flaw)}", remedy=FLAW_REMEDIES.get(flaw, "")
        )
    return Check(name, ok=True, detail=f"{words}, says the recorder that is running")


def _measured(feed: Feed) -> Iterator[str]:
    if feed["width"]:
        yield f"{feed['width']}x{feed['height']}, {feed['fps']:.0f} fps"
    if feed["rms_db"] is not None:
        yield f"sound of {feed['rms_db']:.0f} dB"
