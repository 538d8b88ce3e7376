"""The instruments are checked before they check anything."""

from __future__ import annotations

import io
import logging

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lesson.time import TICKS_PER_SECOND
from media.simulated.scene import tone
from tests.kit.clicks import draw_click, find_clicks
from tests.kit.marks import BOARD, Mark, draw_flash, draw_mark, flash_lit, flash_starts, read_mark
from tests.kit.waiting import wait_until

pytest_plugins = ["pytester"]


@given(st.integers(1, 3), st.integers(0, 2**32 - 1), st.sampled_from([(320, 180), (640, 360), (1280, 720), (854, 480)]))
def test_mark_reads_back(source: int, at: int, size: tuple[int, int]) -> None:
    luma = np.full(size[::-1], 90, np.uint8)
    draw_mark(luma, Mark(source, at))
    assert read_mark(luma) == Mark(source, at)


@given(st.integers(0, 47))
def test_mark_with_one_wrong_cell_is_no_mark(cell: int) -> None:
    luma = np.full((360, 960), 90, np.uint8)
    draw_mark(luma, Mark(BOARD, 123_456_789))
    strip = luma[-16:, cell * 20 : cell * 20 + 20]
    strip[:] = 251 - strip
    assert read_mark(luma) is None


def test_mark_survives_scaling_and_noise() -> None:
    cv2 = pytest.importorskip("cv2")
    luma = np.full((1080, 1920), 128, np.uint8)
    draw_mark(luma, Mark(1, 987_654_321))
    small = cv2.resize(luma, (320, 180), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(1).normal(0, 12, small.shape)
    noisy = np.clip(small + noise, 0, 255).astype(np.uint8)
    assert read_mark(noisy, drawn_height=1080) == Mark(1, 987_654_321)


def test_plain_picture_has_no_mark() -> None:
    assert read_mark(np.full((720, 1280), 16, np.uint8)) is None
    assert read_mark(np.full((2, 20), 16, np.uint8)) is None


def test_flash_is_lit_for_80_ms_at_even_seconds() -> None:
    seen = []
    for frame in range(125):
        luma = np.full((720, 1280), 60, np.uint8)
        draw_flash(luma, frame * 1_920)
        seen.append((frame * 1_920, flash_lit(luma)))
    assert [at for at, lit in seen if lit] == [0, 1_920, 96_000, 97_920, 192_000, 193_920]
    assert flash_starts(seen) == [96_000, 192_000]


def _voice(seconds: float) -> np.ndarray:
    """Harmonics of 180 Hz with syllables, and noise: worse for the detector than speech, as 1 080 Hz is in it."""
    t = np.arange(round(seconds * TICKS_PER_SECOND)) / TICKS_PER_SECOND
    tone = sum(np.sin(2 * np.pi * 180 * k * t + k) / k for k in range(1, 20))
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * t)
    noise = np.random.default_rng(7).normal(0, 0.02, len(t))
    return (0.15 * tone * syllables + noise).astype(np.float32)


@settings(max_examples=15)
@given(st.lists(st.integers(0, 4), min_size=0, max_size=5, unique=True), st.integers(0, 9_000))
def test_clicks_over_a_voice_are_found_to_a_third_of_a_millisecond(seconds: list[int], shift: int) -> None:
    pcm = _voice(6)
    true = sorted(second * TICKS_PER_SECOND + 2_000 + shift for second in seconds)
    for at in true:
        draw_click(pcm, at)
    found = find_clicks(pcm, start=500)
    assert len(found) == len(true)
    assert all(abs(got - 500 - want) <= 16 for got, want in zip(found, true, strict=True))


def test_clicks_are_found_wherever_they_lie_in_the_frames_of_the_voices_coder() -> None:
    """Of every 12th place in a frame of 1,024 samples, over the hum of the scenes: all, and nothing else."""
    for shift in range(0, 1024, 12):
        pcm = coded(tone(3 * TICKS_PER_SECOND - shift, 4 * TICKS_PER_SECOND))
        true = [TICKS_PER_SECOND + shift, 3 * TICKS_PER_SECOND + shift]
        found = find_clicks(pcm)
        assert len(found) == 2, shift
        assert all(abs(got - want) <= 96 for got, want in zip(found, true, strict=True)), shift


def coded(pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    """Through AAC at the bit rate of the voice and back."""
    out = io.BytesIO()
    with av.open(out, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=TICKS_PER_SECOND, layout="mono")
        stream.bit_rate = 24_000
        for start in range(0, len(pcm), 1024):
            frame = av.AudioFrame.from_ndarray(pcm[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = TICKS_PER_SECOND, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    out.seek(0)
    with av.open(out) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])[1024:]  # the priming


def test_click_at_the_very_start_is_found() -> None:
    pcm = np.zeros(TICKS_PER_SECOND, np.float32)
    draw_click(pcm, 0)
    assert find_clicks(pcm) == [0]
    assert find_clicks(pcm[:100]) == []


def test_wait_until_gives_the_value_or_says_what_it_waited_for() -> None:
    values = iter([0, None, "here"])
    assert wait_until(lambda: next(values), 5, poll_s=0.001) == "here"
    with pytest.raises(AssertionError, match=r"not within 0\.01 s: the moon"):
        wait_until(lambda: False, 0.01, what="the moon")


def test_error_logs_are_collected_for_a_test_that_asks(error_logs: list[logging.LogRecord]) -> None:
    logging.getLogger("x").error("expected %s", "trouble")
    assert [record.getMessage() for record in error_logs] == ["expected trouble"]


def test_noise_fails_tests(pytester: pytest.Pytester, request: pytest.FixtureRequest) -> None:
    conftest = (request.config.rootpath / "tests" / "conftest.py").read_text()
    pytester.makeconftest(conftest)
    pytester.makepyfile(
        """
        import logging, threading, warnings
        import structlog
        def test_logs_error(): logging.getLogger("room").error("bad %d", 7)
        def test_logs_error_through_structlog(): structlog.get_logger().error("worse", code=8)
        def test_warns(): warnings.warn("careful")
        def test_thread():
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()
        def test_logs_warning(): structlog.get_logger().warning("hm", why="because")
        def test_asks(error_logs):
            logging.error("fine")
            assert len(error_logs) == 1
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error")
    result.assert_outcomes(passed=4, failed=2, errors=2)
    result.stdout.fnmatch_lines(["*logged errors that the test did not ask for: room: bad 7*"])
