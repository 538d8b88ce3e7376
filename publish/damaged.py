"""A file that was to be sent, and is not any more what was committed: the record that has it made again."""

from __future__ import annotations

from lesson.files import file_problem
from lesson.folder import LessonFolder
from lesson.hls import file_key
from lesson.package import Object
from lesson.records import FileDamaged
from lesson.rendition_state import RenditionState
from lesson.state import LessonState


def damage_of(folder: LessonFolder, state: LessonState, item: Object) -> FileDamaged | None:
    """What is wrong with the file of an object; None: nothing, or it is no file of a rendition.

    Raises `StorageError` where it cannot be told.
    """
    name, _, _ = item.key.partition("/")
    if item.path is None or name not in state.renditions or file_key(name, item.path) != item.key:
        return None
    problem = file_problem(folder, item.path, item.bytes, item.sha256)
    if problem is None:
        return None
    chunk = _number(state.renditions[name], item.path)
    return FileDamaged(rendition=name, chunk=chunk, path=item.path, problem=problem)


def _number(progress: RenditionState, path: str) -> int | None:
    """Of the chunk at `path`; None: it is the initialisation segment."""
    return next((index for index, chunk in progress.chunks.items() if chunk.path == path), None)
