"""Hypothesis strategies for the vocabulary: any record a journal may hold."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

from lesson.overrides import OVERRIDES, Override
from lesson.records import RECORD_TYPES, Record, SegmentUnheard, SegmentUnseen
from lesson.time import TICKS_PER_SECOND, ClockMap, Span, Ticks

FAR: Ticks = 10 * 365 * 86_400 * TICKS_PER_SECOND
"""Ten years: monotonic clocks of boxes that never reboot."""

ticks = st.integers(-FAR, FAR)
spans = st.tuples(ticks, ticks).map(lambda ends: Span(min(ends), max(ends)))
small_spans = st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda pair: Span(pair[0], pair[0] + pair[1]))
clock_maps = st.builds(
    ClockMap,
    source=st.just("teacher"),
    epoch=st.integers(0, 3),
    span=spans,
    offset=ticks,
    ppm=st.floats(-300, 300, allow_nan=False),
    residual=st.integers(0, 10_000),
)

st.register_type_strategy(Span, spans)
st.register_type_strategy(ClockMap, clock_maps)
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
st.register_type_strategy(Fraction, st.fractions(min_value=Fraction(1, 10**9), max_value=10**6))

st.register_type_strategy(
    SegmentUnheard,
    st.builds(
        lambda span, epoch, seq: SegmentUnheard(source="teacher", epoch=epoch, seq=seq, start=span.start, end=span.end),
        spans,
        st.integers(0, 3),
        st.integers(0, 9),
    ),
)
st.register_type_strategy(
    SegmentUnseen,
    st.builds(
        lambda span, epoch, seq: SegmentUnseen(
            source="teacher", epoch=epoch, seq=seq, start=span and span.start, end=span and span.end
        ),
        st.none() | spans,
        st.integers(0, 3),
        st.integers(0, 9),
    ),
)
st.register_type_strategy(Override, st.one_of([st.from_type(kind) for kind in OVERRIDES.values()]))

records: st.SearchStrategy[Record] = st.one_of([st.from_type(kind) for kind in RECORD_TYPES.values()])
