"""Where the pages are served: another port for one run, and whether it is free."""

from __future__ import annotations

import socket

from classroom.settings import Settings
from lesson.errors import ConfigError


def with_port(settings: Settings, port: int | None) -> Settings:
    """The settings with another port of the pages; None: as they are."""
    if port is None:
        return settings
    return settings.model_copy(update={"listen": f"{settings.listen.rpartition(':')[0]}:{port}"})


def refuse_taken_port(settings: Settings) -> None:
    """Raise `ConfigError` where the pages cannot be served now."""
    family = socket.AF_INET6 if settings.listen.startswith("[") else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.host, settings.port))
        except OSError as error:
            raise ConfigError(f"listen {settings.listen}: {error.strerror}; choose another with --port") from error
