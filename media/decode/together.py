"""Several streams of sound heard together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from media.decode.mixing import mixed_down
from media.decode.placing import Block
from media.decode.sound import AudioBlock


def together(streams: Sequence[Iterator[AudioBlock]]) -> Iterator[AudioBlock]:
    """The streams as one, mixed like the channels of one; where none of them has sound there is a hole."""
    for block in mixed_down(_side_by_side(streams)):
        yield AudioBlock(block.at, block.samples[:, 0])


def _side_by_side(streams: Sequence[Iterator[AudioBlock]]) -> Iterator[Block]:
    """Blocks with a channel for each stream, in pieces in which each stream is there or is not."""
    following = [iter(stream) for stream in streams]
    held = [next(stream, None) for stream in following]
    while any(held):
        there = [block for block in held if block is not None]
        start = min(block.at for block in there)
        end = min(block.end if block.at == start else block.at for block in there)
        samples = np.zeros((end - start, len(held)), np.float32)
        for number, block in enumerate(held):
            if block is not None and block.at == start:
                samples[:, number] = block.pcm[: end - start]
                rest = AudioBlock(end, block.pcm[end - start :])
                held[number] = rest if len(rest.pcm) else next(following[number], None)
        yield Block(start, samples)
