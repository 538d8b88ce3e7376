"""Every fault of the truth table is said by page and `/health`, is over when it ends, and nothing else is ever said."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesson.signal import Flaw
from tests.faults.truth_table import FLAWED, HUNG, LATE, OFF, plot, truth_table

pytestmark = [pytest.mark.measured, pytest.mark.timeout(600)]

SOON_S, BUSY_S = 10.0, 10.0
"""The promise, and what a machine that runs other tests may take on top."""
LASTING = {"clock jump"}
"""Said for ten minutes."""


def test_every_fault_is_said_soon_and_is_over_soon(tmp_path: Path) -> None:
    result = truth_table(tmp_path)
    plot(result, tmp_path / "truth.png")
    assert (tmp_path / "truth.png").stat().st_size > 10_000
    said = {(row["fault"], row["while_"]): row for row in result["rows"]}
    both = {flaw.value for flaw in FLAWED if flaw is not Flaw.FAINT} | {OFF, HUNG, "process", "disk low", "store away"}
    alone = {(name, "recording") for name in (Flaw.FAINT.value, LATE, "clock jump")}
    assert said.keys() == {(name, while_) for name in both for while_ in ("idle", "recording")} | alone
    for (name, _), row in said.items():
        for key in ("health_s", "page_s"):
            assert row[key] is not None, row
            assert row[key] <= row["knowable_s"] + SOON_S + BUSY_S, row
        assert name in LASTING or (row["back_s"] is not None and row["back_s"] <= 60), row
        assert row["check"] or name not in {flaw.value for flaw in FLAWED} | {OFF, HUNG} or name == Flaw.FAINT, row
    assert set(result["calm"].values()) == {""}, "what is well is called so"
