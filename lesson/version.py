"""Which version of classreel this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


def version() -> str:
    """The version as it was installed; `0` in a checkout that is not."""
    try:
        return installed("classreel")
    except PackageNotFoundError:
        return "0"
