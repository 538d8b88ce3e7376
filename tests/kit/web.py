"""The API behind a real server on a free port of this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from api.connections import Patience, patient_protocol
from tests.kit.waiting import wait_until


@contextmanager
def serving(app: FastAPI, patience: Patience | None = None, *, port: int = 0) -> Iterator[str]:
    """Serve `app` from a thread, as the box does, and give its base URL, without a slash at the end; `port` 0: any."""
    patience = patience or Patience()
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, access_log=False, http=patient_protocol(patience),
        timeout_keep_alive=round(patience.idle_s),
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), 20, what="the server answers")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
