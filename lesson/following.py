"""Following several journals at once: one that cannot be read hides nothing of the others."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lesson.errors import StorageError
from lesson.journal import JournalReader
from lesson.records import Record


class Journals:
    """Readers of journals, those first whose records the others follow from.

    `unread`: the error of each journal that the last `poll` could not read.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.readers = [JournalReader(path) for path in paths]
        self.unread: dict[Path, StorageError] = {}

    def poll(self) -> list[list[Record]]:
        """What is new in each journal; nothing of one that cannot be read: what it holds comes once it can.

        Later stages are read first: what their records follow from was committed before, and so is read too.
        """
        self.unread = {}
        return [self._poll(reader) for reader in reversed(self.readers)][::-1]

    def _poll(self, reader: JournalReader) -> list[Record]:
        try:
            return reader.poll()
        except StorageError as error:  # a reader that has given out its records will not give them again
            self.unread[reader.path] = error
            return []

    @property
    def taken_back(self) -> bool:
        """Whether a writer took back what was given out already."""
        return any(reader.taken_back for reader in self.readers)
