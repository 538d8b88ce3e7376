"""Logs: one JSON line an event, and no credential in any of them, however it came in."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from process.logs import configure_logging, redacted, without_addresses

SECRET = "s3cr3t"  # noqa: S105 the needle of these tests
URLS = [
    f"rtsp://admin:{SECRET}@10.0.0.11/main",
    f"rtsp://admin:{SECRET}/slash@10.0.0.11/main",
    f"rtsp://admin:at@{SECRET}@10.0.0.11/main",
    f"RTSP://{SECRET}@camera:554",
    f"s3+https://key:{SECRET}@host/bucket",
    f"http://host/video?user=a&password={SECRET}&x=1",
    f"https://host/o?X-Amz-Signature={SECRET}&X-Amz-Date=2026",
]


@pytest.mark.parametrize("url", URLS)
def test_no_credential_survives(url: str) -> None:
    for text in (url, f"[Errno 111] {url}: refused", f"'{url}'", f'{{"url":"{url}","x":1}}', f"{url} {url}"):
        assert SECRET not in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://10.0.0.11/main",
        "mail teacher@school.example about http://10.0.0.11/ please",
        "file:///var/lib/classreel/store/a.mp4 is whole",
        "x@y",
        "no address at all",
    ],
)
def test_what_holds_no_credential_stays_readable(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize("url", URLS)
def test_whatever_is_logged_is_one_json_line_without_credentials(
    url: str, capsys: pytest.CaptureFixture[str], error_logs: list[logging.LogRecord]
) -> None:
    configure_logging("capture-teacher")
    log = structlog.get_logger()
    log.info("opening", url=url, nested={"deep": [url]}, error=ValueError(url))
    event = f"lost {url}"
    log.warning(event, quote='said "no"\nand left')
    logging.getLogger("foreign").warning("cannot open %s", url)
    try:
        int(url)
    except ValueError:
        log.exception("failed")
        logging.getLogger("foreign").exception("failed too")
    lines = capsys.readouterr().err.splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["level"] for event in events] == ["info", "warning", "warning", "error", "error"]
    assert all(event["process"] == "capture-teacher" for event in events)
    assert all("timestamp" in event for event in events)
    assert "Traceback" in events[3]["exception"]
    assert SECRET not in "".join(lines)
    assert len(error_logs) == 2


def test_scripts_stay_readable(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("api")
    structlog.get_logger().info("lesson", title="两个")
    assert '"两个"' in capsys.readouterr().err


@pytest.mark.parametrize(
    "address", ["10.0.0.11/secret/main", "cam.school:554/a?b=c", "[fe80::1]:8554/x", "u:p@10.0.0.11/m"]
)
@pytest.mark.parametrize("scheme", ["rtsp", "RTSPS", "rtmp", "srt"])
@pytest.mark.parametrize("around", ["{}: timed out", "[Errno 111] {}: refused", "'{}'", "no {}, and no more", "{}."])
def test_where_a_device_is_in_the_network_is_left_away(scheme: str, address: str, around: str) -> None:
    assert without_addresses(around.format(f"{scheme}://{address}")) == around.format(f"{scheme}://…")


@pytest.mark.parametrize(
    "url", ["https://store.example:9000/bucket", "s3+http://10.0.0.2/b/p", "file:///var/lib/store"]
)
def test_where_a_store_is_stays(url: str) -> None:
    assert without_addresses(f"{url}: AccessDenied") == f"{url}: AccessDenied"
