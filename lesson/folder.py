"""Where everything of a lesson lies. No other module builds a path inside a lesson folder."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lesson.durable import make_folder, write_atomic
from lesson.errors import LessonFormatError, LessonNotFoundError
from lesson.model import SCHEMA, LessonHeader

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_HEADER = TypeAdapter(LessonHeader)
STAGING = ".staging"


def is_name(text: str) -> bool:
    """Whether `text` may name a lesson, source or rendition: also a safe path component and object key part."""
    return _NAME.fullmatch(text) is not None


def new_lesson_id(created: datetime | None = None) -> str:
    """A fresh id that sorts by time: UTC date and time, then 4 random hex digits (two boxes, one store)."""
    return f"{created or datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class LessonFolder:
    """A lesson on disk. Cheap to make; reads nothing but the header."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._header: LessonHeader | None = None

    def __repr__(self) -> str:
        return f"LessonFolder({str(self.path)!r})"

    @classmethod
    def create(cls, root: Path, header: LessonHeader) -> LessonFolder:
        """Make the folder and its header. Raises `LessonFormatError` for ids that are not names, `StorageError`."""
        names = [header.id, *(s.id for s in header.sources), *(r.name for r in header.ladder)]
        for name in names:
            if not is_name(name):
                raise LessonFormatError(f"{name!r} is no name: use a-z, 0-9, _ and -, 64 at most")
        folder = cls(root / header.id)
        if folder.header_path.exists():
            raise LessonFormatError(f"lesson {header.id} exists already")
        make_folder(folder.path)
        write_atomic(folder.header_path, _HEADER.dump_json(header, indent=1, exclude_defaults=False) + b"\n")
        return folder

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def header(self) -> LessonHeader:
        """The header, read once. Raises `LessonFormatError`."""
        if self._header is None:
            self._header = self._read_header()
        return self._header

    def _read_header(self) -> LessonHeader:
        try:
            data = json.loads(self.header_path.read_bytes())
            schema = data.get("schema") if isinstance(data, dict) else None
            if not isinstance(schema, int) or schema > SCHEMA:
                raise LessonFormatError(f"{self.header_path}: schema {schema} is newer than this version knows")
            return _HEADER.validate_python(data)
        except FileNotFoundError as error:
            raise LessonNotFoundError(f"{self.path} is no lesson folder: it has no lesson.json") from error
        except (ValidationError, ValueError) as error:
            raise LessonFormatError(f"{self.header_path}: not a lesson header") from error

    def absolute(self, relative: str) -> Path:
        """The file a record names. Raises `LessonFormatError` if it points outside the folder."""
        path = (self.path / relative).resolve()
        if not path.is_relative_to(self.path.resolve()):
            raise LessonFormatError(f"{self.id}: a record names {relative!r}, outside the lesson")
        return path

    def relative(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    @property
    def header_path(self) -> Path:
        return self.path / "lesson.json"

    @property
    def control_journal(self) -> Path:
        return self.path / "control.jsonl"

    def raw_folder(self, source: str) -> Path:
        return self.path / "raw" / source

    def raw_journal(self, source: str) -> Path:
        return self.raw_folder(source) / "journal.jsonl"

    def segment_path(self, source: str, epoch: int, seq: int) -> Path:
        return self.raw_folder(source) / f"e{epoch:02d}" / f"{seq:06d}.mkv"

    def observe_journal(self, source: str) -> Path:
        return self.path / "observe" / f"{source}.jsonl"

    def plan_journal(self, generation: int = 0) -> Path:
        return self.path / "plan" / f"g{generation}.jsonl"

    def rendition_folder(self, rendition: str) -> Path:
        return self.path / "enc" / rendition

    def rendition_journal(self, rendition: str) -> Path:
        return self.rendition_folder(rendition) / "journal.jsonl"

    def init_path(self, rendition: str) -> Path:
        return self.rendition_folder(rendition) / "init.mp4"

    def chunk_path(self, rendition: str, index: int) -> Path:
        return self.rendition_folder(rendition) / f"{index:06d}.m4s"

    @property
    def publish_journal(self) -> Path:
        return self.path / "pub" / "journal.jsonl"

    def state_journals(self) -> list[Path]:
        """The journals whose fold is the state of the lesson; observations are not among them."""
        return [
            self.control_journal,
            *(self.raw_journal(source.id) for source in self.header.sources),
            self.plan_journal(),
            *(self.rendition_journal(rendition.name) for rendition in self.header.ladder),
            self.publish_journal,
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


def lessons_in(root: Path) -> Iterator[LessonFolder]:
    """All lesson folders below `root`, oldest first; folders without a header are not lessons."""
    if root.is_dir():
        for path in sorted(root.iterdir()):
            if is_name(path.name) and (path / "lesson.json").is_file():
                yield LessonFolder(path)


def find_lesson(root: Path, name: str) -> LessonFolder:
    """The lesson of this id, unique id prefix, or folder path. Raises `LessonNotFoundError`."""
    if "/" in name or Path(name, "lesson.json").is_file():
        folder = LessonFolder(Path(name).resolve())
        if folder.header_path.is_file():
            return folder
        raise LessonNotFoundError(f"{name} is no lesson folder")
    found = [folder for folder in lessons_in(root) if folder.id.startswith(name)]
    exact = [folder for folder in found if folder.id == name]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise LessonNotFoundError(f"{name!r} may mean {len(found)} lessons; give more of the id")
    raise LessonNotFoundError(f"no lesson {name!r} in {root}; `classreel lessons` lists them")
