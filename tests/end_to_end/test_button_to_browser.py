"""The whole way: a browser presses the button, a real S3 server gets the lesson over HTTP, a browser plays it."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from minio import Minio

from tests.kit.browser import Browser
from tests.kit.places import NODE_MODULES
from tests.kit.programme import command, environment
from tests.kit.s3_servers import S3Server, free_ports, juicefs, seaweed
from tests.kit.waiting import wait_until

pytestmark = [pytest.mark.s3, pytest.mark.browser]

HLS_JS = NODE_MODULES / "hls.js" / "dist" / "hls.min.js"
CONFIG = """
root = "{root}"
room = "Room 1"
timezone = "Asia/Shanghai"
listen = "127.0.0.1:{port}"
hls_js = "{hls_js}"
[store]
url = "{store}"
access_key_env = "KIT_ACCESS"
secret_key_env = "KIT_SECRET"
[[sources]]
id = "teacher"
role = "teacher"
uri = "test:teacher?size=640x360"
required = true
[[sources]]
id = "mic"
role = "mic"
uri = "test:tone"
required = true
"""
PLAYER = """<!doctype html><title>player</title><video id="v" muted autoplay></video><script src="hls.min.js"></script>
<script>
window.faults = [];
const hls = new Hls();
hls.on(Hls.Events.ERROR, (_, data) => window.faults.push(data.details));
hls.loadSource(decodeURIComponent(location.hash.slice(1))); hls.attachMedia(document.getElementById('v'));
</script>"""
PICTURE = """(() => {
const v = document.querySelector('video'), c = document.createElement('canvas'); c.width = 64; c.height = 36;
const x = c.getContext('2d'); x.drawImage(v, 0, 0, 64, 36);
const p = x.getImageData(0, 0, 64, 36).data; let low = 255, high = 0;
for (let i = 0; i < p.length; i += 4) { low = Math.min(low, p[i + 1]); high = Math.max(high, p[i + 1]); }
return [v.currentTime, v.videoWidth, high - low, v.error ? v.error.message : null];
})()"""


@pytest.fixture(params=["juicefs", "seaweed"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[S3Server]:
    with {"juicefs": juicefs, "seaweed": seaweed}[request.param](tmp_path / "s3") as running:
        yield running


@contextmanager
def page_with_player(folder: Path) -> Iterator[str]:
    """A page of another origin that plays the playlist in its fragment."""
    folder.mkdir()
    shutil.copy(HLS_JS, folder)
    (folder / "index.html").write_text(PLAYER)
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{site.server_port}/index.html"
        finally:
            site.shutdown()
            thread.join(10)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: ARG002 the base class's signature
        return


def readable_by_all(server: S3Server, bucket: str) -> None:
    """Anonymous reading, as a public bucket of lessons is set up."""
    keys = server.credentials
    client = Minio(endpoint=server.endpoint, access_key=keys.access_key, secret_key=keys.secret_key, secure=False)
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/*"],
    }
    if not client.bucket_exists(bucket_name=bucket):
        client.make_bucket(bucket_name=bucket)
    client.set_bucket_policy(bucket_name=bucket, policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


@contextmanager
def box(config: Path, env: dict[str, str]) -> Iterator[None]:
    """`classreel serve` as systemd would run it; ended with its whole group."""
    process = subprocess.Popen(
        command("serve", "--config", config),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=environment(env),
    )  # fmt: skip
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def get(url: str) -> Any:
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 loopback
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 loopback
        return json.load(answer)


def answers(url: str) -> bool:
    try:
        return bool(get(url))
    except OSError:
        return False


@pytest.mark.timeout(280)
def test_from_the_button_to_a_playing_lesson(server: S3Server, tmp_path: Path) -> None:
    if not HLS_JS.is_file():
        pytest.skip("tests/node_modules/hls.js: run `npm ci` in tests/")
    readable_by_all(server, "lessons")
    (port,) = free_ports(1)
    config = tmp_path / "classroom.toml"
    config.write_text(CONFIG.format(root=tmp_path / "root", port=port, hls_js=HLS_JS, store=server.url("lessons")))
    base = f"http://127.0.0.1:{port}"
    with box(config, server.environment), Browser(size=(1280, 800)) as browser:
        wait_until(lambda: answers(f"{base}/health"), 30, what="the box answers")
        browser.open(base)
        browser.click("#button")
        wait_until(lambda: get(f"{base}/health")["status"] == "recording", 40, what="all feeds on disk")
        lesson = get(f"{base}/health")["lesson"]
        browser.open(base)
        browser.screenshot(tmp_path / "recording.png")
        wait_until(lambda: get(f"{base}/lessons/{lesson}")["duration_s"] > 9, 60, what="nine seconds of lesson")
        browser.click("#button")
        wait_until(lambda: get(f"{base}/lessons/{lesson}")["state"] == "published", 90, what="published")
        url = get(f"{base}/lessons/{lesson}")["published_url"]
        assert url.startswith("http://127.0.0.1:")
        assert_plays_from_the_store(browser, url, tmp_path / "player")
        browser.open(f"{base}/lessons/{lesson}")
        browser.evaluate("Object.assign(document.querySelector('video'), {muted: true}).play().then(() => true)")
        wait_until(lambda: browser.evaluate(PICTURE)[0] > 1, 30, what="the page plays it too")
        assert browser.evaluate(PICTURE)[2] > 30


def assert_plays_from_the_store(browser: Browser, url: str, folder: Path) -> None:
    with page_with_player(folder) as page:
        browser.open(f"{page}#{url}")
        wait_until(
            lambda: browser.evaluate(PICTURE)[0] > 3, 40,
            what=f"three seconds played; faults {browser.evaluate('window.faults')}",
        )  # fmt: skip
        at, width, contrast, error = browser.evaluate(PICTURE)
        assert error is None
        assert width > 0
        assert contrast > 30, f"a flat picture at {at} s"
        assert browser.evaluate("window.faults") == []
        browser.open("about:blank")
