"""How a store is found and opened."""

from __future__ import annotations

import os
from pathlib import Path

from lesson.errors import ConfigError, StorageError, storage_errors
from lesson.reading import read_at_most
from publish.address import FolderAddress, parse_store_url
from publish.folder_store import FolderStore
from publish.protocol import ObjectStore
from publish.s3_client import Credentials, S3Client
from publish.s3_store import S3Store
from publish.settings import StoreSettings

MAX_KEY_BYTES = 64 << 10


def credentials(store: StoreSettings) -> Credentials | None:
    """The secrets `store` refers to, None where it refers to none.

    Raises:
        ConfigError: a named variable or file is missing or empty, or only one half is given.
    """
    access = _secret("access_key", store.access_key_env, store.access_key_file)
    secret = _secret("secret_key", store.secret_key_env, store.secret_key_file)
    if access is None and secret is None:
        return None
    if access is None or secret is None:
        missing = "access_key" if access is None else "secret_key"
        raise ConfigError(f"store.{missing}_env or store.{missing}_file is missing: the other half is set")
    return Credentials(access, secret)


ATTENDED_REPLY_S = 12.0
"""For commands whose answer somebody waits for: three times what it takes at 64 kbit/s and 600 ms."""


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
            value = read_at_most(file, MAX_KEY_BYTES).decode("utf-8-sig").strip()
        except (OSError, StorageError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no file with nothing but the key in it"
            raise ConfigError(f"store.{name}_file: {file}: {reason}") from error
        if not value:
            raise ConfigError(f"store.{name}_file: {file} is empty")
        return value
    return None


def shares_disk(store: StoreSettings, root: Path) -> bool:
    """Whether a store is a folder on the disk of `root`, as far as the disk says so. Raises `StorageError`."""
    place = parse_store_url(store.url or "")
    if not isinstance(place, FolderAddress):
        return False
    with storage_errors(place.path):
        there = next(path for path in (place.path, *place.path.parents) if path.exists())
        return there.stat().st_dev == root.stat().st_dev


def open_store(store: StoreSettings, *, reply_s: float = 120.0) -> ObjectStore:
    """The store that the settings name. Touches neither network nor disk, so that it works while the line is down.

    `reply_s`: how long a server may say nothing before a request counts as failed (`publish.s3_client`).

    Raises:
        ConfigError: no store is named; see also `credentials`.
    """
    if store.url is None:
        raise ConfigError("store.url is missing: write file:///folder or s3+http://host:port/bucket")
    place = parse_store_url(store.url)  # settings have looked at it
    if isinstance(place, FolderAddress):
        return FolderStore(place.path)
    s3 = S3Client(
        place.endpoint,
        place.bucket,
        prefix=place.prefix,
        secure=place.secure,
        credentials=credentials(store),
        region=place.region,
        reply_s=reply_s,
    )
    return S3Store(s3)
