"""Opening what a source's URI names."""

from __future__ import annotations

from collections.abc import Mapping

from capture.kinds import parse_source
from capture.kinds.file import imported_file
from capture.kinds.kind import Login
from lesson.model import SourceSpec
from media.feeds.packets import Feed


def open_feed(spec: SourceSpec, environ: Mapping[str, str]) -> Feed:
    """Open the feed of a source; blocks until it is there.

    Raises:
        ConfigError: the URI makes no sense, or an environment variable for credentials is missing.
        UnusableMediaError: there is nothing in it that can be recorded.
        MediaError: it cannot be opened now.
    """
    source = imported_file(spec.uri) if spec.imported else parse_source(spec.uri)
    return source.open(Login.of(spec, environ))
