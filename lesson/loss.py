"""Why media is missing, as codes: safe to publish, the same in every language, and never holding an address."""

from __future__ import annotations

import re
from enum import StrEnum

from lesson.translatable import gettext_noop


class Loss(StrEnum):
    """Why a stretch of a source, or a run of packets, is not in the lesson."""

    NO_SIGNAL = "no_signal"  # it cannot be reached, or gives nothing
    NOT_SENT = "not_sent"  # it comes when somebody sends it, and nobody does
    REFUSED = "refused"  # it wants another user or password
    ENDED = "ended"  # the feed ended by itself
    STALLED = "stalled"  # connected, but nothing came any more
    ABSENT = "absent"  # this stream was not there while others of the source were
    CLOCK_JUMP = "clock_jump"  # its time stamps jumped
    DISORDER = "disorder"  # packets lay before others that were stored already
    UNDECODABLE = "undecodable"  # no decoder could have started there, or the bytes make no sense
    UNUSABLE = "unusable"  # holds nothing that can be recorded
    LEFT_OUT = "left_out"  # a track beside the one that is used
    TRUNCATED = "truncated"  # ends before the length it states
    DAMAGED = "damaged"  # recorded whole, but the file is not any more what it was
    DISK = "disk"  # the box's own disk refused or was too slow
    NO_SPACE = "no_space"  # it rested, so that the disk's last space was left for voice and teacher
    INTERRUPTED = "interrupted"  # the recording process or the box went down
    UNKNOWN = "unknown"  # journals of older versions do not say


_WORDS: dict[str, str] = {
    Loss.NO_SIGNAL: gettext_noop("no signal"),
    Loss.NOT_SENT: gettext_noop("nobody sends"),
    Loss.REFUSED: gettext_noop("the device refused the user or password"),
    Loss.ENDED: gettext_noop("the feed ended"),
    Loss.STALLED: gettext_noop("nothing came any more"),
    Loss.ABSENT: gettext_noop("this stream was not delivered"),
    Loss.CLOCK_JUMP: gettext_noop("the device's clock jumped"),
    Loss.DISORDER: gettext_noop("packets out of order"),
    Loss.UNDECODABLE: gettext_noop("not decodable"),
    Loss.UNUSABLE: gettext_noop("nothing in it can be recorded"),
    Loss.LEFT_OUT: gettext_noop("another track is used"),
    Loss.TRUNCATED: gettext_noop("ends before its stated length"),
    Loss.DAMAGED: gettext_noop("the recorded file is damaged"),
    Loss.DISK: gettext_noop("the box's disk refused or was too slow"),
    Loss.NO_SPACE: gettext_noop("the disk is nearly full: its last space is kept for teacher and microphone"),
    Loss.INTERRUPTED: gettext_noop("recording was interrupted"),
    Loss.UNKNOWN: gettext_noop("lost"),
}


_CODE = re.compile(r"[a-z][a-z_]{0,31}")


def public_code(code: str) -> str:
    """`code` if it is one, of whatever version: journals are read as they are, and an address is no code."""
    return code if _CODE.fullmatch(code) else Loss.UNKNOWN.value


def loss_words(code: str) -> str:
    """A few English words for a code; a code of a later version stands for itself."""
    return _WORDS.get(code, public_code(code))
