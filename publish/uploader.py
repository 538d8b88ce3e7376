"""The shell around `publish.plan`: carries out one instruction after the other and journals what was confirmed.

Killed at any instant it resumes: what the journal names is never sent again. Of the object that was under way when the
process died nobody knows, so the first file after a start is looked for in the store before it is sent.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence

import structlog

from lesson.durable import write_atomic
from lesson.errors import ClassreelError, IntegrityError, ObjectNotFoundError, StoreError
from lesson.folder import LessonFolder
from lesson.hls import INDEX
from lesson.journal import JournalWriter
from lesson.manifest import manifest
from lesson.package import MANIFEST, Object, index_object, manifest_object, published
from lesson.records import ObjectStored, PlaylistPublished, PublishStarted, Record, Verified
from lesson.state import LessonState
from lesson.view import LessonView
from process.backoff import Backoff
from process.beat import complain, recovered
from process.stage import repeat
from publish.plan import Put, PutPlaylist, Seal, Step, next_step
from publish.protocol import ObjectStore, md5_hex
from publish.verify import differing, read_object

_log = structlog.get_logger()
COMPLAIN_AFTER = 3
"""Failures in a row, some 3 s, after which a line is down and not just slow."""
MAX_REPAIRS = 3
"""Rounds of sending again what the final comparison found different, before the store is said to be at fault."""


class Uploader:
    """Brings one lesson to one store. `sleep` is given by tests."""

    def __init__(
        self,
        folder: LessonFolder,
        store: ObjectStore,
        *,
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = folder
        self._store = store
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        self._view = LessonView(folder)
        self._prefix = folder.header.id

    def run(self) -> None:
        """Follow the lesson until it is verified in the store.

        Store failures that may pass are tried again for ever, each with a log line.

        Raises:
            ConfigError: the store refuses for good.
            UnusableMediaError: nothing was recorded.
            IntegrityError: a file of the lesson folder is not what was committed.
            JournalBusyError: another process publishes this lesson.
            StorageError: the local disk refused.
        """
        with JournalWriter(self._folder.publish_journal) as journal:
            self._journal = journal
            self._view.poll()
            self._unsure = self._begin()
            repeat(self._step, lambda: self._view.state.verified is not None)

    def _begin(self) -> bool:
        """Journal where this goes; whether an earlier life may have sent something it could not journal."""
        url = self._store.url(f"{self._prefix}/{MANIFEST}").removesuffix(f"/{MANIFEST}")
        if self._view.state.publish_url == url:
            return True
        self._commit(PublishStarted(url=url))
        _log.info("publish_started", lesson=self._folder.id, url=url)
        return False

    def _step(self) -> bool:
        self._view.poll()
        step = next_step(self._view.state)
        if step is None:
            return False
        try:
            self._carry_out(step)
        except StoreError as error:
            self._rest(error)
        else:
            self._backoff.reset()
            recovered()
        return True

    def _carry_out(self, step: Step) -> None:
        match step:
            case Put():
                self._put_object(step.object)
            case PutPlaylist(object=item):
                self._put(item, read_object(self._folder, item))
                self._commit(PlaylistPublished(key=item.key, chunks=step.chunks, final=step.final, sha256=item.sha256))
            case Seal():
                self._seal()

    def _put_object(self, item: Object) -> None:
        data = read_object(self._folder, item)
        if not (self._unsure and self._is_there(item.key, data)):
            self._put(item, data)
        self._unsure = False
        self._commit(ObjectStored(key=item.key, bytes=item.bytes, sha256=item.sha256))

    def _is_there(self, key: str, data: bytes) -> bool:
        try:
            info = self._store.head(f"{self._prefix}/{key}")
        except ObjectNotFoundError:
            return False
        return info.bytes == len(data) and info.md5 == md5_hex(data)

    def _put(self, item: Object, data: bytes) -> None:
        key = f"{self._prefix}/{item.key}"
        try:
            self._store.put(key, data, content_type=item.content_type, cache_control=item.cache_control)
        except IntegrityError as error:  # damaged on the way: as good a reason to send it again as a broken line
            raise StoreError(str(error)) from error

    def _seal(self) -> None:
        state = self._view.state
        if state.edition.number:  # nobody is sent to this edition before it is whole
            self._compare([item for item in published(state) if item.key not in {INDEX, MANIFEST}])
        digest = self._put_manifest(state)
        self._put_index(state)
        expected = published(state)
        self._compare(expected)
        total, number = sum(item.bytes for item in expected), state.edition.number
        self._commit(
            Verified(objects=len(expected), bytes=total, manifest_sha256=digest, url=state.publish_url, edition=number)
        )
        _log.info("lesson_verified", lesson=self._folder.id, objects=len(expected), bytes=total, url=state.publish_url)

    def _put_index(self, state: LessonState) -> None:
        """Store the `index.m3u8` of the finished edition unless it is."""
        item, sent = index_object(state, final=True), state.playlists.get(INDEX)
        if sent is None or sent.sha256 != item.sha256:
            self._put(item, read_object(self._folder, item))
            self._commit(PlaylistPublished(key=INDEX, chunks=len(state.ladder), final=True, sha256=item.sha256))

    def _put_manifest(self, state: LessonState) -> str:
        """Write the manifest and store it unless it is; its SHA-256."""
        document = manifest(state)
        write_atomic(self._folder.manifest_path, document)
        digest = hashlib.sha256(document).hexdigest()
        stored = state.objects.get(MANIFEST)
        if stored is None or stored.sha256 != digest:
            self._put(manifest_object(bytes=len(document), sha256=digest), document)
            self._commit(ObjectStored(key=MANIFEST, bytes=len(document), sha256=digest))
        return digest

    def _compare(self, expected: Sequence[Object]) -> None:
        """Compare objects with the store, and send again what differs. Raises `StoreError` if that does not help."""
        for _ in range(MAX_REPAIRS):
            wrong = differing(self._folder, self._store, expected)
            if not wrong:
                return
            for item, problem in wrong:
                _log.warning("object_lost", error=problem)
                self._put(item, read_object(self._folder, item))
        raise StoreError(f"{self._store.url(self._prefix)}: objects keep differing from what was sent")

    def _commit(self, record: Record) -> None:
        self._journal.append(record)
        self._view.poll()

    def _rest(self, error: ClassreelError) -> None:
        seconds = self._backoff.pause_s()
        if self._backoff.failures >= COMPLAIN_AFTER:
            complain(str(error))
        _log.warning("store_failed", error=str(error), tries=self._backoff.failures, pause_s=round(seconds, 1))
        self._sleep(seconds)
