"""`python -m publish` as the conductor runs it: killed, cut off, refused, out of space, and still nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from lesson.folder import LessonFolder
from lesson.hls import INDEX
from lesson.journal import append_records, read_journal
from lesson.records import FrozenUntil, ObjectStored
from lesson.time import TICKS_PER_SECOND
from lesson.view import load_state
from process.stage import EXIT_DONE, EXIT_FATAL
from publish.body import HeldBody
from publish.settings import StoreSettings
from publish.store import open_store
from publish.verify import verify_remote
from tests.kit.bad_proxy import BadProxy, Fault
from tests.kit.lessons import encode_all, make_again, make_lesson, old_chunk, plan_all, record_all
from tests.kit.own_network import outcome_of
from tests.kit.playlists import check_media, check_multivariant
from tests.kit.s3_servers import S3Server, seaweed
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.slow

END_S = 60


@pytest.fixture
def folder(tmp_path: Path) -> LessonFolder:
    folder = make_lesson(tmp_path / "root")
    record_all(folder, segments=6)
    plan_all(folder, end=24 * TICKS_PER_SECOND)
    encode_all(folder, end=24 * TICKS_PER_SECOND)
    return folder


def made(root: Path, lesson_id: str) -> LessonFolder:
    folder = make_lesson(root, lesson_id)
    record_all(folder)
    plan_all(folder)
    encode_all(folder)
    return folder


def stored_by(folder: LessonFolder) -> int:
    """How many objects of a lesson its journal acknowledges."""
    return sum(isinstance(record, ObjectStored) for record in read_journal(folder.publish_journal))


class Publisher:
    """The stage process of a lesson, its log kept in a file."""

    def __init__(
        self, folder: LessonFolder, url: str, *, environment: dict[str, str] | None = None, **references: str
    ) -> None:
        self.folder = folder
        self.log = folder.log_path("publish")
        self.log.parent.mkdir(exist_ok=True)
        self._command = [sys.executable, "-m", "publish", str(folder.path), json.dumps({"url": url, **references})]
        self._environment = {**os.environ, **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def serve_all(self) -> None:
        """Publish all lessons of the root, not only this one."""
        self._command[3:4] = ["--all", str(self.folder.path.parent)]

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stderr=log, stdout=log, env=self._environment)
        return self.process

    def end(self) -> int:
        """Wait for it to end by itself."""
        assert self.process is not None
        try:
            return self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            pytest.fail(f"publish did not end:\n{self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def events(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stored(self) -> list[str]:
        """Keys the journal acknowledges, in order."""
        return [r.key for r in read_journal(self.folder.publish_journal) if isinstance(r, ObjectStored)]

    def wait_for(self, event: str) -> None:
        wait_until(lambda: self.log.exists() and event in self.log.read_text(), END_S, what=event)


@pytest.fixture
def started() -> Iterator[list[Publisher]]:
    """Publishers put here are ended with the test."""
    publishers: list[Publisher] = []
    yield publishers
    for publisher in publishers:
        if publisher.process is not None and publisher.process.poll() is None:
            publisher.kill()


def s3_publisher(folder: LessonFolder, server: S3Server, *, bucket: str, port: int | None = None) -> Publisher:
    references = {"access_key_env": "KIT_ACCESS", "secret_key_env": "KIT_SECRET"}
    return Publisher(folder, server.url(bucket, port=port), environment=server.environment, **references)


def remote_problems(folder: LessonFolder, server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    spec = StoreSettings(url=server.url(bucket), access_key_env="KIT_ACCESS", secret_key_env="KIT_SECRET")  # noqa: S106
    return verify_remote(folder, open_store(spec), deep=True)


def test_killed_again_and_again_it_sends_no_acknowledged_object_twice(
    folder: LessonFolder, s3_server: S3Server, started: list[Publisher], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = f"kills-{uuid4().hex[:10]}"
    with BadProxy(s3_server.port, up_bps=400_000) as proxy:
        publisher = s3_publisher(folder, s3_server, bucket=bucket, port=proxy.port)
        started.append(publisher)
        for kills in range(1, 5):
            publisher.start()
            wait_until(lambda: len(publisher.stored()) >= 5 * kills, END_S)  # noqa: B023 - asked at once
            publisher.kill()
            acknowledged = {f"/{bucket}/lesson/{key}" for key in publisher.stored()}
            before = len(proxy.requests)
        publisher.start()
        assert publisher.end() == EXIT_DONE
        later = [request.path for request in proxy.requests[before:] if request.method == "PUT"]
        assert not acknowledged & set(later)
        media = [path for path in proxy.puts() if path.endswith((".m4s", ".mp4"))]
        assert len(media) - len(set(media)) <= 4  # at most what was on its way at each kill
        assert len(publisher.stored()) == len(set(publisher.stored()))
    assert remote_problems(folder, s3_server, bucket, monkeypatch) == []


@pytest.mark.s3
def test_one_process_for_all_lessons_killed_and_one_of_them_damaged(
    folder: LessonFolder, seaweed_server: S3Server, started: list[Publisher], monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [made(folder.path.parent, f"20261102-08000{number}-abcd") for number in range(3)]
    damaged = old_chunk(others[1], "low", 2)
    damaged.write_bytes(bytes(damaged.stat().st_size))
    bucket = f"all-{uuid4().hex[:10]}"
    publisher = s3_publisher(folder, seaweed_server, bucket=bucket)
    publisher.serve_all()
    started.append(publisher)
    for count in (5, 20):
        publisher.start()
        wait_until(lambda: sum(map(stored_by, [folder, *others])) >= count, END_S)  # noqa: B023 - asked at once
        publisher.kill()
    publisher.start()
    sound = [folder, others[0], others[2]]
    wait_until(lambda: all(load_state(one).verified for one in sound), END_S, what="all but one are safe")
    publisher.wait_for("file_damaged")
    assert publisher.process is not None
    assert publisher.process.poll() is None
    wait_until(lambda: make_again(others[1]) > 0, END_S)
    publisher.kill()
    publisher.start()
    assert publisher.end() == EXIT_DONE
    for one in [folder, *others]:
        assert remote_problems(one, seaweed_server, bucket, monkeypatch) == []


def test_lost_replies_damage_and_cuts_end_verified(
    folder: LessonFolder, s3_server: S3Server, started: list[Publisher], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = f"faults-{uuid4().hex[:10]}"
    with BadProxy(s3_server.port) as proxy:
        proxy.fault(Fault.CUT, "PUT", "voice/000001")
        proxy.fault(Fault.CORRUPT, "PUT", "low/000003")
        proxy.fault(Fault.LOSE_REPLY, "PUT", "high/000002")
        proxy.fault(Fault.CORRUPT, "PUT", "low/index")
        proxy.fault(Fault.LOSE_REPLY, "PUT", "manifest")
        publisher = s3_publisher(folder, s3_server, bucket=bucket, port=proxy.port)
        started.append(publisher)
        publisher.start()
        assert publisher.end() == EXIT_DONE
        lost = [path for path in proxy.puts() if path.endswith(("high/000002.m4s", "manifest.json"))]
        assert len(lost) == 2  # the store was asked, nothing sent again
    failures = [event for event in publisher.events() if event["event"] == "store_failed"]
    assert len(failures) == 3
    assert remote_problems(folder, s3_server, bucket, monkeypatch) == []


@pytest.mark.s3
def test_a_server_that_dies_and_comes_back_gets_the_rest(
    folder: LessonFolder, tmp_path: Path, started: list[Publisher], monkeypatch: pytest.MonkeyPatch
) -> None:
    with seaweed(tmp_path / "server") as server, BadProxy(server.port, up_bps=400_000) as proxy:
        publisher = s3_publisher(folder, server, bucket="lessons", port=proxy.port)
        started.append(publisher)
        publisher.start()
        wait_until(lambda: len(publisher.stored()) >= 5, END_S)
        server.kill()
        publisher.wait_for("store_failed")
        assert load_state(folder).verified is None
        server.start()
        assert publisher.end() == EXIT_DONE
        assert remote_problems(folder, server, "lessons", monkeypatch) == []
        # altered behind our back: by someone with the key
        store = open_store(
            StoreSettings(url=server.url(), access_key_env="KIT_ACCESS", secret_key_env="KIT_SECRET")  # noqa: S106
        )
        store.put(
            "lesson/low/000001.m4s", HeldBody(b"not the lesson"), content_type="video/mp4", cache_control="no-cache"
        )
        assert [p.split(": ")[0] for p in verify_remote(folder, store)] == [store.url("lesson/low/000001.m4s")]


def test_wrong_credentials_end_with_one_clear_line_and_no_secret(
    folder: LessonFolder, s3_server: S3Server, tmp_path: Path, started: list[Publisher]
) -> None:
    secret = "a-very-secret-secret"  # noqa: S105
    access, wrong = tmp_path / "access", tmp_path / "secret"
    access.write_text(s3_server.credentials.access_key + "\n")
    wrong.write_text(secret + "\n")
    references = {"access_key_file": str(access), "secret_key_file": str(wrong)}
    publisher = Publisher(folder, s3_server.url("secret-lessons"), **references)
    started.append(publisher)
    publisher.start()
    assert publisher.end() == EXIT_FATAL
    (line,) = [event for event in publisher.events() if event["event"] == "stage_failed"]
    assert line["kind"] == "ConfigError"
    assert "the secret key is wrong: check store.secret_key_env" in line["error"]
    assert secret not in publisher.log.read_text()


def test_secrets_are_in_no_argument_log_or_journal(
    folder: LessonFolder, s3_server: S3Server, started: list[Publisher]
) -> None:
    bucket = f"hidden-{uuid4().hex[:10]}"
    with BadProxy(s3_server.port, up_bps=400_000) as proxy:
        proxy.fault(Fault.CUT, "PUT", "low/000000")
        proxy.fault(Fault.REFUSE, "PUT", "low/000001")
        publisher = s3_publisher(folder, s3_server, bucket=bucket, port=proxy.port)
        started.append(publisher)
        process = publisher.start()
        publisher.wait_for("publish_started")
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
        assert publisher.end() == EXIT_DONE
    said = publisher.log.read_text() + folder.publish_journal.read_text() + folder.manifest_path.read_text()
    for secret in (s3_server.credentials.access_key, s3_server.credentials.secret_key):
        assert secret not in arguments
        assert secret not in said


@pytest.mark.parametrize(
    ("url", "references", "reason"),
    [
        ("ftp://host/lessons", {}, "unknown kind"),
        ("s3+http://host", {}, "bucket"),
        ("s3+http://key:secret@host/bucket", {}, "do not belong in a URL"),
        ("file://host/folder", {}, "absolute"),
        ("s3+http://host/bucket", {"access_key_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE is not set"),
        ("s3+http://host/bucket", {"secret_key_file": "/nowhere"}, "No such file"),
        ("s3+http://host/bucket", {"secret_key_env": "HOME"}, "access_key_env or store.access_key_file is missing"),
        ("s3+http://host/bucket", {"secret_key_env": "HOME", "secret_key_file": "/x"}, "both set"),
        ("s3+http://bad host:x/bucket", {}, "StoreSettings: url: "),
        ("s3+http://host/B", {}, "a bucket is named"),
    ],
)
def test_wrong_settings_end_with_one_line(
    folder: LessonFolder, started: list[Publisher], url: str, references: dict[str, str], reason: str
) -> None:
    publisher = Publisher(folder, url, **references)
    started.append(publisher)
    publisher.start()
    assert publisher.end() == EXIT_FATAL
    (line,) = publisher.events()
    assert reason in line["error"]
    assert "secret@" not in publisher.log.read_text()


def test_nothing_recorded_is_fatal_and_said_once(tmp_path: Path, started: list[Publisher]) -> None:
    folder = make_lesson(tmp_path / "root")
    append_records(folder.plan_journal(), [FrozenUntil(at=0, final=True)])
    publisher = Publisher(folder, f"file://{tmp_path}/store")
    started.append(publisher)
    publisher.start()
    assert publisher.end() == EXIT_FATAL
    assert "nothing was recorded" in publisher.events()[-1]["error"]
    assert not (tmp_path / "store").exists()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own; needs to be root."""
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if not mount or not umount:
        pytest.skip("a small disk cannot be mounted here: no mount command")
    command = [mount, "-t", "tmpfs", "-o", f"size={size}", "classreel-test", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here: needs root")
    try:
        yield folder
    finally:
        subprocess.run([umount, str(folder)], check=True)


def test_a_full_folder_store_waits_for_space(folder: LessonFolder, tmp_path: Path, started: list[Publisher]) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        (disk / "ballast").write_bytes(bytes(1_000_000))
        publisher = Publisher(folder, f"file://{disk}/store")
        started.append(publisher)
        process = publisher.start()
        publisher.wait_for("no space left")
        assert process.poll() is None
        assert load_state(folder).verified is None
        (disk / "ballast").unlink()
        assert publisher.end() == EXIT_DONE
        assert verify_remote(folder, open_store(StoreSettings(url=f"file://{disk}/store")), deep=True) == []
        assert not [path for path in disk.rglob("*") if path.name.startswith(".")]


def test_viewers_follow_a_lesson_while_it_is_encoded(tmp_path: Path, started: list[Publisher]) -> None:
    folder = make_lesson(tmp_path / "root")
    publisher = Publisher(folder, f"file://{tmp_path}/store")
    started.append(publisher)
    process = publisher.start()
    record_all(folder)
    plan_all(folder, end=2 * folder.header.grid.chunk, final=False)
    encode_all(folder, end=2 * folder.header.grid.chunk)
    published = tmp_path / "store" / "lesson"
    names = ["voice/index.m3u8", "low/index.m3u8", "high/index.m3u8"]

    def followed() -> bool:
        lists = load_state(folder).playlists
        return INDEX in lists and lists[INDEX].chunks == 3 and all(lists[name].chunks == 2 for name in names)

    wait_until(followed, END_S)
    assert [variant["URI"] for variant in check_multivariant((published / INDEX).read_text())] == names
    for name in names:
        assert len(check_media((published / name).read_text(), final=False)) == 2
    assert process.poll() is None
    append_records(folder.plan_journal(), [FrozenUntil(at=2 * folder.header.grid.chunk, final=True)])
    assert publisher.end() == EXIT_DONE
    for name in names:
        assert len(check_media((published / name).read_text(), final=True)) == 2


@pytest.mark.s3
def test_a_published_lesson_can_be_read_by_anyone_with_its_url(
    folder: LessonFolder, seaweed_server: S3Server, started: list[Publisher]
) -> None:
    publisher = s3_publisher(folder, seaweed_server, bucket=f"open-{uuid4().hex[:10]}")
    started.append(publisher)
    publisher.start()
    assert publisher.end() == EXIT_DONE
    url = load_state(folder).publish_url
    reply = httpx.get(f"{url}/index.m3u8")
    assert reply.headers["content-type"] == "application/vnd.apple.mpegurl"
    for variant in check_multivariant(reply.text):
        name = variant["URI"].split("/")[0]
        for _, uri in check_media(httpx.get(f"{url}/{variant['URI']}").text, final=True):
            chunk = httpx.get(f"{url}/{name}/{uri}")
            assert chunk.content == (folder.path / "enc" / name / uri).read_bytes()
            assert chunk.headers["content-type"] == ("audio/mp4" if name == "voice" else "video/mp4")
            assert "immutable" in chunk.headers["cache-control"]


@pytest.mark.s3
def test_a_dead_line_is_noticed_long_before_the_reply_is_due(tmp_path: Path) -> None:
    script = Path(__file__).with_name("dead_line.py")
    outcome = outcome_of(script, tmp_path / "server", needs="ip", timeout_s=END_S)
    assert outcome["error"]
    assert outcome["again"]
    assert outcome["seconds"] < 20  # sending takes 20 s, the reply may take 120 s
