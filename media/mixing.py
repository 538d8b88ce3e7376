"""Sound of any shape to mono at 48 kHz."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from lesson.time import TICKS_PER_SECOND

_MIXING = {"rematrix_maxval": "1.0"}  # weights that sum to one: what did not clip in stereo does not in mono

Pcm = npt.NDArray[np.float32]


def mono_resampler(layout: str) -> AudioResampler:
    """A resampler for frames of this channel layout, whose output `mono` takes.

    Channels of unknown place, of a sound card or an array of microphones, are kept: they are all heard alike. Packed
    samples, because PyAV 18.1 crashes on planar ones of eight channels and more.
    """
    kept = layout if layout.endswith(" channels") else "mono"
    return AudioResampler(format="flt", layout=kept, rate=TICKS_PER_SECOND, options=_MIXING)


def mono(frame: AudioFrame) -> Pcm:
    """Samples (n,) in -1…1 of a packed float frame; several channels are averaged."""
    pcm: Pcm = frame.to_ndarray().reshape(frame.samples, -1).astype(np.float32, copy=False)
    return pcm[:, 0] if pcm.shape[1] == 1 else pcm.mean(axis=1)
