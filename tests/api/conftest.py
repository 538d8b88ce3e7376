"""The API over real lesson folders, behind a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from tests.kit.room import template
from tests.kit.web import serving


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lessons"


@pytest.fixture
def client(root: Path) -> Iterator[httpx.Client]:
    """A client of a box with a teacher's camera and a microphone, both required."""
    with serving(create_app(root, template())) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client
