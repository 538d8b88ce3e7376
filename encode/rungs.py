"""The rungs of the ladder side by side: each scaled from the next larger one, each coded in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from lesson.model import Rendition
from lesson.time import Grid, Span
from media.output.video_encoder import ChunkVideoEncoder
from media.picture import Yuv

_QUEUE = 8
"""Pictures a rung may lag behind: enough to even out key frames, 11 MB at 1280x720."""


class RungEncoder(threading.Thread):
    """Encodes one rung. libx264 works outside the interpreter's lock, so rungs use the cores side by side."""

    def __init__(self, rendition: Rendition, grid: Grid) -> None:
        super().__init__(name=f"rung-{rendition.name}", daemon=True)
        self.rendition = rendition
        self.chunks: list[bytes] = []
        self.error: BaseException | None = None
        self._grid = grid
        self._work: queue.Queue[Yuv | tuple[int, Span] | None] = queue.Queue(_QUEUE)

    def put(self, work: Yuv | tuple[int, Span] | None) -> None:
        """A picture, the end of a chunk (index, span), or None: no more. Raises what happened in the thread."""
        while self.is_alive() or self.error is None:
            try:
                return self._work.put(work, timeout=1.0)
            except queue.Full:
                continue
        raise self.error

    def run(self) -> None:
        try:
            self._code()
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that waits, and raised there
            self.error = error

    def _code(self) -> None:
        encoder: ChunkVideoEncoder | None = None
        while (work := self._work.get()) is not None:
            encoder = encoder or ChunkVideoEncoder(self.rendition, self._grid)
            if isinstance(work, Yuv):
                encoder.encode(work)
            else:
                self.chunks.append(encoder.finish(*work))
                encoder = None


class LadderEncoder:
    """Encodes all rungs of a job. Used as a context: leaving it ends the threads."""

    def __init__(self, renditions: Sequence[Rendition], grid: Grid) -> None:
        descending = sorted(renditions, key=lambda r: r.width * r.height, reverse=True)
        self.rungs = [RungEncoder(rendition, grid) for rendition in descending]
        self._scaled: dict[tuple[int, int], tuple[Yuv, Yuv]] = {}

    def __enter__(self) -> Self:
        for rung in self.rungs:
            rung.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()

    def picture(self, number: int, canvas: Yuv) -> None:
        """Frame `number` of the chunk, for all rungs that have this frame."""
        larger = canvas
        for rung in self.rungs:
            if number % rung.rendition.frame_divisor == 0:
                larger = self._scale(larger, rung.rendition.width, rung.rendition.height)
                rung.put(larger)

    def _scale(self, larger: Yuv, width: int, height: int) -> Yuv:
        """Scaled once for as long as the larger picture stays the same object."""
        known = self._scaled.get((width, height))
        if known is None or known[0] is not larger:
            known = (larger, larger.scaled(width, height))
            self._scaled[width, height] = known
        return known[1]

    def end_chunk(self, index: int, span: Span) -> None:
        for rung in self.rungs:
            rung.put((index, span))

    def close(self) -> None:
        """Wait until everything is coded. Raises what happened in a thread."""
        for rung in self.rungs:
            rung.put(None)
        for rung in self.rungs:
            rung.join()
            if rung.error is not None:
                raise rung.error
