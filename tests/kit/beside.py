"""Scenarios that mostly wait for real time to pass, run beside each other; each is reported as a test of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

AT_ONCE = 4
"""Enough to share the waiting, few enough to leave two cores time for each beside other files of tests."""

Outcomes = dict[str, Future[None]]


class Beside:
    """The scenarios of one module, functions of a folder and perhaps more; used like this::

    beside = Beside()

    @beside
    def a_camera_is_copied(tmp_path): ...

    outcomes = beside.fixture()

    @pytest.mark.parametrize("scenario", beside.names)
    def test_beside(outcomes, scenario):
        outcomes[scenario].result()
    """

    def __init__(self) -> None:
        self._scenarios: dict[str, Callable[[Path], None]] = {}

    @property
    def names(self) -> list[str]:
        return list(self._scenarios)

    def __call__(self, scenario: Callable[[Path], None]) -> Callable[[Path], None]:
        """Take a scenario; it is called with a folder of its own."""
        self._scenarios[scenario.__name__] = scenario
        return scenario

    def each(self, **cases: tuple[object, ...]) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Take a scenario several times, with further arguments; the keys tell the cases apart."""

        def take(scenario: Callable[..., None]) -> Callable[..., None]:
            for key, values in cases.items():
                self._scenarios[f"{scenario.__name__}-{key}"] = lambda folder, values=values: scenario(folder, *values)
            return scenario

        return take

    def fixture(self) -> Callable[..., object]:
        """The module's fixture: the outcomes of those scenarios that were selected, which run from now on."""

        @pytest.fixture(scope="module")
        def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
            selected = _selected(request)
            pool = ThreadPoolExecutor(AT_ONCE)
            yield {
                name: pool.submit(scenario, tmp_path_factory.mktemp("beside"))
                for name, scenario in self._scenarios.items()
                if name in selected
            }
            pool.shutdown(cancel_futures=True)

        return outcomes


def _selected(request: pytest.FixtureRequest) -> set[str]:
    found = set()
    for item in request.session.items:
        if isinstance(item, pytest.Function) and inspect.getmodule(item.function) is request.module:
            found.add(item.callspec.params.get("scenario", "") if hasattr(item, "callspec") else "")
    return found
