"""Draws one lesson from its folder: what each source delivered, what the programme shows, what is encoded.

`python -m benchmarks.lesson_timeline LESSON_FOLDER --plot PNG`
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from lesson.folder import LessonFolder
from lesson.model import Kind, Layout
from lesson.records import Shot
from lesson.state import LessonState
from lesson.time import Span, seconds_from_ticks
from lesson.view import load_state

COLOURS = ("#2f6f9f", "#c9782b", "#4d8f5b", "#8a5a9e", "#9c4a4a", "#5f7f86", "#7d7d3a")
SLATE_COLOUR = "#22303c"
GAP_COLOUR = "#d64545"
ROW = 0.62


def _bar(axes: Axes, row: int, span: Span, colour: str, *, height: float = ROW, hatch: str | None = None) -> None:
    start, length = seconds_from_ticks(span.start), seconds_from_ticks(span.duration)
    axes.broken_barh(
        [(start, length)], (row - height / 2, height), facecolors=colour, edgecolors="white", linewidth=0.6, hatch=hatch
    )


def _draw_sources(axes: Axes, state: LessonState, colours: dict[str, str]) -> list[str]:
    gaps = state.gaps()
    for row, (source_id, source) in enumerate(state.sources.items()):
        kind = Kind.VIDEO if source.has(Kind.VIDEO) else Kind.AUDIO
        for span in source.lesson_coverage(kind):
            _bar(axes, row, span, colours[source_id])
        for gap in gaps:
            if gap.source == source_id and gap.kind is kind:
                _bar(axes, row, gap.span, "white", hatch="////")
                middle = seconds_from_ticks((gap.span.start + gap.span.end) // 2)
                axes.annotate("gap", (middle, row), ha="center", va="center", fontsize=8, color=GAP_COLOUR)
    return list(state.sources)


def _joined(shots: list[Shot]) -> Iterator[Shot]:
    """Shots with the pieces in which they were planned put together."""
    for _, pieces in groupby(shots, key=lambda shot: (shot.layout, shot.sources)):
        whole = list(pieces)
        yield replace(whole[0], span=Span(whole[0].span.start, whole[-1].span.end))


def _draw_programme(axes: Axes, state: LessonState, colours: dict[str, str], row: int) -> None:
    for shot in _joined(state.shots):
        main = shot.sources[0] if shot.sources else ""
        _bar(axes, row, shot.span, SLATE_COLOUR if shot.layout is Layout.SLATE else colours[main])
        for inset in shot.sources[1:]:
            low = row + ROW / 4
            start, length = seconds_from_ticks(shot.span.start), seconds_from_ticks(shot.span.duration)
            axes.broken_barh([(start, length)], (low, ROW / 4), facecolors=colours[inset])


def _draw_renditions(axes: Axes, state: LessonState, row: int) -> list[str]:
    for offset, rendition in enumerate(state.renditions.values()):
        for chunk in rendition.chunks.values():
            _bar(axes, row + offset, chunk.span, "#a9b8c2", height=ROW * 0.7)
    return list(state.renditions)


def draw(folder: LessonFolder, plot: Path) -> None:
    """Write the picture of a lesson to `plot`. Raises `LessonFormatError`, `StorageError`."""
    state = load_state(folder)
    mpl.use("Agg")
    colours = {source_id: COLOURS[n % len(COLOURS)] for n, source_id in enumerate(state.sources)}
    rows = len(state.sources) + 1 + len(state.renditions)
    figure, axes = plt.subplots(figsize=(10, 0.42 * rows + 1.1), layout="constrained")
    labels = _draw_sources(axes, state, colours)
    _draw_programme(axes, state, colours, len(labels))
    labels.append("programme")
    labels += _draw_renditions(axes, state, len(labels))
    axes.set_yticks(range(rows), labels)
    axes.invert_yaxis()
    axes.set_xlim(0, max(1.0, seconds_from_ticks(state.duration)))
    axes.set_xlabel("lesson time in seconds")
    axes.set_title(f"{state.header.title}: feeds, shots, chunks", loc="left", fontsize=11)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.savefig(plot, dpi=120)
    plt.close(figure)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Draw one lesson from its folder.")
    parser.add_argument("lesson", type=Path)
    parser.add_argument("--plot", type=Path, required=True)
    options = parser.parse_args()
    draw(LessonFolder(options.lesson), options.plot)


if __name__ == "__main__":
    main()
