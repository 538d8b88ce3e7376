"""Follows the observation journals of a lesson."""

from __future__ import annotations

from lesson.folder import LessonFolder
from lesson.journal import JournalReader
from lesson.records import SegmentObserved
from tracking.evidence import Evidence


class EvidenceReader:
    """`poll` folds what is new in the observation journals into `evidence`, which is empty at first."""

    def __init__(self, folder: LessonFolder, *, keep_observations: bool = True) -> None:
        self.evidence = Evidence(keep_observations=keep_observations)
        self._readers = [JournalReader(folder.observe_journal(spec.id)) for spec in folder.header.sources]

    def poll(self) -> bool:
        """Whether anything was new. Raises `StorageError`."""
        changed = False
        for reader in self._readers:
            for record in reader.poll():
                if isinstance(record, SegmentObserved):
                    self.evidence.add(record)
                    changed = True
        return changed
