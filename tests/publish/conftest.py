"""Real S3 servers, started once for all tests of a session that ask for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.s3_servers import S3Server, juicefs, seaweed


@pytest.fixture(scope="session")
def juicefs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with juicefs(tmp_path_factory.mktemp("juicefs")) as server:
        yield server


@pytest.fixture(scope="session")
def seaweed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture(params=[pytest.param("juicefs", marks=pytest.mark.s3), pytest.param("seaweed", marks=pytest.mark.s3)])
def s3_server(request: pytest.FixtureRequest) -> S3Server:
    """Each of the two in turn."""
    server: S3Server = request.getfixturevalue(f"{request.param}_server")
    return server
