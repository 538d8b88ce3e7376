"""Options of the command line that several commands have: one name and one help for one thing, whatever the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classroom import completion
from lesson.errors import ConfigError
from lesson.titles import checked_title


def _title(text: str) -> str:
    try:
        return checked_title(text)
    except ValueError as error:
        raise ConfigError(f"--title: {error}") from error


Config = Annotated[Path | None, typer.Option(help="classroom.toml; default: ./classroom.toml, /etc/classreel/…")]
AsJson = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
Root = Annotated[Path | None, typer.Option(help="Folder of lessons; default: the configured one.")]
Title = Annotated[str | None, typer.Option(parser=_title, metavar="TEXT", help="Title of the lesson.")]
Port = Annotated[int | None, typer.Option(min=1, max=65_535, help="Port of the pages; default: the configured one.")]
Lesson = Annotated[str, typer.Argument(help="Lesson id, unique prefix, or folder.", autocompletion=completion.lessons)]
LENGTH = "Length of the lesson: 90, 90s, 45m, 1h30m."
"""Help of an option that says how long a lesson is."""
