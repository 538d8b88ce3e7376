"""Where things lie: the one place that says so."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository; its folders are the rooms."""
GOLDEN = ROOT / "tests" / "golden"
NODE_MODULES = ROOT / "tests" / "node_modules"
FOOTAGE = ROOT.parent / "shared" / "footage"
"""Real clips beside the repository, where there are any."""
