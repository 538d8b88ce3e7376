"""What looks at which source. A new detector is one file here, its class named like the file, and a word in the table.

The planner reads the table only; detectors are imported where they look, as OpenCV costs 60 MB.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from lesson.model import Role
from tracking.detector import Detector

DETECTORS: dict[Role, tuple[str, ...]] = {
    Role.TEACHER: ("motion", "faces"),
    Role.TEACHER_CLOSEUP: ("motion", "faces"),
    Role.STUDENTS: ("motion", "faces"),
    Role.STUDENTS_CLOSEUP: ("motion", "faces"),
    Role.BOARD: ("motion", "ink"),
    Role.SCREEN: ("motion", "ink"),
    Role.MIC: ("motion",),
}
"""By the role of a source, the files of the detectors that look at its pictures, if it has any."""


def make_detector(file: str, role: Role) -> Detector:
    """A detector for one source of this role. Raises `LookupError` if it is not made for such a source."""
    name = file.title().replace("_", "")
    detector = cast("Detector", getattr(import_module(f"{__name__}.{file}"), name)(role))
    if role not in detector.roles:
        raise LookupError(f"{file} makes no sense of a {role.value}")
    return detector
