"""What a kind of source is: how its addresses are read, how it is opened, and what helps when it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl

from lesson.errors import ConfigError, CredentialMissingError
from lesson.model import SourceSpec
from lesson.source_fault import SourceFault

if TYPE_CHECKING:
    from media.feeds.packets import Feed  # brings av: settings and commands only read addresses


@dataclass(frozen=True, slots=True)
class Login:
    """The credentials of a source, by reference; looked up when a kind that takes any asks for them."""

    source: str
    user_env: str | None = None
    password_env: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, spec: SourceSpec, environ: Mapping[str, str]) -> Login:
        """What `spec` names, to be found in `environ`."""
        return cls(spec.id, spec.user_env, spec.password_env, environ)

    def user(self) -> str | None:
        """The user, if one is named. Raises `CredentialMissingError`."""
        return self._value(self.user_env)

    def password(self) -> str | None:
        """The password, if one is named. Raises `CredentialMissingError`."""
        return self._value(self.password_env)

    def _value(self, name: str | None) -> str | None:
        if name is not None and name not in self.environ:
            raise CredentialMissingError(f"source {self.source}: the environment variable {name} is not set")
        return None if name is None else self.environ[name]


class Source(Protocol):
    """What an address names, read and checked. Equal addresses give equal sources."""

    def open(self, login: Login, /) -> Feed:
        """Open it; blocks until it is there.

        Raises:
            CredentialMissingError: a credential that it needs is not set.
            UnusableMediaError: there is nothing in it that can be recorded.
            MediaError: it cannot be opened now; its `fault` says why.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """One kind of source: a file in this folder, and a line in the table `KINDS`.

    `schemes`: what stands before the first colon of its addresses. `example`: an address with its variable parts in
    capitals. `parse`: reads a whole address; every option of it is looked at, so that none is found wrong only when
    class begins; raises `ConfigError`. `remedies`: what helps against a fault, where it is not what helps everywhere.
    `stands_by`: whether it may be kept open between lessons. `needs_password`: what is said where none is named, if it
    cannot do without. `alone_at`: what of this machine a source at such an address has for itself, in words.
    """

    schemes: tuple[str, ...]
    example: str
    parse: Callable[[str], Source]
    remedies: Mapping[SourceFault, str] = field(default_factory=dict)
    stands_by: bool = True
    needs_password: str = ""
    alone_at: Callable[[str], str] | None = None


class Options:
    """The options after the `?` of an address, of which a kind knows some.

    Raises `ConfigError` for one that it does not know.
    """

    def __init__(self, where: str, query: str, *known: str) -> None:
        self._where = where
        self._values = dict(parse_qsl(query, keep_blank_values=True))
        unknown = sorted(set(self._values) - set(known))
        if unknown:
            raise ConfigError(f"{where}: knows no option {unknown[0]!r}; it has {', '.join(sorted(known))}")

    def text(self, key: str) -> str:
        """The option as it is, or nothing."""
        return self._values.get(key, "")

    def size(self) -> tuple[int, int] | None:
        """(width, height) of `size=WxH`, even numbers. Raises `ConfigError`."""
        text = self._values.get("size")
        if text is None:
            return None
        width, _, height = text.partition("x")
        if not (width.isdecimal() and height.isdecimal()) or not 16 <= int(width) <= 7680 >= int(height) >= 16:
            raise ConfigError(f"{self._where}: size={text} is not like 1280x720")
        return int(width) & ~1, int(height) & ~1

    def number(self, key: str, least: int, most: int, *, otherwise: int) -> int:
        """A whole number within bounds. Raises `ConfigError`."""
        text = self._values.get(key)
        if text is None:
            return otherwise
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ConfigError(f"{self._where}: {key}={text} is no whole number from {least} to {most}")
        return int(text)


def target_and_options(uri: str, *known: str) -> tuple[str, Options]:
    """The parts of `SCHEME:TARGET?OPTIONS`. Raises `ConfigError` for options that are not `known`."""
    scheme, _, rest = uri.partition(":")
    target, _, query = rest.partition("?")
    return target, Options(f"{scheme}:{target}", query, *known)


def named(target: str, uri: str) -> str:
    """`target`, which must say something. Raises `ConfigError`."""
    if not target:
        raise ConfigError(f"{uri}: says nothing after {uri.partition(':')[0]}:")
    return target


def picture_options(size: tuple[int, int] | None, fps: int) -> dict[str, str]:
    """Size and rate in the words of libav's devices; without them they choose by themselves."""
    options = {"video_size": f"{size[0]}x{size[1]}"} if size else {}
    return options | ({"framerate": str(fps)} if fps else {})
