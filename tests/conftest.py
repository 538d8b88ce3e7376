"""What every test gets: the repository on the path, silence as a rule, the real footage where it exists."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.kit.places import FOOTAGE, ROOT

# the one way to find the rooms: pytest itself is told by pyproject.toml, whatever tests start by this
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
# an installed box has its code compiled: hundreds of processes, and each worker, need not do so anew
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

SPREAD = {
    *(f"tests/capture/test_{name}.py" for name in ("rtsp", "live", "devices", "slow_disk", "files", "push")),
    *(f"tests/faults/test_{name}.py" for name in ("clocks", "disk", "hung", "refusals")),
    "tests/end_to_end/test_import.py",
}
"""Files of long tests that share no fixtures: each test may go to whichever worker is free."""

# a slow machine is no failure; the continuous integration must not find by luck what is not the change's fault
settings.register_profile("house", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exhaustive", action="store_true", help="also run what takes long: every real file imported")
    parser.addoption("--slow", action="store_true", help="also run what lives in real time: 12 minutes more")
    parser.addoption("--measured", action="store_true", help="also run what measures promises: 6 minutes more")
    parser.addoption("--faults", action="store_true", help="also run what breaks a whole box: 15 minutes more")


class _ByFile(LoadFileScheduling):
    """A file stays together for its fixtures, but for those of `SPREAD`."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return nodeid if file in SPREAD else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    return _ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: "end_to_end" not in item.nodeid)  # the longest first, so that workers end together
    unwanted = {name for name in ("exhaustive", "faults", "slow", "measured") if not _asked_for(config, name)}
    left_out = [item for item in items if unwanted & {mark.name for mark in item.iter_markers()}]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    if hasattr(config, "workerinput"):
        for item in items:
            if item.get_closest_marker("alone"):
                item.add_marker(pytest.mark.skip("what it measures needs the machine for itself: -n 0"))


def _asked_for(config: pytest.Config, name: str) -> bool:
    return bool(config.getoption(f"--{name}")) or name in (config.getoption("-m") or "").split()


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of real clips beside the repository."""
    if not FOOTAGE.is_dir():
        pytest.skip("no real footage: ../shared/footage is not here")
    return FOOTAGE


@pytest.fixture
def error_logs() -> list[logging.LogRecord]:
    """Log records of level ERROR and above made during the test; a test that asks for them may cause them."""
    return []


@pytest.fixture(autouse=True)
def _quiet(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that logs an ERROR without asking for `error_logs`; leave logging as it was.

    Counted where records are made, so that handlers and `configure_logging` may be replaced freely. Warnings,
    unraisable exceptions and exceptions in threads fail a test through `filterwarnings = error`.
    """
    expected = "error_logs" in request.fixturenames
    records: list[logging.LogRecord] = request.getfixturevalue("error_logs") if expected else []
    make, root = logging.getLogRecordFactory(), logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def watched(*args: object, **kwargs: object) -> logging.LogRecord:
        record: logging.LogRecord = make(*args, **kwargs)
        if (record.levelno or 0) >= logging.ERROR:  # None: logging.makeLogRecord fills it in later
            records.append(record)
        return record

    logging.setLogRecordFactory(watched)
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        logging.setLogRecordFactory(make)
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
        root.handlers[:] = handlers
        root.setLevel(level)
    if records and not expected:
        said = "; ".join(f"{record.name}: {record.getMessage()}" for record in records)
        pytest.fail(f"logged errors that the test did not ask for: {said}", pytrace=False)
