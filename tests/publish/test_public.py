"""What leaves the box: nothing that a journal says of cameras, accounts, folders or the system's words."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from lesson.folder import LessonFolder
from lesson.journal import append_records
from lesson.lifecycle import stop_lesson
from lesson.loss import Loss
from lesson.model import Kind, SourceSpec, StreamInfo
from lesson.package import MANIFEST
from lesson.records import SourceFinished, SourceLost, StreamAccount
from lesson.view import load_state
from publish.memory_store import MemoryStore
from publish.uploader import Uploader
from tests.kit.lessons import (
    encode_all,
    epoch_started,
    make_lesson,
    moment,
    plan_all,
    record_all,
    source,
    start,
    write_segment,
)

MARKER = "priv4te"
WORDS = st.sampled_from(
    ["rtsp://user:pw@{}.local/main", "/srv/{}/a.mp4", "{}", "[Errno 5] {}", '"{}\\n', "{}=1;--", "v4l2:/dev/{}"]
)
PRIVATE = WORDS.map(lambda words: words.format(MARKER))
CODES = st.one_of(st.sampled_from(Loss).map(lambda code: code.value), st.just("of_a_later_version"), PRIVATE)
SPECS = st.builds(
    lambda uri, substream, user, password: source(
        "teacher", uri=uri, substream=substream, user_env=user, password_env=password, required=True
    ),
    PRIVATE, st.one_of(st.none(), PRIVATE), PRIVATE, PRIVATE,
)  # fmt: skip


def record(folder: LessonFolder, spec: SourceSpec, reason: str, codes: list[str]) -> None:
    """Epochs of one segment each, lost again and again for `codes`, with `reason` wherever a record takes words."""
    info = StreamInfo(kind=Kind.VIDEO, codec=reason, width=160, height=90)
    with_records = [epoch_started(spec, streams=(info,), reason=reason)]
    for epoch, code in enumerate(codes):
        append_records(
            folder.raw_journal(spec.id),
            [
                *with_records,
                write_segment(folder, spec, epoch, epoch=epoch, start_s=0, seconds=2),
                StreamAccount(source=spec.id, epoch=epoch, stream=0, kind=Kind.VIDEO, codec=reason, code=reason),
                SourceLost(source=spec.id, epoch=epoch, at=moment(3 * epoch + 2), reason=reason, code=code),
            ],
        )
        with_records = [epoch_started(spec, epoch + 1, streams=(info,), at=moment(3 * epoch + 3), reason=reason)]
    append_records(folder.raw_journal(spec.id), [SourceFinished(source=spec.id, at=moment(12))])


@settings(max_examples=20)
@given(spec=SPECS, reason=PRIVATE, codes=st.lists(CODES, min_size=1, max_size=3))
def test_nothing_private_is_published(spec: SourceSpec, reason: str, codes: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix=MARKER) as place:
        root = Path(place) / MARKER
        folder = make_lesson(root, sources=(spec, source("mic", uri=f"alsa:{MARKER}")))
        start(folder)
        record(folder, spec, reason, codes)
        stop_lesson(root, folder, reason=reason, at=moment(12))
        plan_all(folder)
        encode_all(folder)
        assert MARKER in str(load_state(folder).sources["teacher"].losses)
        store = MemoryStore()
        Uploader(folder, store).run()
        for key, data in store.objects.items():
            assert MARKER not in key
            assert MARKER.encode() not in data, key
            assert b"4te" not in data, key
        gaps = json.loads(store.objects[f"lesson/{MANIFEST}"])["gaps"]
        assert {gap["code"] for gap in gaps if gap["source"] == "teacher"}
        for gap in gaps:
            assert set(gap) == {"source", "kind", "start_s", "end_s", "code", "reason"}
            assert gap["code"].replace("_", "").isalpha()


def test_the_manifest_says_what_users_called_it() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = make_lesson(Path(place), title="[2026] 光合作用", room="Room 3")
        record_all(folder)
        plan_all(folder)
        encode_all(folder)
        store = MemoryStore()
        Uploader(folder, store).run()
        document = json.loads(store.objects[f"lesson/{MANIFEST}"])
        assert (document["title"], document["room"]) == ("[2026] 光合作用", "Room 3")
