"""The real clips beside the repository, as parameters of tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.kit.places import FOOTAGE

EVERY_DAY = {
    "ae_SAR-2by3.mp4",
    "exo_bear-vp9-odd-dimensions.webm",
    "los_interlaced_ac3.mp4",
    "no_moov.mp4",
    "xquery_slide_2fps_vfr.mov",
}
"""A few kinds of trouble; all the others are tried with `--exhaustive`, as in every run of `.ci/run`."""
_MEDIA = {".mp4", ".mov", ".webm", ".mkv", ".avi", ".ts", ".mts", ".mp3", ".flac", ".ogg", ".wav", ".adts", ".h264"}


def clips(*folders: str) -> list[ParameterSet]:
    """The files of these folders; a name that is absent, where there is no footage, so that the test skips."""
    files = [path for folder in folders for path in sorted((FOOTAGE / folder).glob("*"))]
    found = [path for path in files if path.suffix.lower() in _MEDIA] or [Path("absent")]
    rare = [[] if path.name in EVERY_DAY | {"absent"} else [pytest.mark.exhaustive] for path in found]
    return [pytest.param(path, id=path.name, marks=marks) for path, marks in zip(found, rare, strict=True)]
