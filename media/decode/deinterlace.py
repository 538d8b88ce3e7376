"""Interlaced pictures made progressive, and nothing at all done to the others."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame

from lesson.time import TICKS_PER_SECOND, Ticks


class Deinterlacer:
    """Passes frames through until the first interlaced one; from then on through bwdif, one picture per frame.

    The filter graph is built again whenever size or format change.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None

    def push(self, at: Ticks, frame: VideoFrame) -> Iterator[tuple[Ticks, VideoFrame]]:
        """Take one frame; give those that are ready, each with its time."""
        if self._graph is None and not frame.interlaced_frame:
            yield at, frame
            return
        shape = (frame.width, frame.height, frame.format.name)
        if shape != self._shape:
            yield from self.drain()
            if not frame.interlaced_frame:
                yield at, frame
                return
        try:
            if self._graph is None:
                self._graph, self._shape = _graph(frame), shape
            frame.time_base = Fraction(1, TICKS_PER_SECOND)
            frame.pts = at
            self._graph.vpush(frame)
        except (av.FFmpegError, ValueError):  # a layout that bwdif does not take: better woven than not at all
            self._graph = self._shape = None
            yield at, frame
            return
        yield from self._ready()

    def drain(self) -> Iterator[tuple[Ticks, VideoFrame]]:
        """The frames still inside; the next interlaced frame builds a new graph."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._ready()
            self._graph = self._shape = None

    def _ready(self) -> Iterator[tuple[Ticks, VideoFrame]]:
        assert self._graph is not None  # noqa: S101 - callers have one
        while True:
            try:
                frame = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if frame.pts is not None and frame.time_base is not None:
                yield round(frame.pts * frame.time_base * TICKS_PER_SECOND), frame


def _graph(frame: VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, TICKS_PER_SECOND)
    )
    # send_frame: one picture per frame, not per field; deint=interlaced: frames not marked so pass untouched
    bwdif = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    return graph
