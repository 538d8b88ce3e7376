"""Headless Chromium, driven over WebDriver by Debian's chromedriver with nothing but the standard library."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

import pytest

from tests.kit.waiting import wait_until

T = TypeVar("T")

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers give it 64 MB
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
    "--lang=en",
)
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key the WebDriver standard gives element references
_REQUEST_S = 60


class BrowserError(Exception):
    """The browser refused a command; the message is its own."""


def require_chromium() -> tuple[str, str]:
    """Paths of Chromium and chromedriver; skips the test where one is missing."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("no Chromium with chromedriver on this machine (Debian: apt install chromium chromium-driver)")
    return browser, driver


class Browser:
    """One browser window with a profile of its own; use it as a context manager.

    `size` is the viewport in CSS pixels, `script` False switches JavaScript off for the pages (not for `evaluate`),
    `language` is what the browser asks for.
    """

    def __init__(self, *, size: tuple[int, int] = (1280, 800), script: bool = True, language: str = "en") -> None:
        browser, driver = require_chromium()
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self._driver = subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._session = ""
        try:
            self._base = f"http://127.0.0.1:{_port_of(self._driver)}"
            self._session = self._new_session(browser, language)
            self.resize(*size)
            if not script:
                self.devtools("Emulation.setScriptExecutionDisabled", value=True)
        except BaseException:
            self.close()
            raise

    def _new_session(self, browser: str, language: str) -> str:
        options = {
            "binary": browser,
            "args": [*_FLAGS, f"--user-data-dir={self._profile.name}"],
            "prefs": {"intl.accept_languages": language},
        }
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options,
                                                   "goog:loggingPrefs": {"browser": "ALL"}}}}  # fmt: skip
        found = self._call("POST", "/session", wanted)
        return f"/session/{found['sessionId']}"

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = urllib.request.Request(  # noqa: S310 - our own chromedriver
            self._base + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=_REQUEST_S) as answer:  # noqa: S310
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                value = json.load(error)["value"]
            raise BrowserError(f"{value['error']}: {value['message'].splitlines()[0]}") from None

    def _do(self, method: str, path: str, **body: Any) -> Any:
        return self._call(method, self._session + path, body)

    def open(self, url: str) -> None:
        """Go to `url` and wait until the page is loaded."""
        self._do("POST", "/url", url=url)

    @property
    def url(self) -> str:
        return str(self._do("GET", "/url"))

    @property
    def title(self) -> str:
        return str(self._do("GET", "/title"))

    def resize(self, width: int, height: int) -> None:
        """Make the viewport exactly `width`×`height` CSS pixels."""
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                      mobile=width < 600)  # fmt: skip

    def _find(self, css: str) -> str:
        found: dict[str, str] = self._do("POST", "/element", using="css selector", value=css)
        return f"/element/{found[_ELEMENT]}"

    def has(self, css: str) -> bool:
        """Whether the page has such an element."""
        return bool(self._do("POST", "/elements", using="css selector", value=css))

    def click(self, css: str) -> None:
        """Click the first such element as a person would: it must be visible."""
        self._do("POST", self._find(css) + "/click")

    def type(self, css: str, text: str) -> None:
        """Type into the first such element; "\\ue007" is the enter key, "\\ue004" tab."""
        self._do("POST", self._find(css) + "/value", text=text)

    def text(self, css: str) -> str:
        """The visible text of the first such element."""
        return str(self._do("GET", self._find(css) + "/text"))

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression in the page; promises are awaited."""
        return self._do("POST", "/execute/sync", script=f"return ({script});", args=[])

    def wait_for(self, condition: Callable[[], T], deadline: float, *, what: str = "") -> T:
        """Wait at most `deadline` seconds for `condition` to be true; elements that are just being replaced do not
        count as failure.
        """

        def tried() -> T | None:
            try:
                return condition()
            except BrowserError:
                return None

        found = wait_until(tried, deadline, what=what, poll_s=0.1)
        assert found is not None
        return found

    def screenshot(self, path: Path, *, whole_page: bool = False) -> Path:
        """Save what the window shows (or the whole page) as a PNG."""
        found = self.devtools("Page.captureScreenshot", captureBeyondViewport=whole_page)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(found["data"]))
        return path

    def complaints(self) -> list[str]:
        """What the console said since the last call at level SEVERE: script errors, refused resources."""
        entries = self._do("POST", "/se/log", type="browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def devtools(self, command: str, **parameters: Any) -> Any:
        """Run a DevTools protocol command."""
        return self._do("POST", "/goog/cdp/execute", cmd=command, params=parameters)

    def close(self) -> None:
        """End the browser; harmless to repeat."""
        if self._driver.poll() is None:
            try:
                if self._session:
                    self._call("DELETE", self._session)
            except (BrowserError, OSError):
                pass  # it is going away in any case
            self._session = ""
            self._driver.terminate()
            self._driver.wait(20)
        if self._driver.stdout:
            self._driver.stdout.close()
        self._profile.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _port_of(driver: subprocess.Popen[str]) -> int:
    output: IO[str] | None = driver.stdout
    assert output is not None
    for line in output:
        found = re.search(r"started successfully on port (\d+)", line)
        if found:
            return int(found[1])
    raise BrowserError("chromedriver ended before it was ready")
