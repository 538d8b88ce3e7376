"""Where everything of a lesson lies. No other module builds a path inside a lesson folder."""

from __future__ import annotations

import json
import os
import re
import secrets
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from lesson.durable import make_folder, write_atomic, write_new
from lesson.errors import LessonFormatError, LessonNotFoundError, StorageError, storage_errors
from lesson.model import SCHEMA, LessonHeader
from lesson.reading import read_whole

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_HEADER = TypeAdapter(LessonHeader)
CRC = "crc"
"""The field of a header's file that holds its checksum."""
STAGING = ".staging"


def is_name(text: str) -> bool:
    """Whether `text` may name a lesson, source or rendition: also a safe path component and object key part."""
    return _NAME.fullmatch(text) is not None


def new_lesson_id(created: datetime | None = None) -> str:
    """A fresh id that sorts by time: UTC date and time, then 4 random hex digits (two boxes, one store)."""
    return f"{created or datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _check_names(header: LessonHeader) -> None:
    """Ids become paths and object keys. Raises `LessonFormatError` for one that is no name or stands twice."""
    sources, rungs = [s.id for s in header.sources], [r.name for r in header.ladder]
    for name in (header.id, *sources, *rungs):
        if not is_name(name):
            raise LessonFormatError(f"{name!r} is no name: use a-z, 0-9, _ and -, 64 at most")
    for names in (sources, rungs):
        for name in names:
            if names.count(name) > 1:
                raise LessonFormatError(f"{name!r} names two of the lesson's sources or renditions")


def header_text(fields: dict[str, Any]) -> bytes:
    """A header as its file holds it, with the CRC-32 of its fields: a bit that flips must not rename a source."""
    text = json.dumps({**fields, CRC: _crc(fields)}, ensure_ascii=False, indent=1) + "\n"
    return text.encode(errors="backslashreplace")  # as in lesson.records


def _crc(fields: dict[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(fields, sort_keys=True).encode()):08x}"


def read_header(path: Path) -> LessonHeader:
    """The header in a file; earlier versions wrote none with a CRC. Raises `LessonFormatError`, `OSError`."""
    try:
        data = json.loads(read_whole(path))
        schema = data.get("schema") if isinstance(data, dict) else None
        if not isinstance(schema, int) or schema > SCHEMA:
            raise LessonFormatError(f"{path}: schema {schema} is newer than this version knows")
        crc = data.pop(CRC, None)
        if crc is not None and crc != _crc(data):
            raise LessonFormatError(f"{path}: damaged: it is not what was written (CRC differs)")
        header = _HEADER.validate_python(data)
    except (ValueError, RecursionError) as error:  # pydantic's ValidationError is a ValueError
        raise LessonFormatError(f"{path}: not a lesson header") from error
    _check_names(header)
    return header


class LessonFolder:
    """A lesson on disk. Cheap to make; reads nothing but the header."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._header: LessonHeader | None = None

    def __repr__(self) -> str:
        return f"LessonFolder({str(self.path)!r})"

    @classmethod
    def create(cls, root: Path, header: LessonHeader, control: bytes = b"") -> LessonFolder:
        """Make the folder, its header and what its control journal begins with, durably; whoever looks sees them soon.

        Raises `LessonFormatError` for ids that are not names, `StorageError`.
        """
        _check_names(header)
        folder = cls(root / header.id)
        if folder.header_path.exists():
            raise LessonFormatError(f"lesson {header.id} exists already")
        make_folder(root)
        # as everyone else will read it, who would else find that a rate of 30 is not the 30.0 that names a chunk
        folder._header = _HEADER.validate_python(_HEADER.dump_python(header, mode="json"))
        text = header_text(_HEADER.dump_python(folder.header, mode="json"))
        headers = {folder.header_copy: text, folder.header_path: text}  # the journal last: it makes it a lesson
        write_new(headers | ({folder.control_journal: control} if control else {}), within=root)
        return folder

    def save_header(self) -> None:
        """Write the header as it was read (or made) first, and its copy: it never changes, but may be lost or spoilt.

        Raises `StorageError`.
        """
        text = header_text(_HEADER.dump_python(self.header, mode="json"))
        make_folder(self.header_copy.parent)
        write_atomic(self.header_copy, text)
        write_atomic(self.header_path, text)

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def header(self) -> LessonHeader:
        """The header, read once. Raises `LessonFormatError`, `LessonNotFoundError`, `StorageError`."""
        if self._header is None:
            self._header = self._read_header()
        return self._header

    def _read_header(self) -> LessonHeader:
        """The header; of a spoilt one its copy, if that is sound."""
        try:
            with storage_errors(self.header_path):
                return self._own_header()
        except (LessonFormatError, StorageError):
            copy = self._copied_header()
            if copy is None:
                raise
            return copy

    def _own_header(self) -> LessonHeader:
        try:
            return read_header(self.header_path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise LessonNotFoundError(f"{self.path} is no lesson folder: it has no lesson.json") from error

    def _copied_header(self) -> LessonHeader | None:
        try:
            return read_header(self.header_copy)
        except (LessonFormatError, StorageError, OSError):
            return None

    def absolute(self, relative: str) -> Path:
        """The file a record names. Raises `LessonFormatError` if that is no place inside the folder."""
        home = self.path.resolve()
        try:
            path = (home / relative).resolve()
        except (ValueError, RuntimeError) as error:  # a NUL in the name; symbolic links in a circle
            raise LessonFormatError(f"{self.id}: a record names {relative!r}, which can be no file") from error
        if home not in path.parents:
            raise LessonFormatError(f"{self.id}: a record names {relative!r}, outside the lesson")
        return path

    def relative(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    @property
    def header_path(self) -> Path:
        return self.path / "lesson.json"

    @property
    def header_copy(self) -> Path:
        """Beside what was recorded by it."""
        return self.path / "raw" / "lesson.json"

    @property
    def control_journal(self) -> Path:
        return self.path / "control.jsonl"

    def raw_folder(self, source: str) -> Path:
        return self.path / "raw" / source

    def raw_journal(self, source: str) -> Path:
        return self.raw_folder(source) / "journal.jsonl"

    def has_raw_journal(self) -> bool:
        """Whether recording has begun, whatever the control journal says of it."""
        return any(os.path.lexists(self.raw_journal(source.id)) for source in self.header.sources)

    def strange_sources(self) -> list[str]:
        """Names under which something was recorded, but which the header does not know."""
        known = {source.id for source in self.header.sources}
        found: list[str] = []
        with suppress(OSError):  # what cannot be looked at is told of where it is read
            found = sorted(path.parent.name for path in (self.path / "raw").glob("*/journal.jsonl"))
        return [name for name in found if name not in known]

    def segment_path(self, source: str, epoch: int, seq: int) -> Path:
        return self.raw_folder(source) / f"e{epoch:02d}" / f"{seq:06d}.mkv"

    def segment_files(self, source: str) -> list[tuple[int, int, Path]]:
        """Epoch, number and path of every segment file of a source, by number; whether a journal names it or not."""
        found: list[tuple[int, int, Path]] = []
        for path in self.raw_folder(source).glob("e*/*.mkv"):
            epoch, seq = path.parent.name[1:], path.stem
            if epoch.isdecimal() and seq.isdecimal():
                found.append((int(epoch), int(seq), path))
        return sorted(found, key=lambda file: (file[1], file[0]))

    @property
    def signal_journal(self) -> Path:
        """What was measured of the segments of all sources."""
        return self.path / "signal" / "journal.jsonl"

    def observe_journal(self, source: str) -> Path:
        return self.path / "observe" / f"{source}.jsonl"

    def plan_journal(self, edition: int = 0) -> Path:
        return self.path / "plan" / f"g{edition}.jsonl"

    def rendition_folder(self, rendition: str) -> Path:
        return self.path / "enc" / rendition

    def rendition_journal(self, rendition: str) -> Path:
        return self.rendition_folder(rendition) / "journal.jsonl"

    def init_path(self, rendition: str, digest: str) -> Path:
        """`digest`: of its bytes."""
        return self.rendition_folder(rendition) / f"init-{digest}.mp4"

    def chunk_path(self, rendition: str, index: int, digest: str) -> Path:
        """`digest`: of what it is made of. Lessons of schema 1 hold chunks without one in their names."""
        return self.rendition_folder(rendition) / f"{index:06d}-{digest}.m4s"

    @property
    def publish_journal(self) -> Path:
        return self.path / "pub" / "journal.jsonl"

    @property
    def damage_journal(self) -> Path:
        """What publishing found damaged. A file of its own: who makes chunks sees by its size when there is more."""
        return self.path / "pub" / "damage.jsonl"

    def state_journals(self) -> list[Path]:
        """The journals whose fold is the state of a lesson with edition 0 alone; observations are not among them."""
        return [
            self.control_journal,
            *(self.raw_journal(source.id) for source in self.header.sources),
            self.signal_journal,
            self.plan_journal(),
            *(self.rendition_journal(rendition.name) for rendition in self.header.ladder),
            self.publish_journal,
            self.damage_journal,
        ]

    @property
    def manifest_path(self) -> Path:
        return self.path / "manifest.json"

    @property
    def conductor_lock(self) -> Path:
        """Locked by the conductor that is at work on this lesson."""
        return self.path / ".conductor"

    def log_path(self, process: str) -> Path:
        """Where the conductor keeps what a stage process says."""
        return self.path / "log" / f"{process}.log"


def lessons_in(root: Path, beginning: str = "") -> Iterator[LessonFolder]:
    """All lesson folders below `root` whose ids begin so, oldest first; folders without a header are not lessons."""
    if root.is_dir():
        with os.scandir(root) as entries:
            names = sorted(entry.name for entry in entries if entry.name.startswith(beginning) and is_name(entry.name))
        for name in names:
            if _holds_header(root / name):
                yield LessonFolder(root / name)


def _holds_header(path: Path) -> bool:
    try:
        return LessonFolder(path).header_path.is_file()
    except OSError:  # such as a name too long for the file system
        return False


def find_lesson(root: Path, name: str) -> LessonFolder:
    """The lesson of this id, unique id prefix, or folder path. Raises `LessonNotFoundError`."""
    if not name:
        raise LessonNotFoundError("a lesson has a name: its id, a beginning of it, or its folder")
    if "/" in name or _holds_header(Path(name)):
        folder = LessonFolder(Path(name).resolve())
        if _holds_header(folder.path):
            return folder
        raise LessonNotFoundError(f"{name} is no lesson folder")
    found = list(lessons_in(root, name))
    exact = [folder for folder in found if folder.id == name]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise LessonNotFoundError(f"{name!r} may mean {len(found)} lessons; give more of the id")
    raise LessonNotFoundError(f"no lesson {name!r} in {root}; `classreel lessons` lists them")
