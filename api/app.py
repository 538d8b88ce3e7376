"""The application factory: routes, pages, problem documents and the guard around them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from prometheus_client import CollectorRegistry
from starlette.staticfiles import StaticFiles

from api import control, feeds, pages, playback, status
from api.box import Box, FaultBoard
from api.disk_time import RecordingRate
from api.guard import BODY_S, SECURITY_HEADERS, Guard
from api.library import Library
from api.metrics import RequestMetrics, RoomCollector
from api.problems import Problem, install_problems, problem_docs
from api.settings import Conducted
from api.standing import Standing
from lesson.lifecycle import LessonTemplate
from lesson.version import version
from process.disk import DiskProbe, RootAsFound

STATIC = Path(__file__).parent / "static"
PROBE_S = 2.0
"""What the disk showed is believed for so long."""
DISK_PATIENCE_S = 1.0
"""A request waits so long for the disk: sound disks and cards answer within 1 to 50 ms."""
DISK_HANGS_S = 5.0


def create_app(
    root: Path,
    template: LessonTemplate,
    *,
    hls_js: Path | None = None,
    allowed_hosts: Collection[str] = ("localhost",),
    body_s: float = BODY_S,
    conductor: Conducted | None = None,
) -> FastAPI:
    """The control plane of the box whose lessons lie in `root`; new lessons are made from `template`.

    `hls_js`: a local copy of hls.js, served to browsers that cannot play HLS by themselves. `allowed_hosts`, `body_s`:
    see `api.guard.Guard`. `conductor`: what the one of this box told us, None where there is none. Nothing is read or
    written before the first request.
    """
    registry = CollectorRegistry()
    app = FastAPI(
        title="classreel",
        summary="Start, stop, watch and find recorded lessons",
        version=version(),
        docs_url=None,  # the interactive pages load scripts from another host
        redoc_url=None,
    )
    told = conductor or Conducted()
    as_found = RootAsFound(root, told.identity)
    probe = DiskProbe(
        root, as_found.trial, every_s=PROBE_S, again_s=PROBE_S, hangs_s=DISK_HANGS_S, patience_s=DISK_PATIENCE_S
    )
    board = FaultBoard(root, probe, told.bulletin)
    box = Box(
        root=root, template=template, hls_js=hls_js, library=Library(root), faults=board, root_as_found=as_found,
        standing=Standing(told.looks, told.look_requests), rate=RecordingRate(len(template.sources)),
    )  # fmt: skip
    app.state.box = box
    app.state.registry = registry
    registry.register(RoomCollector(box, app.version))
    answer = install_problems(app, pages.problem_page, SECURITY_HEADERS)
    app.add_middleware(Guard, answer=answer, allowed_hosts=allowed_hosts, body_s=body_s)
    app.add_middleware(RequestMetrics, registry=registry)  # added last: it also counts what the guard refuses
    for router in (pages.router, status.router, control.router, feeds.router, playback.router):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # FastAPI's documented way to extend it
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document with the schema of problem documents in it."""
    if not app.openapi_schema:
        document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        schemas = document["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema()
        for name in ("HTTPValidationError", "ValidationError"):  # what FastAPI thinks a 422 looks like
            schemas.pop(name, None)
        for operation in (one for path in document["paths"].values() for one in path.values()):
            if "422" in operation["responses"]:
                operation["responses"].update({str(code): doc for code, doc in problem_docs(422).items()})
        app.openapi_schema = document
    return app.openapi_schema
