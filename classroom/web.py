"""The control plane as a process of its own: `python -m classroom.web SETTINGS_JSON`."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn

from api.app import create_app
from api.connections import Patience, patient_protocol
from classroom.hosts import own_hosts
from classroom.settings import Settings
from process.beat import EVERY_S, beat
from process.stage import run_stage


def server(settings: Settings, patience: Patience) -> uvicorn.Server:
    """The server of the pages, not started yet."""
    host, _, port = settings.listen.rpartition(":")
    app = create_app(
        settings.root,
        settings.template(),
        hls_js=Path(settings.hls_js) if settings.hls_js else None,
        allowed_hosts=own_hosts(settings.listen) | set(settings.allowed_hosts),
    )
    config = uvicorn.Config(
        app,
        host=host.strip("[]"),
        port=int(port),
        http=patient_protocol(patience),
        timeout_keep_alive=round(patience.idle_s),
        log_config=None,
        access_log=False,
    )
    return uvicorn.Server(config)


@contextlib.asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Give signs of life from the event loop meanwhile: a loop that is stuck gives none."""

    async def beats() -> None:
        while True:
            beat()
            await asyncio.sleep(EVERY_S)

    task = asyncio.create_task(beats())
    try:
        yield
    finally:
        task.cancel()


async def _serve(settings: Settings) -> None:
    async with beating():
        await server(settings, Patience()).serve()


if __name__ == "__main__":
    given = Settings.model_validate_json(sys.argv[1])
    sys.exit(run_stage("api", lambda: asyncio.run(_serve(given))))
