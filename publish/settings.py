"""What the settings say of the object store: `[store]` in `classroom.toml`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from process.section import HomePath, Section
from publish.address import parse_store_url


def _store_url(url: str) -> str:
    parse_store_url(url)
    return url


class StoreSettings(Section):
    """A store by URL, its secrets by reference: the name of an environment variable, or a file.

    `file:///folder`, `s3+http://host:port/bucket[/prefix]` or `s3+https://…`, the latter two with `?region=name`
    where the server does not tell its region. None: the box has a folder for it.
    """

    url: Annotated[str, AfterValidator(_store_url)] | None = None
    access_key_env: str | None = None
    secret_key_env: str | None = None
    access_key_file: HomePath | None = None
    secret_key_file: HomePath | None = None
