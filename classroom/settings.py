"""`classroom.toml` and `CLASSREEL_…`: parsed once, at the edge; every error names the file and the key."""

from __future__ import annotations

import difflib
import os
import socket
import tomllib
import unicodedata
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from classroom import rules
from lesson.errors import ConfigError
from lesson.ladders import ladder
from lesson.lifecycle import LessonTemplate
from lesson.model import Role, SourceSpec
from process.beat import BEAT_ENV
from process.parentage import SUPERVISOR_ENV
from process.share import Share

CONFIG_PLACES = (Path("classroom.toml"), Path("/etc/classreel/classroom.toml"))
_ENV_PREFIX = "CLASSREEL_"
_OWN_ENV = {"CLASSREEL_CONFIG", SUPERVISOR_ENV, BEAT_ENV}


def default_root() -> Path:
    """Where lessons go when nothing is configured: the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "classreel"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(_Section):
    """Where finished lessons go. Secrets are named by reference, never written here."""

    url: Annotated[str, AfterValidator(rules.store_url)] | None = None
    access_key_env: str | None = None
    secret_key_env: str | None = None
    access_key_file: Path | None = None
    secret_key_file: Path | None = None


class SourceSettings(_Section):
    """One feed."""

    id: Annotated[str, AfterValidator(rules.plain_name)]
    role: Role
    uri: Annotated[str, AfterValidator(rules.source_uri)]
    user_env: str | None = None
    password_env: str | None = None
    substream: Annotated[str, AfterValidator(rules.substream)] | None = None
    required: bool = False

    def spec(self) -> SourceSpec:
        return SourceSpec(**self.model_dump())


def _default_workers() -> int:
    """A worker keeps two cores busy with the threads of its rungs; more only cost memory."""
    return max(1, (os.cpu_count() or 1) // 2)


class EncodeSettings(_Section):
    """How lessons are encoded."""

    ladder: Annotated[str, AfterValidator(rules.known_ladder)] = "thin"
    workers: int = Field(default_factory=_default_workers, ge=1, le=64)
    farm: Annotated[str, AfterValidator(rules.farm_url)] | None = None


class Settings(BaseSettings):
    """Everything a box can be told."""

    model_config = SettingsConfigDict(
        env_prefix=_ENV_PREFIX, env_nested_delimiter="_", env_nested_max_split=1, extra="forbid", frozen=True
    )

    root: Path = Field(default_factory=default_root)
    room: Annotated[str, AfterValidator(rules.room)] = "Classroom"
    timezone: Annotated[str, AfterValidator(rules.known_zone)] = "UTC"
    languages: tuple[Annotated[str, AfterValidator(rules.language)], ...] = ("en",)
    share: Share = Share.GROUP
    listen: Annotated[str, AfterValidator(rules.listen)] = "127.0.0.1:8000"
    allowed_hosts: tuple[Annotated[str, AfterValidator(rules.allowed_host)], ...] = ()
    hls_js: Path | None = None
    max_lesson: Annotated[float, BeforeValidator(rules.duration), Field(gt=0, allow_inf_nan=False)] = 4 * 3600.0
    store: StoreSettings = StoreSettings()
    sources: tuple[SourceSettings, ...] = ()
    encode: EncodeSettings = EncodeSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 the signature is pydantic-settings'
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 the signature is pydantic-settings'
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file: what the operator sets for one run wins."""
        return env_settings, init_settings

    @property
    def store_url(self) -> str:
        """The store's URL; the embedded default is a folder beside the lessons."""
        return self.store.url or (self.root.absolute() / "store").as_uri()

    def template(self) -> LessonTemplate:
        return LessonTemplate(
            room=self.room,
            timezone=self.timezone,
            languages=self.languages,
            sources=tuple(source.spec() for source in self.sources),
            ladder=ladder(self.encode.ladder),
        )


def find_config(given: Path | None) -> Path | None:
    """The configuration file to use, if any. Raises `ConfigError` when a named one is missing."""
    named = given or (Path(os.environ["CLASSREEL_CONFIG"]) if os.environ.get("CLASSREEL_CONFIG") else None)
    if named:
        if not named.is_file():
            raise ConfigError(f"{named}: no such configuration file")
        return named
    return next((place for place in CONFIG_PLACES if place.is_file()), None)


def load_settings(config: Path | None = None, **overrides: object) -> Settings:
    """Settings from the file, the environment and `overrides` (which win). Raises `ConfigError`."""
    path = find_config(config)
    values: dict[str, Any] = {}
    if path:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: {error}") from error
    _refuse_unknown_environment()
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise ConfigError(_first_problem(error, path)) from error
    except SettingsError as error:  # a variable that should hold a list or a table, and is no JSON
        raise ConfigError(f"environment: {error}; write it as JSON") from error
    settings = settings.model_copy(update={k: v for k, v in overrides.items() if v is not None})
    _refuse_double_ids(settings, path)
    _refuse_files_in_the_way(settings.root, path)
    return settings


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


def _known_environment() -> set[str]:
    names = set(_OWN_ENV)
    for key, field in Settings.model_fields.items():
        names.add(_ENV_PREFIX + key.upper())
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names |= {f"{_ENV_PREFIX}{key.upper()}_{inner.upper()}" for inner in field.annotation.model_fields}
    return names


def _refuse_unknown_environment() -> None:
    known = _known_environment()
    for name in os.environ:
        if name.startswith(_ENV_PREFIX) and name not in known:
            raise ConfigError(f"environment: unknown key {name}{_nearest(name, known)}")


def _nearest(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(sorted(known))}"


def _fields_at(location: tuple[int | str, ...]) -> set[str]:
    sections: dict[str, type[BaseModel]] = {
        "store": StoreSettings,
        "sources": SourceSettings,
        "encode": EncodeSettings,
    }
    model = sections.get(str(location[0]), Settings) if len(location) > 1 else Settings
    return set(model.model_fields)


def _first_problem(error: ValidationError, path: Path | None) -> str:
    problems = error.errors(include_url=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]  # a misspelt key also shows up as a missing one
    location = problem["loc"]
    key = ".".join(str(part) for part in location)
    where = _where(location, path)
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown key {key}{_nearest(str(location[-1]), _fields_at(location))}"
    return f"{where}: {key}: {' '.join(problem['msg'].removeprefix('Value error, ').split())}"


def _where(location: tuple[int | str, ...], path: Path | None) -> str:
    """The place a value was read from: a variable of the environment wins over the file."""
    names = [_ENV_PREFIX + "_".join(str(part) for part in location[:length]).upper() for length in (1, 2)]
    given = next((name for name in names if name in os.environ), None)
    if given:
        return f"environment: {given}"
    return str(path) if path else "environment"


def refuse_taken_port(settings: Settings) -> None:
    """Raise `ConfigError` where the pages cannot be served, before anything is started."""
    host, _, port = settings.listen.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host.strip("[]"), int(port)))
        except OSError as error:
            raise ConfigError(f"listen {settings.listen}: {error.strerror}; choose another with --port") from error


def with_farm(settings: Settings, url: str) -> Settings:
    """The settings with an encoding farm. Raises `ConfigError`."""
    try:
        encode = EncodeSettings.model_validate({**settings.encode.model_dump(), "farm": url})
    except ValidationError as error:
        raise ConfigError(_first_problem(error, None).replace("environment: farm", f"--farm {url}")) from error
    return settings.model_copy(update={"encode": encode})
