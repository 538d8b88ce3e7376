"""The control plane as a process of its own: `python -m classroom.web SETTINGS_JSON`."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from api.app import create_app
from classroom.settings import Settings
from process.stage import run_stage


def _serve(settings: Settings) -> None:
    host, _, port = settings.listen.rpartition(":")
    hls_js = Path(settings.hls_js) if settings.hls_js else None
    app = create_app(settings.root, settings.template(), hls_js=hls_js)
    uvicorn.run(app, host=host.strip("[]"), port=int(port), log_config=None, access_log=False)


if __name__ == "__main__":
    given = Settings.model_validate_json(sys.argv[1])
    sys.exit(run_stage("api", lambda: _serve(given)))
