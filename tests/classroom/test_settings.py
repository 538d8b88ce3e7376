from __future__ import annotations

from pathlib import Path

import pytest

from classroom.settings import Settings, load_settings
from lesson.errors import ConfigError
from lesson.model import Role

CONTRACT = """
root = "/var/lib/classreel"
room = "Room 3"
timezone = "Asia/Shanghai"
languages = ["bo", "zh", "en"]
max_lesson = "1h30m"

[store]
url = "s3+http://10.0.0.2:9000/lessons"
access_key_env = "S3_KEY"
secret_key_file = "/run/secrets/s3"

[[sources]]
id = "teacher"
role = "teacher"
uri = "rtsp://10.0.0.11/main"
user_env = "CAM_USER"
password_env = "CAM_PASS"
substream = "rtsp://10.0.0.11/sub"
required = true

[encode]
ladder = "thin"
"""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("CLASSREEL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "room.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path)


def test_the_contract_example_is_understood(tmp_path: Path) -> None:
    settings = load(tmp_path, CONTRACT)
    assert settings.max_lesson == 5400
    assert settings.store.access_key_env == "S3_KEY"
    spec = settings.template().sources[0]
    assert (spec.role, spec.required, spec.password_env) == (Role.TEACHER, True, "CAM_PASS")
    assert settings.template().ladder[0].name == "voice"


def test_without_a_file_there_are_embedded_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    settings = load_settings()
    assert settings.root == tmp_path / "classreel"
    assert settings.store_url == (tmp_path / "classreel" / "store").as_uri()


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSREEL_ROOM", "Room 4")
    monkeypatch.setenv("CLASSREEL_STORE_URL", "file:///srv/store")
    monkeypatch.setenv("CLASSREEL_STORE_SECRET_KEY_ENV", "OTHER")
    monkeypatch.setenv("CLASSREEL_SOURCES", '[{"id": "m", "role": "mic", "uri": "alsa:hw:1"}]')
    settings = load(tmp_path, CONTRACT)
    assert settings.room == "Room 4"
    assert settings.store.url == "file:///srv/store"
    assert (settings.store.access_key_env, settings.store.secret_key_env) == ("S3_KEY", "OTHER")
    assert [source.id for source in settings.sources] == ["m"]


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("roel =", "role =", "unknown key sources.0.roel; did you mean role?"),
        ("acces_key_env", "access_key_env", "unknown key store.acces_key_env; did you mean access_key_env?"),
        ("rom =", "room =", "unknown key rom; did you mean room?"),
        ('"Asia/Shangai"', '"Asia/Shanghai"', "timezone: no time zone 'Asia/Shangai'"),
        ('"thick"', '"thin"', "encode.ladder: no ladder 'thick'"),
        ('"rtps://10.0.0.11/main"', '"rtsp://10.0.0.11/main"', "sources.0.uri: unknown source kind 'rtps'"),
        ('"ftp://x/y"', '"s3+http://10.0.0.2:9000/lessons"', "store.url: write file:///folder"),
        ('"1h30x"', '"1h30m"', "max_lesson: '1h30x' is no duration"),
        ('id = "Teacher 1"', 'id = "teacher"', "sources.0.id: 'Teacher 1' is no name"),
    ],
)
def test_an_error_names_file_key_and_remedy(tmp_path: Path, wrong: str, right: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, CONTRACT.replace(right, wrong, 1))
    assert str(raised.value).startswith(f"{tmp_path / 'room.toml'}: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, CONTRACT.replace("rtsp://10.0.0.11/main", "rtsp://root:hunter2@10.0.0.11/main"))
    assert "hunter2" not in str(raised.value)
    assert "password_env" in str(raised.value)


def test_unknown_environment_names_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSREEL_STROE_URL", "file:///x")
    with pytest.raises(ConfigError, match="CLASSREEL_STROE_URL; did you mean CLASSREEL_STORE_URL"):
        load(tmp_path, CONTRACT)


def test_two_sources_of_one_id_are_refused(tmp_path: Path) -> None:
    double = '\n[[sources]]\nid = "teacher"\nrole = "board"\nuri = "test:board"\n'
    with pytest.raises(ConfigError, match="two sources have the id 'teacher'"):
        load(tmp_path, CONTRACT + double)


def test_a_missing_or_broken_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_settings(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match=r"room\.toml"):
        load(tmp_path, "root = ")


def test_settings_survive_the_way_to_the_web_process(tmp_path: Path) -> None:
    for text in (CONTRACT, 'room = "Room 1"'):
        settings = load(tmp_path, text)
        assert Settings.model_validate_json(settings.model_dump_json()) == settings
