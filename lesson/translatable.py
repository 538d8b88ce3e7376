"""Marks English sentences that pages and the API show in the reader's language; nothing is translated here.

`pybabel extract` finds the marked literals and puts them into the message catalogues of `api/locale`.
"""

from __future__ import annotations


def gettext_noop(message: str) -> str:
    """`message` as it is: the English text, which is also its id in the catalogues."""
    return message
