"""What the settings say of the object store, and of making room here: `[store]`, `[storage]` in `classroom.toml`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

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


Percent = Annotated[int, Field(ge=1, le=90)]


class StorageSettings(Section):
    """When what was recorded makes room on the disk of the lessons.

    With `reclaim`, from less than `low` percent free on, the raw segments of lessons go that are stored safely and over
    since `keep_days`, oldest first, until `high` percent are free.
    """

    reclaim: bool = False
    low: Percent = 15
    high: Percent = 25
    keep_days: Annotated[int, Field(ge=0, le=36_500)] = 14

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError(
                f"low ({self.low}) must be less than high ({self.high}): room is made from one to the other"
            )
        return self
