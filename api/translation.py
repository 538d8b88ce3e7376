"""Sentences, dates and lengths in one language: message catalogues by GNU gettext, the rest by CLDR (Babel).

The `.po` files are all there is: a language is compiled in memory when it is first asked for
(docs/adr/0020-languages-by-gettext.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path
from typing import Literal

from babel import Locale
from babel.dates import format_date, format_time, get_datetime_format
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from api.local_time import local_time
from lesson.sentence import Sentence

DOMAIN = "classreel"
_FOLDER = Path(__file__).parent / "locale"
_CONVENTIONS = {"en": "en_GB"}  # day before month, 24 hours: English here is the language of no particular country
_DATE_STYLE: dict[str, Literal["short", "medium"]] = {"bo": "short"}  # CLDR's longer one mixes two sets of digits
_MINUTES_ONLY_S = 600
"""From here on a length is told in whole minutes."""


@dataclass(frozen=True, slots=True)
class Translation:
    """One language. `code` is a key of `api.languages.LANGUAGES`, `locale` says how it writes dates and times."""

    code: str
    locale: Locale
    messages: GNUTranslations

    def gettext(self, message: str) -> str:
        """`message` in this language; itself where the catalogue lacks it."""
        return self.messages.gettext(message) if message else ""  # the empty id is the catalogue's own header

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """The plural form for `number` in this language, not yet filled in."""
        return self.messages.ngettext(singular, plural, number)

    def sentence(self, text: str) -> str:
        """A sentence about a lesson in this language; one that is English alone, as of files, as it is."""
        if not isinstance(text, Sentence):
            return text
        values = {name: self.sentence(value) for name, value in text.values.items()}
        message = self.gettext(text.message)
        return message % values if values else message

    def date_and_time(self, wall: str | None, timezone: str) -> str:
        """An ISO 8601 instant as date and time of the room; a dash for none, what is no instant as it is."""
        moment = local_time(wall, timezone) if wall else None
        if moment is None:
            return wall or "–"
        date = format_date(moment, _DATE_STYLE.get(self.code, "medium"), locale=self.locale)
        joined = str(get_datetime_format("medium", locale=self.locale))  # {1} is the date, {0} the time
        return _plain(joined.replace("{1}", date).replace("{0}", self._hours(moment)))

    def time_of_day(self, wall: str, timezone: str) -> str:
        """An ISO 8601 instant as hours and minutes of the room."""
        moment = local_time(wall, timezone)
        return wall if moment is None else self._hours(moment)

    def _hours(self, moment: datetime) -> str:
        return _plain(format_time(moment, "short", locale=self.locale))

    def length(self, seconds: float) -> str:
        """How long something is, in words: seconds below ten minutes, no more than minutes above."""
        total = max(0, round(seconds))
        if total >= _MINUTES_ONLY_S:
            total = round(total / 60) * 60
        hours, minutes, rest = total // 3600, total // 60 % 60, total % 60
        parts = [
            self.ngettext("%(num)d hour", "%(num)d hours", hours) % {"num": hours} if hours else "",
            self.ngettext("%(num)d minute", "%(num)d minutes", minutes) % {"num": minutes} if minutes else "",
            self.ngettext("%(num)d second", "%(num)d seconds", rest) % {"num": rest} if rest or not total else "",
        ]
        return " ".join(filter(None, parts))


def _plain(text: str) -> str:
    """CLDR's narrow no-break space is a box in the fonts of old phones; the wide one is not."""
    return text.replace("\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}")


def catalogue_path(code: str) -> Path:
    """Where the messages of a language lie."""
    return _FOLDER / code / "LC_MESSAGES" / f"{DOMAIN}.po"


@cache
def translation(code: str) -> Translation:
    """The language of this code, a key of `api.languages.LANGUAGES`."""
    with catalogue_path(code).open("rb") as file:
        catalogue = read_po(file, locale=code, domain=DOMAIN)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translation(code, Locale.parse(_CONVENTIONS.get(code, code)), GNUTranslations(compiled))
