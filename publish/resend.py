"""A lesson that is published, and whose store has lost or altered something since: that is sent again."""

from __future__ import annotations

from lesson.errors import IntegrityError
from lesson.folder import LessonFolder
from lesson.package import published
from publish.protocol import ObjectStore
from publish.uploader import Uploader
from publish.verify import differing


def resend(folder: LessonFolder, store: ObjectStore) -> int:
    """Compare a verified lesson with the store, and send again what differs; how many objects that were.

    Raises:
        JournalBusyError: another process publishes this lesson.
        StoreError: the store failed, trying again may help.
        ConfigError: the store refuses for good.
        IntegrityError: what the store lacks is damaged on this disk, too.
        StorageError: the local disk refused.
    """
    with Uploader(folder, store) as uploader:
        if uploader.state.verified is None:  # it is to go to another store from now on
            return 0
        expected = published(uploader.state)
        wrong = differing(folder, store, expected)
        if wrong and not uploader.compare(expected):
            raise IntegrityError(f"{folder.path}: of what the store lacks some is damaged here, too")
        return len(wrong)
