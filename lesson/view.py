"""A lesson as its journals give it now: `LessonView` follows them and folds what is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from lesson.cross_check import home_of, journal_problems
from lesson.errors import StorageError
from lesson.folder import LessonFolder
from lesson.following import Journals
from lesson.journal import JournalReader
from lesson.presumed import Signs, presumed
from lesson.records import Record
from lesson.state import LessonState


class LessonView:
    """Follows the journals of one lesson; `poll` folds what is new into `state`.

    `needs`: the folders of the lesson whose journals the reader cannot do without, beside the control journal. Others
    may be unreadable: they are a later stage's trouble. None: all are needed.
    """

    def __init__(self, folder: LessonFolder, *, needs: Collection[str] | None = None) -> None:
        self.folder = folder
        self.state = LessonState(folder.header)
        self._needs = needs
        self._open()

    def _open(self) -> None:
        self._journals = Journals(self.folder.state_journals())
        self._edition_of = {self.folder.plan_journal(): 0}
        self._lost: tuple[str, ...] = ()
        self._elsewhere: Counter[tuple[Path, str]] = Counter()
        self._homes = {path.parent for path in self.folder.state_journals()}

    def poll(self) -> bool:
        """Fold in what was committed since the last poll; whether there was anything.

        A plan frozen over segments that this state does not know would be rendered without them: the error of a
        needed journal that cannot be read is raised, once what the others hold is folded in. Raises `StorageError`.
        """
        changed = self._poll()
        while self._follow_new_plans():
            changed = self._poll() or changed
        self._raise_needed()
        return changed

    def _follow_new_plans(self) -> bool:
        """Read the plans of editions that were started meanwhile, too; whether there are any."""
        readers = self._journals.readers
        new = sorted(self.state.editions.keys() - self._edition_of.values())
        for number in new:
            path = self.folder.plan_journal(number)
            after = next(i for i, reader in enumerate(readers) if reader.path == self.folder.plan_journal())
            readers.insert(after + 1, JournalReader(path))
            self._edition_of[path] = number
        return bool(new)

    def _poll(self) -> bool:
        begun = self.state.start is None and self.folder.has_raw_journal()  # asked before Start is looked for
        polled = self._journals.poll()
        if self._journals.taken_back:  # a fold cannot be undone, only done again
            self.state.clear()
            self._open()
            begun = self.folder.has_raw_journal()
            polled = self._journals.poll()
        for reader, records in zip(self._journals.readers, polled, strict=True):
            self._fold(reader.path, records)
        if self.folder.control_journal not in self.unread:
            self._presume(begun=begun)
        return any(polled)

    def _fold(self, path: Path, records: list[Record]) -> None:
        edition, here = self._edition_of.get(path, 0), self.folder.relative(path.parent)
        for record in records:
            self.state.apply(record, edition)
            home = home_of(record)
            if home is not None and home != here and self.folder.path / home in self._homes:
                self._elsewhere[path, home] += 1  # it says itself what it is about, and counts

    def _raise_needed(self) -> None:
        for path, error in self.unread.items():
            place = self.folder.relative(path).split("/")[0]
            if self._needs is None or place in self._needs or path == self.folder.control_journal:
                raise error

    @property
    def unread(self) -> dict[Path, StorageError]:
        """The journals that the last poll could not read."""
        return self._journals.unread

    def _presume(self, *, begun: bool) -> None:
        """A control journal that lost Start or Stop neither ends a recording nor begins one again."""
        state, control, sources = self.state, self._journals.readers[0], self.state.sources.values()
        firsts = [source.epochs[0].at for source in sources if source.epochs]
        signs = Signs(begun, firsts, [source.finished_at for source in sources])
        hurt = bool(self._lost) or control.lost_lines
        found = presumed(state.header, state.start, state.stop, signs, hurt=hurt)
        state.start, state.stop = found.start, found.stop
        self._lost += found.lost

    @property
    def damage(self) -> list[str]:
        """One line for every journal that cannot be read or lost lines, or about what is unknown here."""
        lost = [
            f"{self.folder.relative(reader.path)}: {problem}"
            for reader in self._journals.readers
            for problem in reader.problems
        ]
        lost += [f"{self.folder.relative(self.folder.control_journal)}: {one}" for one in self._lost]
        lost += [
            f"{self.folder.relative(path)}: {str(error).removeprefix(f'{path}: ')}"
            for path, error in self.unread.items()
        ]
        lost += [
            f"raw/{name}: recorded, but no source of this lesson is called so" for name in self.folder.strange_sources()
        ]
        lost += [
            f"{self.folder.relative(path)}: {count} line(s) of {home}: another journal in its place"
            for (path, home), count in self._elsewhere.items()
        ]
        missed = journal_problems(self.folder, self.state)
        told = set(self.unread) | {reader.path for reader in self._journals.readers if reader.lost_lines}
        lost += [one for one in missed if self.folder.path / one.partition(":")[0] not in told]
        strays = sorted({type(record).__name__ for record in self.state.strays})
        return lost + [f"{name} of a source, rendition or edition that this lesson does not name" for name in strays]


def load_state(folder: LessonFolder) -> LessonState:
    """The state of a lesson as its journals give it now."""
    view = LessonView(folder)
    view.poll()
    return view.state
