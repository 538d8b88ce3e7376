"""A lesson as its journals give it now: `LessonView` follows them and folds what is new."""

from __future__ import annotations

from lesson.edition_state import EditionState, prolonged, same_picture
from lesson.folder import LessonFolder
from lesson.gaps import Gap
from lesson.journal import JournalReader
from lesson.lesson_state import MEDIA_SUFFIX, LessonState, Phase
from lesson.records import Record
from lesson.rendition_state import RenditionState
from lesson.source_state import SourceState
from lesson.stretches import MIN_GAP, Coverage

__all__ = [
    "MEDIA_SUFFIX",
    "MIN_GAP",
    "Coverage",
    "EditionState",
    "Gap",
    "LessonState",
    "LessonView",
    "Phase",
    "RenditionState",
    "SourceState",
    "load_state",
    "prolonged",
    "same_picture",
]


class LessonView:
    """Follows the journals of one lesson; `poll` folds what is new into `state`."""

    def __init__(self, folder: LessonFolder) -> None:
        self.folder = folder
        self.state = LessonState(folder.header)
        self._open()

    def _open(self) -> None:
        self._readers = [JournalReader(path) for path in self.folder.state_journals()]
        self._edition_of = {self.folder.plan_journal(): 0}

    def poll(self) -> bool:
        """Fold in what was committed since the last poll; whether there was anything. Raises `StorageError`."""
        changed = self._poll()
        while self._follow_new_plans():
            changed = self._poll() or changed
        return changed

    def _follow_new_plans(self) -> bool:
        """Read the plans of editions that were started meanwhile, too; whether there are any."""
        new = sorted(self.state.editions.keys() - self._edition_of.values())
        for number in new:
            path = self.folder.plan_journal(number)
            after = next(i for i, reader in enumerate(self._readers) if reader.path == self.folder.plan_journal())
            self._readers.insert(after + 1, JournalReader(path))
            self._edition_of[path] = number
        return bool(new)

    def _poll(self) -> bool:
        """Later stages are read first: what their records follow from was committed before, and so is read too.

        A plan frozen over segments that this state does not know yet would be rendered without them.
        """
        polled = [reader.poll() for reader in reversed(self._readers)]
        if any(reader.taken_back for reader in self._readers):  # a fold cannot be undone, only done again
            self.state.clear()
            self._open()
            polled = [reader.poll() for reader in reversed(self._readers)]
        for reader, records in zip(self._readers, reversed(polled), strict=True):
            self._fold(records, self._edition_of.get(reader.path, 0))
        return any(polled)

    def _fold(self, records: list[Record], edition: int) -> None:
        for record in records:
            self.state.apply(record, edition)

    @property
    def damage(self) -> list[str]:
        """One line for every journal with lines lost to damage, or about sources and renditions unknown here."""
        lost = [
            f"{self.folder.relative(reader.path)}: {len(reader.damage)} damaged line(s), first at byte "
            f"{reader.damage[0].offset}"
            for reader in self._readers
            if reader.damage
        ]
        strays = sorted({type(record).__name__ for record in self.state.strays})
        return lost + [f"{name} of a source, rendition or edition that this lesson does not name" for name in strays]


def load_state(folder: LessonFolder) -> LessonState:
    """The state of a lesson as its journals give it now."""
    view = LessonView(folder)
    view.poll()
    return view.state
