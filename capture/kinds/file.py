"""`file:PATH`, `file:PATH?loop`: a media file, shown like a camera or imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from capture.kinds.kind import Login, SourceKind
from lesson.errors import ConfigError, SourceLostError, UnusableMediaError
from lesson.loss import Loss
from lesson.source_fault import SourceFault

if TYPE_CHECKING:
    from media.feeds.packets import Feed


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file, as fast as the machine can (`paced` False) or in real time, over and over if `loop`."""

    path: Path
    paced: bool = True
    loop: bool = False

    def open(self, _login: Login) -> Feed:
        from media.feeds.file_feed import FileFeed  # decoders and OpenCV: a third of the start of a camera's process

        try:
            return FileFeed(self.path, paced=self.paced, loop=self.loop)
        except UnusableMediaError as error:
            if self.paced and error.fault is not SourceFault.UNUSABLE:  # it may come back, as a camera does
                raise SourceLostError(str(error), Loss.NO_SIGNAL, error.fault) from error
            raise


def imported_file(uri: str) -> MediaFile:
    """The file that is to be imported, whatever signs are in its name. Raises `ConfigError` for an empty name."""
    return MediaFile(_path(uri.removeprefix("file:"), uri), paced=False)


def file_uri(path: Path) -> str:
    """The URI of a file that is to be imported; `imported_file` gives exactly this path back.

    Nothing is percent-encoded: a path may hold any byte but NUL, and this text is read by classreel alone.
    """
    return f"file:{path.resolve()}"


def _parse(uri: str) -> MediaFile:
    path = uri.removeprefix("file:")
    return MediaFile(_path(path.removesuffix("?loop"), uri), loop=path.endswith("?loop"))


def _path(text: str, uri: str) -> Path:
    if not text:
        raise ConfigError(f"{uri}: names no file")
    return Path(text.removeprefix("//") if text.startswith("///") else text)


KIND = SourceKind(
    schemes=("file",),
    example="file:PATH[?loop]",
    parse=_parse,
    stands_by=False,  # it begins with the lesson
    remedies={
        SourceFault.ABSENT: "there is no such file: correct uri",
        SourceFault.NOT_PERMITTED: "let the user of classreel read this file",
        SourceFault.HANGS: "the disk or share that holds this file does not answer: look at it",
        SourceFault.UNKNOWN: "look at the disk or share that holds this file",
    },
)
