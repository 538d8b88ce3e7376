"""From clips to canvas pictures: the nearest one on the lesson clock, replacement of what cannot be decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import structlog

from encode.compose import crop_at, inset_view, slate, view, with_inset
from encode.jobs import ChunkJob, Clip
from encode.programme import HOLD, EpochRef
from lesson.errors import MediaError
from lesson.model import Rectangle
from lesson.time import Ticks, lesson_tick, source_tick
from media.decode.pictures import Picture, pictures
from media.picture import Yuv

T = TypeVar("T")

_log = structlog.get_logger()


class HeldPicture:
    """The picture of one clip at any rising lesson tick: the latest that comes less than `early` after it, so that none
    is shown further from its time than that, where pictures come as often as that; before the first, the first.
    """

    def __init__(self, clip: Clip, early: Ticks) -> None:
        self._maps, self._early = clip.maps, early
        self._name = clip.epoch.source
        start = source_tick(clip.maps, clip.span.start)
        self._pictures: Iterator[Picture] = iter(())
        if clip.segments:
            self._pictures = pictures(
                [segment.path for segment in clip.segments], start=start, end=source_tick(clip.maps, clip.span.end)
            )
        self._current: Picture | None = None
        self._failed = False
        self._next = self._fetch()

    def _fetch(self) -> Picture | None:
        try:
            return next(self._pictures, None)
        except MediaError as error:
            _log.warning("picture_read_failed", source=self._name, error=str(error))
            self._failed = True
            return None

    def at(self, tick: Ticks) -> Picture | None:
        """The picture to show at lesson tick `tick`, or None when there is none that can be decoded."""
        while self._next is not None and lesson_tick(self._maps, self._next.at) < tick + self._early:
            self._current, self._next = self._next, self._fetch()
        if self._current is None:
            return self._next
        if self._failed and tick - lesson_tick(self._maps, self._current.at) > HOLD:
            return None
        return self._current


class _Last(Generic[T]):
    """Remembers what `make` gave for the last arguments: pictures are compared by identity, crops by value."""

    def __init__(self, make: Callable[..., T]) -> None:
        self._make = make
        self._made: tuple[tuple[object, ...], T] | None = None

    def __call__(self, *arguments: object) -> T:
        if self._made is None or self._made[0] != arguments:
            self._made = (arguments, self._make(*arguments))
        return self._made[1]


class Compositor:
    """Makes the programme's pictures of one job, in order. One that is like the last one is the same object."""

    def __init__(self, job: ChunkJob) -> None:
        self._job = job
        self._held: dict[Clip, HeldPicture] = {}
        self._piece = 0
        self._slate = slate(job.canvas)
        self._view = _Last(view)
        self._inset_view = _Last(inset_view)
        self._with_inset = _Last(with_inset)

    def at(self, tick: Ticks) -> Yuv:
        """The picture at lesson tick `tick`, which must not lie before the last one asked for."""
        pieces = self._job.pieces
        while pieces[self._piece].span.end <= tick:
            self._piece += 1
        composition = pieces[self._piece].composition
        main = self._first_shown(composition.main, tick)
        if main is None:
            return self._slate
        epoch, picture = main
        base = self._view(picture, self._crop(epoch, tick), self._job.canvas)
        inset = self._shown(composition.inset, tick) if composition.inset and composition.inset != epoch else None
        if composition.inset is None or inset is None:
            return base
        return self._with_inset(base, self._inset_view(inset, self._crop(composition.inset, tick), self._job.canvas))

    def _crop(self, epoch: EpochRef, tick: Ticks) -> Rectangle:
        return crop_at(self._job.crops, epoch.source, tick)

    def _first_shown(self, epochs: tuple[EpochRef, ...], tick: Ticks) -> tuple[EpochRef, Picture] | None:
        shown = ((epoch, self._shown(epoch, tick)) for epoch in epochs)
        return next(((epoch, picture) for epoch, picture in shown if picture is not None), None)

    def _shown(self, epoch: EpochRef, tick: Ticks) -> Picture | None:
        """What `epoch` shows at `tick`. Clips that have been passed are forgotten, with their decoders."""
        for passed in [clip for clip in self._held if clip.span.end <= tick]:
            del self._held[passed]
        clip = next((clip for clip in self._job.clips if clip.epoch == epoch and tick in clip.span), None)
        if clip is None:
            return None
        if clip not in self._held:
            self._held[clip] = HeldPicture(clip, self._job.grid.frame // 2)
        return self._held[clip].at(tick)
