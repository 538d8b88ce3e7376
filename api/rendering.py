"""Templates filled in, one environment a language."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from api import wording
from api.languages import LANGUAGES
from api.local_time import clock_text
from api.translation import translation
from lesson.loss import loss_words
from lesson.sentence import Sentence

_HERE = Path(__file__).parent


@cache
def _environment(language: str) -> Environment:
    spoken = translation(language)
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_callables(spoken.gettext, spoken.ngettext, newstyle=True)  # type: ignore[attr-defined] # by the extension
    environment.globals.update(
        lang=language,
        languages=tuple(LANGUAGES.items()),
        choices=True,
        wording=wording,
        loss_words=loss_words,
        clock=clock_text,
        date_and_time=spoken.date_and_time,
        time_of_day=spoken.time_of_day,
        length=spoken.length,
        sentence=spoken.sentence,
        is_translated=lambda text: isinstance(text, Sentence),
    )
    return environment


def rendered(template: str, language: str, **fields: Any) -> str:
    """The HTML of `template` in `language`."""
    return _environment(language).get_template(template).render(fields)
