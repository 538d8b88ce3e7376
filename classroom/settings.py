"""`classroom.toml` and `CLASSREEL_…`: the sections of all rooms together, parsed once, at the edge.

A setting is declared in one place, the section of the room that obeys it; its key in the file, its variable of the
environment and its way to that room's processes follow from there. Every error names key and file (or variable).
"""

from __future__ import annotations

import os
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from api.settings import PagesOfRoom, PagesSettings
from capture.kinds import alone_at
from capture.settings import CaptureSettings, SourceSettings
from classroom import environment, rules
from encode.settings import EncodeSettings
from lesson.errors import ConfigError, StorageError
from lesson.ladders import ladder
from lesson.lifecycle import LessonTemplate
from lesson.reading import read_at_most
from process.section import HomePath, Place, Seconds, first_problem
from process.share import Share
from publish.settings import StorageSettings, StoreSettings

MAX_CONFIG_BYTES = 1 << 20
CONFIG_PLACES = (Path("classroom.toml"), Path("/etc/classreel/classroom.toml"))


def default_root() -> Path:
    """Where lessons go when nothing is configured: the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "classreel"


class Settings(PagesSettings):
    """Everything a box can be told. The keys of the pages stand beside the classroom's own, in no table."""

    root: Annotated[HomePath, BeforeValidator(rules.not_empty)] = Field(default_factory=default_root)
    room: Annotated[str, AfterValidator(rules.room)] = "Classroom"
    timezone: Annotated[str, AfterValidator(rules.known_zone)] = "UTC"
    languages: tuple[Annotated[str, AfterValidator(rules.language)], ...] = ("en",)
    share: Share = Share.GROUP
    max_lesson: Seconds = 4 * 3600.0
    store: StoreSettings = StoreSettings()
    storage: StorageSettings = StorageSettings()
    sources: tuple[SourceSettings, ...] = ()
    capture: CaptureSettings = CaptureSettings()
    encode: EncodeSettings = EncodeSettings()

    @property
    def named_store(self) -> StoreSettings:
        """The store with its URL; the embedded default is a folder beside the lessons."""
        url = self.store.url or (self.root.absolute() / "store").as_uri()
        return self.store.model_copy(update={"url": url})

    @property
    def pages(self) -> PagesOfRoom:
        """What the process of the pages is told."""
        own = {name: getattr(self, name) for name in PagesSettings.model_fields}
        return PagesOfRoom(**own, root=self.root, template=self.attended_template())

    def template(self) -> LessonTemplate:
        """What new lessons are made from."""
        return LessonTemplate(
            room=self.room,
            timezone=self.timezone,
            languages=self.languages,
            sources=tuple(source.spec() for source in self.sources),
            ladder=ladder(self.encode.ladder),
        )

    def attended_template(self) -> LessonTemplate:
        """What new lessons are made from where `serve` keeps feeds open between them."""
        able = tuple(one.id for one in self.sources if one.stands_by)
        return replace(
            self.template(), able=able, standby=self.capture.standby, standby_hours=self.capture.standby_hours
        )


def find_config(given: Path | None) -> Path | None:
    """The configuration file to use, if any. Raises `ConfigError` when a named one is missing."""
    named = given or (Path(os.environ["CLASSREEL_CONFIG"]) if os.environ.get("CLASSREEL_CONFIG") else None)
    if named:
        if not named.is_file():
            raise ConfigError(f"{named}: no such configuration file")
        return named
    return next((place for place in CONFIG_PLACES if place.is_file()), None)


def load_settings(config: Path | None = None, options: Mapping[Place, object] | None = None) -> Settings:
    """Settings from the file, the environment and the `options` of the command line, of which the later ones win.

    Raises `ConfigError`.
    """
    path = find_config(config)
    values: dict[str, Any] = {}
    if path:
        try:
            values = tomllib.loads(read_at_most(path, MAX_CONFIG_BYTES).decode("utf-8-sig"))
        except RecursionError as error:
            raise ConfigError(f"{path}: lists or tables lie too deep in each other") from error
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: {error}") from error
        except StorageError as error:
            raise ConfigError(str(error)) from error
    return compose(values, path, options)


def compose(
    values: Mapping[str, Any], path: Path | None = None, options: Mapping[Place, object] | None = None
) -> Settings:
    """As `load_settings`, from `values` that were read at `path` (None: that stand for a file)."""
    given = {place: value for place, value in (options or {}).items() if value is not None}
    read = environment.variables(Settings)
    layered: Mapping[str, Any] = values
    for place, value in {**read, **given}.items():
        layered = _with(layered, place, value)
    try:
        settings = Settings.model_validate(layered)
    except ValidationError as error:
        place, what = first_problem(error, Settings)
        raise ConfigError(f"{_origin(place, given, read, path)}: {what}") from error
    _refuse_double_ids(settings, path)
    _refuse_wrong_backups(settings, path)
    _refuse_double_places(settings, path)
    _refuse_files_in_the_way(settings.root, path)
    return settings


def _with(values: Mapping[str, Any], place: Place, value: object) -> dict[str, Any]:
    """`values` with another one at `place`; a table that is given as a whole is laid over the one that is there."""
    key, rest = str(place[0]), place[1:]
    there = values.get(key, {})
    if rest and not isinstance(there, dict):
        return {**values}  # no table: that is the error to be told
    if rest:
        value = _with(there, rest, value)
    elif isinstance(there, dict) and isinstance(value, dict):
        value = {**there, **value}
    return {**values, key: value}


def _origin(place: Place, given: Mapping[Place, object], read: Mapping[Place, object], path: Path | None) -> str:
    """Where a value came from: an option wins over a variable of the environment, and that over the file."""
    parts = [place[:length] for length in range(len(place), 0, -1)]
    if option := next((part for part in parts if part in given), None):
        return f"--{option[-1]}"
    if name := next((part for part in parts if part in read), None):
        return f"environment: {environment.variable(name)}"
    return str(path) if path else "settings"


def _refuse_files_in_the_way(root: Path, path: Path | None) -> None:
    """Looked at here and in no validator: the processes of a running box must not fail over what lies on a disk."""
    where = f"{path or 'settings'}: root"
    if any(unicodedata.category(character) == "Cc" for character in str(root)):
        raise ConfigError(f"{where}: {str(root)!r}: there is a control character in it")
    try:
        nearest = next(place for place in (root.absolute(), *root.absolute().parents) if place.exists())
    except (OSError, ValueError) as error:  # a name too long for any file system, a NUL in it
        raise ConfigError(f"{where}: {str(root)!r} can be no folder: {getattr(error, 'strerror', error)}") from error
    if not nearest.is_dir():
        raise ConfigError(f"{where}: {nearest} is a file: name a folder")


def _refuse_double_ids(settings: Settings, path: Path | None) -> None:
    ids = [source.id for source in settings.sources]
    for source_id in ids:
        if ids.count(source_id) > 1:
            raise ConfigError(f"{path or 'settings'}: sources: two sources have the id {source_id!r}")


def _refuse_wrong_backups(settings: Settings, path: Path | None) -> None:
    """A backup is another source, and nobody stands in for himself, however long the chain."""
    backups = {source.id: source.backup for source in settings.sources}
    for source_id, backup in backups.items():
        if backup is None:
            continue
        where = f"{path or 'settings'}: sources: the backup of {source_id!r}"
        if backup not in backups:
            raise ConfigError(f"{where}: there is no source {backup!r}")
        passed: list[str] = [source_id]
        while (follows := backups.get(passed[-1])) is not None:
            if follows in passed:
                raise ConfigError(f"{where}: in the end {follows!r} would be its own backup")
            passed.append(follows)


def _refuse_double_places(settings: Settings, path: Path | None) -> None:
    """Sources are processes of their own: what one has for itself the other would wait for in vain."""
    taken: dict[str, str] = {}
    for source in settings.sources:
        place = alone_at(source.uri)
        if place is not None and place in taken:
            both = f"{taken[place]!r} and {source.id!r}"
            raise ConfigError(f"{path or 'settings'}: sources: {both} both want {place}: give each one of its own")
        if place is not None:
            taken[place] = source.id
