"""What the classroom's own settings may be: each rule raises `ValueError` with a line that says what to write."""

from __future__ import annotations

import difflib
import re
from zoneinfo import ZoneInfo, available_timezones

from lesson.titles import checked_title

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")  # the shape of RFC 5646
_ZONE = re.compile(r"[A-Z][A-Za-z0-9_+/-]*")  # not posix/…, right/… and other files that lie beside the zones


def known_zone(name: str) -> str:
    """A time zone of the IANA data base."""
    if not _is_zone(name):
        near = difflib.get_close_matches(name, available_timezones(), n=1)  # only here: it looks at hundreds of files
        raise ValueError(f"no time zone {name!r}; write for example {near[0] if near else 'Asia/Shanghai'}")
    return name


def _is_zone(name: str) -> bool:
    if not _ZONE.fullmatch(name):
        return False
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # no such file, a folder, a file that is no zone's
        return False
    return True


def language(tag: str) -> str:
    """A language tag as playlists and pages take it."""
    if not _LANGUAGE.fullmatch(tag):
        raise ValueError(f"{tag!r} is no language tag: write for example bo, zh or en-GB")
    return tag


def not_empty(value: object) -> object:
    """An empty path would be the folder the box happens to be started in."""
    if value == "":
        raise ValueError("name a folder")
    return value


def room(text: str) -> str:
    """The name of the room, one visible line like a title."""
    room = checked_title(text)
    if not room:
        raise ValueError("a room has a name: lessons without a title are named after it")
    return room
