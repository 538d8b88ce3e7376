"""The shell around `publish.plan`: carries out one instruction after the other and journals what was confirmed.

Killed at any instant it resumes: what the journal names is never sent again. Of the object that was under way when the
process died nobody knows, so the first file after a start is looked for in the store before it is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import structlog

from lesson.durable import write_atomic
from lesson.errors import (
    IntegrityError,
    JournalBusyError,
    LessonFormatError,
    ObjectNotFoundError,
    StorageError,
    StoreError,
)
from lesson.folder import LessonFolder
from lesson.hls import INDEX
from lesson.journal import JournalWriter, append_records, read_journal
from lesson.manifest import manifest
from lesson.package import MANIFEST, Object, index_object, manifest_object, published
from lesson.records import ObjectStored, PartStored, PlaylistPublished, PublishStarted, Record, UploadStarted, Verified
from lesson.state import LessonState
from lesson.view import LessonView
from process.stage import repeat
from publish.body import Body, HeldBody, md5_of, sha256_of
from publish.damaged import damage_of
from publish.in_parts import OpenUpload, open_uploads, parts_of
from publish.plan import Put, PutPlaylist, Seal, Step, next_step
from publish.protocol import MAX_WHOLE_BYTES, ObjectStore, Upload
from publish.uplink import Uplink
from publish.verify import differing, holds, object_body

_log = structlog.get_logger()
MAX_REPAIRS = 3
"""Rounds of sending again what the final comparison found different, before the store is said to be at fault."""
BUSY_S = 1.0
"""Between looks at a lesson that another process publishes."""


class Uploader:
    """Brings one lesson to one store. While it is open it is the writer of the lesson's publish journal."""

    _journal: JournalWriter
    _unsure: bool

    def __init__(self, folder: LessonFolder, store: ObjectStore) -> None:
        self._folder = folder
        self._store = store
        self._view = LessonView(folder)
        self._prefix = folder.header.id
        self._uploads: dict[str, OpenUpload] = {}

    def __enter__(self) -> Self:
        """Raises `JournalBusyError` while another process publishes this lesson, `StorageError`."""
        self._journal = JournalWriter(self._folder.publish_journal)
        try:
            self._view.poll()
            self._unsure = self._begin()
        except BaseException:
            self._journal.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    @property
    def state(self) -> LessonState:
        """What the journals said when they were last asked."""
        return self._view.state

    def next(self) -> Step | None:
        """What is most useful to send now, by what the journals say now.

        Raises:
            UnusableMediaError: nothing was recorded.
            StorageError: the local disk refused.
        """
        self._view.poll()
        return next_step(self._view.state)

    def run(self, line: Uplink | None = None) -> None:
        """Follow the lesson until it is verified in the store, by whomever.

        Store failures that may pass are tried again for ever, each with a log line.

        Raises:
            ConfigError: the store refuses for good.
            UnusableMediaError: nothing was recorded.
            IntegrityError: a file of the lesson folder is not what was committed.
            StorageError: the local disk refused.
        """
        line = line or Uplink()
        repeat(lambda: self._try(line), self._is_verified, poll_s=BUSY_S)

    def _try(self, line: Uplink) -> bool:
        try:
            with self:
                repeat(lambda: self._step(line), self._is_verified)
        except JournalBusyError:
            return self._view.poll()  # by another process it is brought to the store as well
        return True

    def _is_verified(self) -> bool:
        return self._view.state.verified is not None

    def _step(self, line: Uplink) -> bool:
        step = self.next()
        if step is None:
            return False
        try:
            self.carry_out(step)
        except StoreError as error:
            line.failed(error)
        else:
            line.worked()
        return True

    def _begin(self) -> bool:
        """Journal where this goes; whether an earlier life may have sent something it could not journal."""
        url = self._store.url(self._name(MANIFEST)).removesuffix(f"/{MANIFEST}")
        if self._view.state.publish_url == url:
            self._uploads = open_uploads(read_journal(self._folder.publish_journal))
            return True
        self._commit(PublishStarted(url=url))
        _log.info("publish_started", lesson=self._folder.id, url=url)
        return False

    def carry_out(self, step: Step) -> None:
        """Send it, and journal that the store has confirmed it.

        Raises as `run`, and `StoreError`: trying again may help.
        """
        match step:
            case Put():
                self._put_object(step.object)
            case PutPlaylist(object=item):
                self._put(item, object_body(self._folder, item))
                self._commit(PlaylistPublished(key=item.key, chunks=step.chunks, final=step.final, sha256=item.sha256))
            case Seal():
                self._seal()

    def _put_object(self, item: Object) -> None:
        body = self._sound_body(item)
        if body is None:
            return
        if not (self._unsure and self._is_there(item.key, body)):
            self._put(item, body)
        self._unsure = False
        self._commit(ObjectStored(key=item.key, bytes=item.bytes, sha256=item.sha256))

    def _sound_body(self, item: Object) -> Body | None:
        """The bytes an object must have; None: they are damaged on this disk, and that is journaled.

        Where the store holds them nothing is lost; else the encode stage makes the file again.
        """
        try:
            return object_body(self._folder, item)
        except (IntegrityError, StorageError, LessonFormatError):
            damage = damage_of(self._folder, self.state, item)
            if damage is None:
                raise
        held = holds(self._folder, self._store, item)
        _log.warning("file_damaged", lesson=self._folder.id, path=damage.path, error=damage.problem, stored=held)
        if held:
            self._commit(ObjectStored(key=item.key, bytes=item.bytes, sha256=item.sha256))
        else:
            append_records(self._folder.damage_journal, [damage])
            self._view.poll()
            if damage.path not in self.state.renditions[damage.rendition].damaged:
                raise StorageError(f"{self._folder.damage_journal}: cannot be read back")
        return None

    def _is_there(self, key: str, body: Body) -> bool:
        try:
            info = self._store.head(self._name(key))
        except ObjectNotFoundError:
            return False
        return info.bytes == body.length and info.md5 == md5_of(body)

    def _put(self, item: Object, body: Body) -> None:
        try:
            if body.length <= MAX_WHOLE_BYTES:
                kind, cache = item.content_type, item.cache_control
                self._store.put(self._name(item.key), body, content_type=kind, cache_control=cache)
            else:
                self._put_in_parts(item, body)
        except IntegrityError as error:  # damaged on the way: as good a reason to send it again as a broken line
            raise StoreError(str(error)) from error

    def _put_in_parts(self, item: Object, body: Body) -> None:
        key, store, sha256 = item.key, self._store.in_parts, sha256_of(body)
        name = self._name(key)
        under_way = self._uploads.get(key)
        if under_way is not None and under_way.sha256 != sha256:
            store.abort(Upload(name, under_way.id))
            under_way = None
        if under_way is None:
            upload = store.start(name, content_type=item.content_type, cache_control=item.cache_control)
            self._commit(UploadStarted(key=key, upload=upload.id, sha256=sha256))
            under_way = self._uploads[key] = OpenUpload(upload.id, sha256)
        try:
            self._send_parts(key, body, under_way)
        except ObjectNotFoundError:  # the store has given the upload up: begin anew
            del self._uploads[key]
            raise
        del self._uploads[key]

    def _send_parts(self, key: str, body: Body, under_way: OpenUpload) -> None:
        store, upload = self._store.in_parts, Upload(self._name(key), under_way.id)
        for number, piece in parts_of(body):
            if number not in under_way.parts:
                part = under_way.parts[number] = store.put_part(upload, number, piece)
                self._commit(PartStored(key=key, upload=upload.id, number=number, bytes=part.bytes, etag=part.etag))
        try:
            store.complete(upload, list(under_way.parts.values()))
        except IntegrityError as error:  # whatever part it is
            raise ObjectNotFoundError(str(error)) from error

    def _name(self, key: str) -> str:
        return f"{self._prefix}/{key}"

    def _seal(self) -> None:
        state = self._view.state
        if state.edition.number:  # nobody is sent to this edition before it is whole
            rest = [item for item in published(state) if item.key not in {INDEX, MANIFEST}]
            if not self._compare(rest):
                return
        digest = self._put_manifest(state)
        self._put_index(state)
        expected = published(state)
        if not self._compare(expected):
            return
        total, number = sum(item.bytes for item in expected), state.edition.number
        self._commit(
            Verified(objects=len(expected), bytes=total, manifest_sha256=digest, url=state.publish_url, edition=number)
        )
        _log.info("lesson_verified", lesson=self._folder.id, objects=len(expected), bytes=total, url=state.publish_url)

    def _put_index(self, state: LessonState) -> None:
        """Store the `index.m3u8` of the finished edition unless it is."""
        item, sent = index_object(state, final=True), state.playlists.get(INDEX)
        if sent is None or sent.sha256 != item.sha256:
            self._put(item, object_body(self._folder, item))
            self._commit(PlaylistPublished(key=INDEX, chunks=len(state.ladder), final=True, sha256=item.sha256))

    def _put_manifest(self, state: LessonState) -> str:
        """Write the manifest and store it unless it is; its SHA-256."""
        document = manifest(state)
        write_atomic(self._folder.manifest_path, document)
        digest = hashlib.sha256(document).hexdigest()
        stored = state.objects.get(MANIFEST)
        if stored is None or stored.sha256 != digest:
            self._put(manifest_object(bytes=len(document), sha256=digest), HeldBody(document))
            self._commit(ObjectStored(key=MANIFEST, bytes=len(document), sha256=digest))
        return digest

    def _compare(self, expected: Sequence[Object]) -> bool:
        """Compare objects with the store, and send again what differs; False: some of that has to be made again first.

        Raises `StoreError` if that does not help.
        """
        for _ in range(MAX_REPAIRS):
            wrong = differing(self._folder, self._store, expected)
            if not wrong:
                return True
            for item, problem in wrong:
                _log.warning("object_lost", error=problem)
                self.send_again(item)
            if not self._view.state.encoded:
                return False
        raise StoreError(f"{self._store.url(self._prefix)}: objects keep differing from what was sent")

    def send_again(self, item: Object) -> bool:
        """Send what the store lost; False: it has to be made again first, as is journaled. Raises as `carry_out`."""
        body = self._sound_body(item)
        if body is not None:
            self._put(item, body)
        return body is not None

    def _commit(self, record: Record) -> None:
        self._journal.append(record)
        self._view.poll()
