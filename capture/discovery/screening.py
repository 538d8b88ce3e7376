"""What strangers in the network send is looked at before anything else reads it.

Only plain documents pass: no document type (so no entities, no bombs, nothing fetched), few elements, not deep.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.parsers import expat

from lesson.errors import ClassreelError

MAX_BYTES = 1_000_000
"""Of one answer; 64 profiles are some 300 kB."""
MAX_ELEMENTS = 10_000
"""64 profiles are some 6 000; so many cost zeep a second."""
MAX_ELEMENTS_OF_HOST = 40_000
"""In all answers of one host, whatever number of devices it says to be: two seconds of zeep, which others wait for.
A recorder that shows its 32 cameras as devices takes a third of it."""
_MAX_DEPTH = 64


class UnreadableAnswerError(ClassreelError):
    """A device answered something that is not what it should be; the message says what, in few words."""


@dataclass(slots=True)
class HostAllowance:
    """What is still read of one host, in elements."""

    left: int = MAX_ELEMENTS_OF_HOST

    def screen(self, document: bytes) -> None:
        """Let a document pass. Raises `UnreadableAnswerError`, also where the host has said too much in all."""
        self.left -= len(screened(document))
        if self.left < 0:
            raise UnreadableAnswerError("answers too much in all")


@dataclass(slots=True)
class ScreenedElement:
    """`name`: `namespace}local`. `text`: what stands directly in it."""

    name: str
    text: str = ""


def screened(document: bytes) -> list[ScreenedElement]:
    """The elements of a document, in the order in which they begin.

    Raises `UnreadableAnswerError`: it is no XML, has a document type, or is too large.
    """
    if len(document) > MAX_BYTES:
        raise UnreadableAnswerError(f"answers more than {MAX_BYTES // 1000} kB")
    found: list[ScreenedElement] = []
    opened: list[ScreenedElement] = []

    def start(name: str, _attributes: Mapping[str, str]) -> None:
        element = ScreenedElement(name)
        found.append(element)
        opened.append(element)
        if len(found) > MAX_ELEMENTS or len(opened) > _MAX_DEPTH:
            raise UnreadableAnswerError("answers a document of too many elements")

    def end(_name: str) -> None:
        opened.pop()

    def text(said: str) -> None:
        opened[-1].text += said

    def refuse(*_: object) -> None:
        raise UnreadableAnswerError("answers a document with a document type")

    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True  # else a text of many lines is put together piece by piece
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = text, refuse
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, ValueError, LookupError) as error:  # the last two: encodings that there are not
        raise UnreadableAnswerError("answers no XML") from error
    return found
