from __future__ import annotations

import json
from pathlib import Path

from classroom.faults import job_faults
from classroom.jobs import BLIND_AFTER, publish_job, reclaim_jobs, wanted_jobs
from classroom.settings import Settings
from lesson.box import Fault
from lesson.folder import LessonFolder
from lesson.phase import Phase
from lesson.records import FrozenUntil, SegmentCommitted, SourceFinished, Start, Stop, Verified
from lesson.state import LessonState
from process.kept import Trouble
from publish.settings import StorageSettings, StoreSettings
from tests.kit.lessons import header, moment, segment

FOLDER = LessonFolder(Path("/lessons/lesson"))
SETTINGS = Settings(root=Path("/lessons"))


def names(state: LessonState, *, crashes: int = 0) -> list[str]:
    return [job.name for job in wanted_jobs(FOLDER, state, SETTINGS, tracking_crashes=crashes)]


def test_nothing_before_the_start_and_nothing_after_the_end() -> None:
    state = LessonState(header())
    assert names(state) == []
    state.apply(Start(at=moment(0)))
    assert names(state) == ["capture-teacher", "capture-mic", "tracking", "encode"]
    mic = state.sources["mic"].spec
    state.apply(SegmentCommitted(segment=segment(mic, 0)))
    assert names(state) == ["capture-teacher", "capture-mic", "signal", "tracking", "encode"], (
        "there is what to look at"
    )
    state.apply(SourceFinished(source="teacher", at=moment(9)))
    assert names(state) == ["capture-mic", "signal", "tracking", "encode"]
    state.apply(Stop(at=moment(9)))
    assert names(state) == ["capture-mic", "tracking", "encode"], "what is recorded is looked at only while it is"
    state.apply(SourceFinished(source="mic", at=moment(9)))
    state.apply(FrozenUntil(at=1, final=True))
    assert names(state) == ["encode"]
    state.apply(Verified(objects=1, bytes=1, manifest_sha256=""))
    assert names(state) == ["encode"]  # of no rendition there is a chunk


def test_an_empty_lesson_needs_nothing_more() -> None:
    state = LessonState(header())
    for record in (Start(at=moment(0)), Stop(at=moment(1)), FrozenUntil(at=0, final=True)):
        state.apply(record)
    assert names(state) == []
    assert state.phase is Phase.EMPTY


def test_after_stop_a_given_up_feed_gets_a_new_chance_to_close() -> None:
    state = LessonState(header())
    state.apply(Start(at=moment(0)))
    before = wanted_jobs(FOLDER, state, SETTINGS)[0]
    state.apply(Stop(at=moment(9)))
    after = wanted_jobs(FOLDER, state, SETTINGS)[0]
    assert before.name == after.name
    assert before != after


def test_tracking_that_crashes_on_and_on_plans_blind() -> None:
    state = LessonState(header())
    state.apply(Start(at=moment(0)))

    def tracking(crashes: int) -> tuple[str, ...]:
        jobs = wanted_jobs(FOLDER, state, SETTINGS, tracking_crashes=crashes)
        return next(job.argv for job in jobs if job.name == "tracking")

    assert "--blind" not in tracking(BLIND_AFTER - 1)
    assert "--blind" in tracking(BLIND_AFTER)


def test_secrets_are_named_never_given() -> None:
    settings = Settings.model_validate(
        {"root": "/lessons", "store": {"url": "s3+http://h:1/bucket", "access_key_env": "KEY", "secret_key_file": "/s"}}
    )
    for job in (publish_job(settings), publish_job(settings, FOLDER)):
        said = json.loads(job.argv[-1])
        assert said == {"url": "s3+http://h:1/bucket", "access_key_env": "KEY", "secret_key_file": "/s"}
    assert publish_job(settings).arguments[:2] == ("--all", "/lessons")
    assert publish_job(settings, FOLDER).arguments[0] == str(FOLDER.path)


def test_room_is_made_only_where_the_settings_want_it() -> None:
    assert reclaim_jobs(SETTINGS) == []
    (job,) = reclaim_jobs(Settings(root=Path("/lessons"), storage=StorageSettings(reclaim=True, low=3, high=4)))
    assert (job.name, job.module, job.vital) == ("reclaim", "publish.reclaim", False)
    root, storage, store = job.arguments
    assert (root, StorageSettings.parse(storage).high) == ("/lessons", 4)
    assert StoreSettings.parse(store).url == "file:///lessons/store"


def test_what_keeps_room_from_being_made_is_a_full_disk_or_one_lessons_trouble() -> None:
    (job,) = reclaim_jobs(Settings(root=Path("/lessons"), storage=StorageSettings(reclaim=True)))
    refused = Trouble(job, "the store lies on the disk of the lessons", since=0.0, refused=True)
    crashed = Trouble(job, "ended with code 1", since=0.0, refused=False)
    lacking = Trouble(job, "missing in the store", since=0.0, refused=False, about="lesson")
    codes = [next(iter(job_faults("", [one])))[0] for one in (refused, crashed, lacking)]
    assert codes == [Fault.DISK_LOW, Fault.STAGE_GIVEN_UP, Fault.LESSON_STUCK]
