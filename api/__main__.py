"""`python -m api SETTINGS`: serve pages and control plane; SETTINGS is `api.settings.PagesOfRoom` as JSON."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import uvicorn

from api.app import create_app
from api.connections import Patience, patient_protocol
from api.hosts import own_hosts
from api.settings import PagesOfRoom
from process.beat import EVERY_S, beat
from process.stage import run_stage


def server(settings: PagesOfRoom, patience: Patience) -> uvicorn.Server:
    """The server of the pages, not started yet."""
    app = create_app(
        settings.root,
        settings.template,
        hls_js=settings.hls_js,
        allowed_hosts=own_hosts(settings.listen) | set(settings.allowed_hosts),
        conductor=settings.conductor,
    )
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
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


async def _serve(settings: PagesOfRoom) -> None:
    async with beating():
        await server(settings, Patience()).serve()


def main() -> int:
    """Serve until told to end; gives the exit code of `process.stage`."""
    parser = argparse.ArgumentParser(prog="python -m api", description="Serve the pages of a room.")
    parser.add_argument("settings", help="api.settings.PagesOfRoom as JSON")
    arguments = parser.parse_args()
    return run_stage("api", lambda: asyncio.run(_serve(PagesOfRoom.parse(arguments.settings))))


if __name__ == "__main__":
    sys.exit(main())
