"""Sound of any shape to mono at 48 kHz, so that a voice is as loud as it was, whichever channels it is in.

Fixed weights fail: the mean of two channels halves a voice that is in one of them and loses one that is in both with
opposite signs (a microphone wired wrongly, a "wide" effect). So channels that run against the loudest one are turned
round, and the sum is made as loud as the loudest channel: a voice in all channels alike, in one, in one of six, or
turned round in half of them comes out the same. What is loud decides, over half a second, in steps of a cell.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler

from lesson.time import TICKS_PER_SECOND, Ticks
from media.decode.placing import Block, Samples

CELL: Ticks = TICKS_PER_SECOND // 20
MEMORY_CELLS = 10
OPPOSED = -0.5
"""Correlation below which a channel is turned round: above, adding it as it is loses less than turning it would."""
_HEARD = 0.05  # of the power of the loudest channel; what is weaker is not worth turning round
_MOST_GAIN = 2.0
_SILENCE = 1e-9  # mean square; -90 dB
_RAMP = np.arange(CELL, dtype=np.float32) / CELL

Pcm = npt.NDArray[np.float32]
_Matrix = npt.NDArray[np.float64]


def resampler(layout: str) -> AudioResampler:
    """A resampler to 48 kHz for frames of this channel layout, whose output `channels_of` takes.

    Packed samples, because PyAV 18.1 crashes on planar ones of eight channels and more.
    """
    return AudioResampler(format="flt", layout=layout, rate=TICKS_PER_SECOND)


def channels_of(frame: AudioFrame) -> Samples:
    """Samples (n, channels) in -1…1 of a packed float frame, without channels that hold rumble only."""
    samples: Samples = frame.to_ndarray().reshape(frame.samples, -1).astype(np.float32, copy=False)
    heard = _heard(frame.layout.name)
    return samples if len(heard) == samples.shape[1] else samples[:, heard]


@cache
def _heard(layout: str) -> list[int]:
    """Numbers of the channels of a layout that may hold a voice: not those for rumble, unless there is no other."""
    names = [channel.name for channel in AudioLayout(layout).channels]
    return [index for index, name in enumerate(names) if not name.startswith("LFE")] or [*range(len(names))]


def weights(power: _Matrix) -> _Matrix:
    """What each channel is multiplied with, (channels,), given the mean products of all pairs of channels."""
    own = np.diag(power)
    loudest = int(np.argmax(own))
    count = len(own)
    if own[loudest] < _SILENCE:
        return np.full(count, 1.0 / count)
    likeness = power[loudest] / np.sqrt(np.maximum(own * own[loudest], _SILENCE**2))
    heard = own > _HEARD * own[loudest]
    signs = np.where(heard & (likeness < OPPOSED), -1.0, 1.0)
    signs *= signs[int(np.argmax(heard))]  # the first one heard stays as it is, whichever is the loudest
    together = float(signs @ power @ signs)
    return signs * min(_MOST_GAIN, float(np.sqrt(own[loudest] / max(together, _SILENCE))))


def mixed_down(blocks: Iterable[Block]) -> Iterator[Block]:
    """The blocks in mono, (n, 1). Blocks must be in order; holds back up to two cells of sound.

    What is decided depends on the last half second only, not on where reading began.
    """
    mixer: _Mixer | None = None
    for piece in _gathered(blocks):
        count = piece.samples.shape[1]
        if mixer is not None and mixer.channels != count:
            yield from mixer.flushed()
            mixer = None
        if count == 1:
            yield piece
            continue
        mixer = mixer or _Mixer(count)
        yield from mixer.mixed(piece)
    if mixer is not None:
        yield from mixer.flushed()


def _gathered(blocks: Iterable[Block]) -> Iterator[Block]:
    """The same sound in pieces as long as they can be that lie in one cell each; mono as it is."""
    held: list[Block] = []
    for block in blocks:
        for piece in _by_cell(block) if block.samples.shape[1] > 1 else [block]:
            if held and not _continues(held[-1], piece):
                yield _one(held)
                held = []
            held.append(piece)
        if block.samples.shape[1] == 1:
            yield _one(held)
            held = []
    if held:
        yield _one(held)


def _continues(before: Block, piece: Block) -> bool:
    same = before.samples.shape[1] == piece.samples.shape[1] and before.at // CELL == piece.at // CELL
    return same and before.end == piece.at


def _one(pieces: list[Block]) -> Block:
    if len(pieces) == 1:
        return pieces[0]
    return Block(pieces[0].at, np.concatenate([piece.samples for piece in pieces]))


class PromptMixer:
    """Mixes live sound to mono without holding any of it back: what was heard up to the last cell decides."""

    def __init__(self) -> None:
        self._mixer: _Mixer | None = None
        self._at: Ticks = 0

    def mixed(self, samples: Samples) -> Pcm:
        """Mono samples (n,) of samples (n, channels) that follow those before."""
        if samples.shape[1] == 1:
            return samples[:, 0]
        if self._mixer is None or self._mixer.channels != samples.shape[1]:
            self._mixer = _Mixer(samples.shape[1], prompt=True)
        block, self._at = Block(self._at, samples), self._at + len(samples)
        mono = [mixed.samples[:, 0] for piece in _by_cell(block) for mixed in self._mixer.mixed(piece)]
        return np.concatenate(mono) if mono else np.zeros(0, np.float32)


class _Mixer:
    """Mixes sound of one number of channels, a cell behind what it was given, or `prompt` by older weights."""

    def __init__(self, channels: int, *, prompt: bool = False) -> None:
        self.channels = channels
        self._prompt = prompt
        self._cells: deque[tuple[int, _Matrix]] = deque()  # number of a cell, sum of products
        self._held: deque[Block] = deque()  # of the last two cells
        self._at_start: dict[int, _Matrix] = {}  # weights at the start of a cell

    def mixed(self, piece: Block) -> Iterator[Block]:
        """What is ready when this piece, which lies in one cell, is known."""
        number = piece.at // CELL
        if not self._cells or self._cells[-1][0] != number:
            yield from self._before(number - 1)
            self._cells.append((number, np.zeros((self.channels, self.channels))))
        self._cells[-1][1][:] += piece.samples.T @ piece.samples
        self._held.append(piece)
        if self._prompt:
            yield from self._before(number + 1)

    def flushed(self) -> Iterator[Block]:
        """What is left."""
        if self._held:
            yield from self._before(self._held[-1].at // CELL + 1)

    def _before(self, number: int) -> Iterator[Block]:
        """The blocks held of cells before this one."""
        while self._held and self._held[0].at // CELL < number:
            yield self._mono(self._held.popleft())

    def _mono(self, piece: Block) -> Block:
        number = piece.at // CELL
        known = number - 2 if self._prompt else number
        first, last = self._weights(known), self._weights(known + 1)
        pcm = piece.samples @ first.astype(np.float32)
        if not np.array_equal(first, last):
            begin = piece.at - number * CELL
            pcm += _RAMP[begin : begin + len(pcm)] * (piece.samples @ (last - first).astype(np.float32))
        return Block(piece.at, np.clip(pcm, -1.0, 1.0)[:, None])

    def _weights(self, number: int) -> _Matrix:
        """The weights at the start of a cell: what was heard before it and in it decides."""
        if number not in self._at_start:
            self._at_start = {known: w for known, w in self._at_start.items() if known >= number - 1}
            while self._cells and self._cells[0][0] < number - MEMORY_CELLS:
                self._cells.popleft()
            heard = [power for cell, power in self._cells if number - MEMORY_CELLS <= cell <= number]
            total = np.sum(heard, axis=0) if heard else np.zeros((self.channels, self.channels))
            self._at_start[number] = weights(total / (max(1, len(heard)) * CELL))
        return self._at_start[number]


def _by_cell(block: Block) -> Iterator[Block]:
    """The block in pieces of which each lies in one cell."""
    at, samples = block.at, block.samples
    while len(samples):
        here = CELL - at % CELL
        yield Block(at, samples[:here])
        at, samples = at + here, samples[here:]
