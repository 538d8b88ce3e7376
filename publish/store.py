"""How a store is named, found and opened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lesson.errors import ConfigError
from publish.address import FolderAddress, parse_store_url
from publish.folder_store import FolderStore
from publish.protocol import ObjectStore
from publish.s3_client import Credentials, S3Client
from publish.s3_store import S3Store


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSpec:
    """A store by URL, its secrets by reference: the name of an environment variable, or a file.

    `file:///folder`, `s3+http://host:port/bucket[/prefix]` or `s3+https://…`, the latter two with `?region=name`
    where the server does not tell its region.
    """

    url: str
    access_key_env: str | None = None
    secret_key_env: str | None = None
    access_key_file: Path | None = None
    secret_key_file: Path | None = None


def credentials(spec: StoreSpec) -> Credentials | None:
    """The secrets `spec` refers to, None where it refers to none.

    Raises:
        ConfigError: a named variable or file is missing or empty, or only one half is given.
    """
    access = _secret("access_key", spec.access_key_env, spec.access_key_file)
    secret = _secret("secret_key", spec.secret_key_env, spec.secret_key_file)
    if access is None and secret is None:
        return None
    if access is None or secret is None:
        missing = "access_key" if access is None else "secret_key"
        raise ConfigError(f"store.{missing}_env or store.{missing}_file is missing: the other half is set")
    return Credentials(access, secret)


def _secret(name: str, env: str | None, file: Path | None) -> str | None:
    if env and file:
        raise ConfigError(f"store.{name}_env and store.{name}_file are both set: keep one")
    if env:
        value = os.environ.get(env, "").strip()
        if not value:
            raise ConfigError(f"store.{name}_env: the environment variable {env} is not set or empty")
        return value
    if file:
        try:
            value = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise ConfigError(f"store.{name}_file: {file}: {reason}") from error
        if not value:
            raise ConfigError(f"store.{name}_file: {file} is empty")
        return value
    return None


def open_store(spec: StoreSpec) -> ObjectStore:
    """The store `spec` names. Touches neither network nor disk, so that it works while the line is down.

    Raises:
        ConfigError: see `publish.address.parse_store_url` and `credentials`.
    """
    try:
        place = parse_store_url(spec.url)
    except ValueError as error:
        raise ConfigError(f"store.url: {error}") from error
    if isinstance(place, FolderAddress):
        return FolderStore(place.path)
    line = S3Client(
        place.endpoint,
        place.bucket,
        prefix=place.prefix,
        secure=place.secure,
        credentials=credentials(spec),
        region=place.region,
    )
    return S3Store(line)
