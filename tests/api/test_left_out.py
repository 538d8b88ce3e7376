"""A rendition that a lesson does without, on its page and in the list."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from api.languages import LANGUAGES
from api.translation import translation
from lesson.editions import skip_rung
from tests.kit.lessons import encode_all, make_lesson, plan_all, record_all

PAGE = "text/html,application/xhtml+xml"
WHY = "this box is too slow for it"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_says_what_was_not_made(client: httpx.Client, root: Path, language: str) -> None:
    folder = make_lesson(root, "20260101-080000-aaaa")
    record_all(folder)
    plan_all(folder)
    encode_all(folder)
    address, heading = f"/lessons/{folder.id}", translation(language).gettext("Not made for this lesson")

    def page() -> str:
        return client.get(address, headers={"Accept": PAGE, "Accept-Language": language}).text

    assert heading not in page()
    skip_rung(root, folder, "high", WHY)
    said = [{"name": "high", "reason": WHY}]
    assert client.get(address).json()["left_out"] == said
    assert client.get("/lessons").json()["lessons"][0]["left_out"] == said
    assert heading in page()
    assert f'high: <span lang="en">{WHY}</span>' in page()
