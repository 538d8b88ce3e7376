"""Health for people and watchdogs, figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from api.box import BoxDep
from api.health_schema import HealthOut
from api.negotiation import document_language
from api.problems import problem_docs
from api.translation import translation

router = APIRouter(tags=["status"])


@router.get("/health", responses=problem_docs(503))
def health(box: BoxDep, request: Request, response: Response) -> HealthOut:
    """What the room is doing. 200 whenever the box can tell, whatever it has to tell."""
    disk = box.disk()
    language = document_language(request)
    response.headers.update({"Cache-Control": "no-store", "Content-Language": language})
    room = box.health()
    return HealthOut.of(room, translation(language), disk=disk, disk_hours=box.rate.hours(disk.free))


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Figures in the Prometheus text format."""
    return Response(generate_latest(request.app.state.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
