"""What the shell offers at the Tab key beside commands and options."""

from __future__ import annotations

from pathlib import Path

import typer

from classroom.settings import load_settings
from lesson.catalogue import Catalogue
from lesson.errors import ClassreelError
from lesson.model import Role

MOST = 50


def lessons(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of lessons, newest first; none where settings or disk cannot be read: this is no place to complain."""
    config, root = context.params.get("config"), context.params.get("root")
    try:
        settings = load_settings(Path(config) if config else None, {("root",): root})
        ids = [entry.folder.id for entry in Catalogue(settings.root).page(MOST)]
    except ClassreelError:
        return []
    return [one for one in ids if one.startswith(incomplete)]


def roles(incomplete: str) -> list[str]:
    """`teacher=` and the others."""
    return [f"{role}=" for role in Role if f"{role}=".startswith(incomplete)]
