from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.settings import PagesOfRoom
from capture.settings import SourceSettings
from classroom.commands import demo_settings
from classroom.environment import variables
from classroom.settings import Settings, compose, load_settings
from encode.settings import EncodeSettings
from lesson.errors import ConfigError
from lesson.model import Role
from process.section import Seconds
from publish.settings import StoreSettings
from publish.store import open_store

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
    for name in list(os.environ):
        if name.startswith("CLASSREEL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "room.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path)


def test_the_contract_example_is_understood(tmp_path: Path) -> None:
    found = load(tmp_path, CONTRACT)
    assert found.max_lesson == 5400
    assert found.store.access_key_env == "S3_KEY"
    spec = found.template().sources[0]
    assert (spec.role, spec.required, spec.password_env) == (Role.TEACHER, True, "CAM_PASS")
    assert found.template().ladder[0].name == "voice"


def test_without_a_file_there_are_embedded_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    found = load_settings()
    assert found.root == tmp_path / "classreel"
    assert found.named_store.url == (tmp_path / "classreel" / "store").as_uri()


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSREEL_ROOM", "Room 4")
    monkeypatch.setenv("CLASSREEL_STORE_URL", "file:///srv/store")
    monkeypatch.setenv("CLASSREEL_STORE_SECRET_KEY_ENV", "OTHER")
    monkeypatch.setenv("CLASSREEL_SOURCES", '[{"id": "m", "role": "mic", "uri": "alsa:hw:1"}]')
    found = load(tmp_path, CONTRACT)
    assert found.room == "Room 4"
    assert found.store.url == "file:///srv/store"
    assert (found.store.access_key_env, found.store.secret_key_env) == ("S3_KEY", "OTHER")
    assert [source.id for source in found.sources] == ["m"]


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("roel =", "role =", "unknown key sources.0.roel; did you mean role?"),
        ("acces_key_env", "access_key_env", "unknown key store.acces_key_env; did you mean access_key_env?"),
        ("rom =", "room =", "unknown key rom; did you mean room?"),
        ('"Asia/Shangai"', '"Asia/Shanghai"', "timezone: no time zone 'Asia/Shangai'"),
        ('"thick"', '"thin"', "encode.ladder: no ladder 'thick'"),
        (
            '"rtps://10.0.0.11/main"',
            '"rtsp://10.0.0.11/main"',
            "sources.0.uri: rtps://10.0.0.11/main: no such kind of source",
        ),
        ('"ftp://x/y"', '"s3+http://10.0.0.2:9000/lessons"', "store.url: write file:///folder"),
        ('"1h30x"', '"1h30m"', "max_lesson: '1h30x' is no duration"),
        ('id = "Teacher 1"', 'id = "teacher"', "sources.0.id: 'Teacher 1' is no name"),
        ("9000/lessons//room3", "9000/lessons", "store.url: the prefix '/room3' has a part ''"),
        ("9000/lessons/../x", "9000/lessons", "store.url: the prefix '../x' has a part '..'"),
        ("10.0.0.2:90000", "10.0.0.2:9000", "store.url: has no right port"),
        ("lessons?regoin=eu", "lessons", "store.url: knows no 'regoin' after ?"),
        ("10.0.0.2:9000/", "10.0.0.2:9000/lessons", "store.url: names no bucket"),
        ("main?x\\n", "main", "sources.0.uri: 'rtsp://10.0.0.11/main?x\\n': there is a control character"),
        (
            "rtsp://10.0.0.11:99999/main",
            "rtsp://10.0.0.11/main",
            "sources.0.uri: rtsp://10.0.0.11:99999/main: Port out of range",
        ),
        ("v4l2:/dev/video0?size=big", "rtsp://10.0.0.11/main", "sources.0.uri: v4l2:/dev/video0: size=big is not like"),
        ("alsa:hw:1?rate=fast", "rtsp://10.0.0.11/main", "sources.0.uri: alsa:hw:1: rate=fast is no whole number"),
        ("test:teachr", "rtsp://10.0.0.11/main", "sources.0.uri: test:teachr: no such scene"),
        ("v4l2:/dev/video1", "rtsp://10.0.0.11/sub", "sources.0.substream: write the address of the camera's"),
        ('["bo", "chinese language"]', '["bo", "zh", "en"]', "languages.1: 'chinese language' is no language tag"),
        ('room = " "', 'room = "Room 3"', "room: a room has a name"),
        ("max_lesson = inf", 'max_lesson = "1h30m"', "max_lesson: Input should be a finite number"),
        ('listen = "0.0.0.300:8000"', 'room = "Room 3"', "listen: '0.0.0.300' is no address of this machine"),
        ('listen = "0.0.0.0:65536"', 'room = "Room 3"', "listen: write host:port"),
        ('allowed_hosts = ["http://x"]', 'room = "Room 3"', "allowed_hosts.0: 'http://x' is no name of a host"),
        ('root = "~nobody-here/x"', 'root = "/var/lib/classreel"', "root: there is no account for '~nobody-here' here"),
        ("~nobody-here/key", "/run/secrets/s3", "store.secret_key_file: there is no account for '~nobody-here' here"),
        ("file:///", "s3+http://10.0.0.2:9000/lessons", "store.url: names no folder"),
        ("file:///srv/..", "s3+http://10.0.0.2:9000/lessons", "store.url: names no folder"),
        ("file:////", "s3+http://10.0.0.2:9000/lessons", "store.url: names no folder"),
        ('share = "all"', 'room = "Room 3"', "share: Input should be 'owner', 'group' or 'everyone'"),
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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_file_of_any_editor_is_read(tmp_path: Path, encoding: str, newline: str) -> None:
    (tmp_path / "room.toml").write_bytes('room = "教室 3"\n[store]\n'.replace("\n", newline).encode(encoding))
    assert load_settings(tmp_path / "room.toml").room == "教室 3"


@pytest.mark.parametrize("depth", [50, 400, 1_000, 100_000])
@pytest.mark.parametrize(
    ("key", "opens", "closes"), [("room", "[", "]"), ("sources", "[", "]"), ("encode", "{a=", "}")]
)
def test_what_is_nested_deeply_is_one_line(tmp_path: Path, key: str, opens: str, closes: str, depth: int) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, f"{key} = {opens * depth}1{closes * depth}")
    assert str(raised.value).startswith(f"{tmp_path / 'room.toml'}: ")
    assert len(str(raised.value).splitlines()) == 1


def test_a_file_of_settings_is_small(tmp_path: Path) -> None:
    (tmp_path / "room.toml").write_bytes(b'room = "Room 3"\n#')
    os.truncate(tmp_path / "room.toml", 20 << 30)
    with pytest.raises(ConfigError, match=r"room\.toml: more than \d+ bytes"):
        load_settings(tmp_path / "room.toml")


def test_a_home_is_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found = load(tmp_path, 'root = "~/lessons"\n[store]\nsecret_key_file = "~/key"')
    assert (found.root, found.store.secret_key_file) == (tmp_path / "lessons", tmp_path / "key")


def test_settings_survive_the_way_to_the_web_process(tmp_path: Path) -> None:
    for text in (CONTRACT, 'room = "Room 1"'):
        found = load(tmp_path, text)
        assert Settings.model_validate_json(found.model_dump_json()) == found


def test_the_place_of_a_wrong_value_is_the_environment_where_it_came_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLASSREEL_STORE_URL", "s3+http://h/lessons/../x")
    with pytest.raises(ConfigError, match=r"^environment: CLASSREEL_STORE_URL: store.url: the prefix '../x'"):
        load(tmp_path, CONTRACT)
    monkeypatch.delenv("CLASSREEL_STORE_URL")
    monkeypatch.setenv("CLASSREEL_SOURCES", "teacher")
    with pytest.raises(ConfigError, match=r"^environment: [^\n]*sources[^\n]*JSON"):
        load(tmp_path, CONTRACT)


@pytest.mark.parametrize("below", ["", "lessons", "a/b"])
def test_a_root_with_a_file_in_its_way_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=rf"room\.toml: root: {tmp_path}/file is a file"):
        load(tmp_path, f'root = "{tmp_path}/file/{below}"')


def test_a_setting_is_declared_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    class NightEncoding(EncodeSettings):  # what a room's own file would say
        night: Seconds = 8 * 3600.0

    class Box(Settings):
        encode: NightEncoding = NightEncoding()

    monkeypatch.setenv("CLASSREEL_ENCODE_NIGHT", "6h30m")
    read = variables(Box)
    assert read == {("encode", "night"): "6h30m"}
    box = Box.model_validate({"encode": {"night": read["encode", "night"]}})
    assert NightEncoding.parse(box.encode.argument()).night == 23_400
    monkeypatch.setenv("CLASSREEL_ENCODE_NIHGT", "1h")
    with pytest.raises(ConfigError, match="did you mean CLASSREEL_ENCODE_NIGHT"):
        variables(Box)


def test_an_option_wins_over_the_environment_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSREEL_ROOT", str(tmp_path / "environment"))
    monkeypatch.setenv("CLASSREEL_ENCODE", '{"workers": 3, "farm": "tcp://10.0.0.5:8786"}')
    found = compose(
        {"root": "/file", "encode": {"ladder": "thin"}}, options={("root",): tmp_path, ("encode", "farm"): None}
    )
    assert (found.root, found.encode.workers, found.encode.farm) == (tmp_path, 3, "tcp://10.0.0.5:8786")
    with pytest.raises(ConfigError, match=r"^--farm: encode\.farm: write the address"):
        compose({}, options={("encode", "farm"): "http://10.0.0.5"})


def test_the_demo_goes_where_it_is_told_and_else_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert demo_settings(None, None).root == tmp_path / "classreel-demo" / "lessons"
    monkeypatch.setenv("CLASSREEL_ROOT", str(tmp_path / "volume"))
    monkeypatch.setenv("CLASSREEL_LISTEN", "0.0.0.0:8000")
    found = demo_settings(None, 9000)
    assert (found.root, found.listen) == (tmp_path / "volume", "0.0.0.0:9000")
    found = demo_settings(tmp_path / "out", None)
    assert (found.root, found.store.url) == (tmp_path / "out" / "lessons", (tmp_path / "out" / "store").as_uri())


def test_the_process_of_the_pages_is_told_all_it_needs(tmp_path: Path) -> None:
    found = load(tmp_path, CONTRACT)
    told = PagesOfRoom.parse(found.pages.argument())
    assert (told.root, told.listen, told.template) == (found.root, found.listen, found.attended_template())


VALUES = st.recursive(
    st.one_of(st.text(max_size=12), st.integers(-5, 10**20), st.floats(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
TEXTS = st.one_of(
    st.sampled_from(
        [
            "s3+http://h:1/bucket/",
            "rtsp://h/",
            "test:",
            "v4l2:",
            "0.0.0.0:",
            "file:///",
            "alsa:hw:1?",
            "x11::0?",
            "~",
            "~root/",
        ]
    ),
    st.just(""),
).flatmap(lambda head: st.text(max_size=10).map(lambda tail: head + tail))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.data())
def test_whatever_stands_in_a_file_it_is_settings_or_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    source = {"id": "teacher", "role": "teacher", "uri": "test:"}
    base: dict[str, Any] = {"store": {}, "encode": {}, "sources": [source]}
    section, model = data.draw(
        st.sampled_from([(base, Settings), (base["store"], StoreSettings), (source, SourceSettings)])
    )
    section[data.draw(st.sampled_from(sorted(model.model_fields)))] = data.draw(st.one_of(VALUES, TEXTS))
    (tmp_path / "room.toml").write_bytes(b"")
    monkeypatch.setattr("tomllib.loads", lambda _text: base)
    try:
        found = load_settings(tmp_path / "room.toml")
    except ConfigError as error:
        line = str(error)
    else:
        open_store(found.named_store).url("l1/index.m3u8")
        assert Settings.model_validate_json(found.model_dump_json()) == found
        return
    assert line.startswith(f"{tmp_path / 'room.toml'}: ")
    assert len(line.splitlines()) == 1


def test_a_pushed_screen_needs_its_key() -> None:
    screen = {"id": "pc", "role": "screen", "uri": "push:0.0.0.0/screen"}
    with pytest.raises(ConfigError, match=r"sources\.0\.password_env: name in password_env the variable"):
        compose({"sources": [screen]})
    assert compose({"sources": [{**screen, "password_env": "KEY"}]}).sources[0].stands_by


def test_two_pushed_screens_cannot_share_a_port() -> None:
    one = {"id": "pc", "role": "screen", "uri": "push:0.0.0.0/screen", "password_env": "KEY"}
    other = {**one, "id": "tablet", "uri": "push:10.0.0.2:1935/tablet"}
    with pytest.raises(ConfigError, match="'pc' and 'tablet' both want port 1935"):
        compose({"sources": [one, other]})
    assert len(compose({"sources": [one, {**other, "uri": "push:0.0.0.0:1936/tablet"}]}).sources) == 2


@pytest.mark.parametrize(
    ("backups", "complaint"),
    [
        ({"a": "x"}, "the backup of 'a': there is no source 'x'"),
        ({"a": "a"}, "the backup of 'a': in the end 'a' would be its own backup"),
        ({"a": "b", "b": "c", "c": "b"}, "the backup of 'a': in the end 'b' would be its own backup"),
        ({"a": "b", "b": "c", "c": "a"}, "the backup of 'a': in the end 'a' would be its own backup"),
        ({"a": "b", "b": "c"}, None),
    ],
)
def test_a_backup_is_another_source_and_chains_end(
    tmp_path: Path, backups: dict[str, str], complaint: str | None
) -> None:
    lines = [f'[[sources]]\nid = "{name}"\nrole = "mic"\nuri = "alsa:hw:{n}"' for n, name in enumerate("abc")]
    for name, backup in backups.items():
        lines["abc".index(name)] += f'\nbackup = "{backup}"'
    text = "\n".join(lines)
    if complaint is None:
        assert [one.backup for one in load(tmp_path, text).sources] == ["b", "c", None]
    else:
        with pytest.raises(ConfigError) as raised:
            load(tmp_path, text)
        assert f": sources: {complaint}" in str(raised.value)
