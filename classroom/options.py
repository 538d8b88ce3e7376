"""Options and arguments that several commands have: one name for one thing, whatever the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classroom import completion
from classroom.settings import Settings, load_settings
from lesson.errors import ConfigError
from lesson.folder import LessonFolder, find_lesson
from lesson.titles import checked_title
from process.share import share_with


def title_given(text: str) -> str:
    """A title as people type it. Raises `ConfigError`."""
    try:
        return checked_title(text)
    except ValueError as error:
        raise ConfigError(f"--title: {error}") from error


Config = Annotated[Path | None, typer.Option(help="classroom.toml; default: ./classroom.toml, /etc/classreel/…")]
AsJson = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
Root = Annotated[Path | None, typer.Option(help="Folder of lessons; default: the configured one.")]
Title = Annotated[str | None, typer.Option(parser=title_given, metavar="TEXT", help="Title of the lesson.")]
Port = Annotated[int | None, typer.Option(min=1, max=65_535, help="Port of the pages; default: the configured one.")]
Lesson = Annotated[str, typer.Argument(help="Lesson id, unique prefix, or folder.", autocompletion=completion.lessons)]
LENGTH = "Length of the lesson: 90, 90s, 45m, 1h30m."
"""Help of an option that says how long a lesson is."""


def settings_given(config: Path | None, root: Path | None, farm: str | None = None) -> Settings:
    """The settings; from here on what is written is shared as they say."""
    settings = load_settings(config, {("root",): root, ("encode", "farm"): farm})
    share_with(settings.share)
    return settings


def lesson_given(name: str, settings: Settings) -> tuple[LessonFolder, Settings]:
    """The lesson that is named, and the settings for where it lies. Raises `LessonNotFoundError`."""
    folder = find_lesson(settings.root, name)
    if folder.path.parent != settings.root:  # named by its folder: it is processed where it lies
        settings = settings.model_copy(update={"root": folder.path.parent})
    return folder, settings
