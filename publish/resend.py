"""A lesson that is published, and whose store has lost or altered something since: that is sent again."""

from __future__ import annotations

import structlog

from lesson.errors import IntegrityError, LessonFormatError, StorageError, StoreError
from lesson.folder import LessonFolder
from lesson.package import Object, published
from publish.protocol import ObjectStore
from publish.uploader import Uploader
from publish.verify import differing

_log = structlog.get_logger()


def resend(folder: LessonFolder, store: ObjectStore) -> int:
    """Compare a verified lesson with the store, and send again what differs; how many objects that were.

    Raises:
        JournalBusyError: another process publishes this lesson.
        StoreError: the store could not be asked, trying again may help.
        ConfigError: the store refuses for good.
        IntegrityError: some of what the store lacks could not be sent again; the message names the first.
    """
    with Uploader(folder, store) as uploader:
        if uploader.state.verified is None:  # it is to go to another store from now on
            return 0
        expected = published(uploader.state)
        wrong = differing(folder, store, expected)
        kept_back = [problem for item, problem in wrong if not _sent(uploader, item)]
    if kept_back:
        raise IntegrityError(f"{kept_back[0]}; {len(kept_back)} of {len(wrong)} such objects could not be sent again")
    return len(wrong)


def _sent(uploader: Uploader, item: Object) -> bool:
    """Send one object again; whether that was possible. What is in its way keeps no other one back."""
    try:
        return uploader.send_again(item)
    except (StoreError, StorageError, IntegrityError, LessonFormatError) as error:
        _log.warning("object_failed", key=item.key, error=str(error))
        return False
