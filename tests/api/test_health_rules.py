from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from api.health import FRESH_S, GRACE_S, RoomHealth, RoomStatus, SourceStatus, room_health, segment_age_s
from api.idle import TESTED_S, IdleRoom, idle_health
from lesson.box import Fault, standing_by
from lesson.clock import Moment
from lesson.look import Look
from lesson.model import Anchor, Kind, PtsRange, Role, SegmentRecord, SourceSpec, StreamInfo
from lesson.records import FaultRaised, SegmentCommitted, SegmentMeasured, SourceFinished, SourceLost, Start, Stop
from lesson.signal import FLAW_KINDS, USELESS, Flaw
from lesson.signal_record_types import PictureLevels, SoundLevels
from lesson.state import LessonState
from tests.kit.lessons import epoch_started, header, moment, source

TEACHER = source("teacher", required=True)
MIC = source("mic", required=True)
STUDENTS = source("students")
PICTURE = PictureLevels(mean=120.0, darkest=20.0, brightest=230.0, change=2.0)
SOUND = SoundLevels(rms_db=-25.0, peak_db=-6.0, clipped=0.0, hum=0.0)


def lesson(*specs: SourceSpec) -> LessonState:
    """Started at second 0 of boot-1."""
    state = LessonState(header(sources=specs))
    state.apply(Start(at=moment(0)))
    return state


def deliver(
    state: LessonState,
    spec: SourceSpec,
    *,
    until_s: float,
    epoch: int = 0,
    seq: int = 0,
    anchored: bool = True,
    seconds: float = 4.0,
    kind: Kind | None = None,
    both: bool = False,
) -> None:
    """A segment of `seconds` whose last sample arrived at second `until_s`; its PTS start at 100 s."""
    if state.sources[spec.id].last_epoch < epoch:
        state.apply(epoch_started(spec, epoch, at=moment(until_s - seconds)))
    kind = kind or (Kind.AUDIO if spec.role is Role.MIC else Kind.VIDEO)
    first = 100_000 + seq * 4_000
    pts = PtsRange(first=first, last=first, end=first + round(seconds * 1000), key=first, packets=1)
    arrival = moment(until_s - seconds).monotonic_ns
    late = Anchor(pts=first, monotonic_ns=arrival + 700_000_000)  # a packet held up on its way
    record = SegmentRecord(
        source=spec.id, epoch=epoch, seq=seq, path=f"raw/{seq}", bytes=10, sha256="", time_base=Fraction(1, 1000),
        video=pts if both or kind is Kind.VIDEO else None, audio=pts if both or kind is Kind.AUDIO else None,
        anchors=(late, Anchor(pts=first, monotonic_ns=arrival)) if anchored else (),
    )  # fmt: skip
    state.apply(SegmentCommitted(segment=record))


def feeds(state: LessonState, now: Moment) -> dict[str, SourceStatus]:
    return {one.id: one.state for one in room_health(state, now).sources}


def test_no_lesson_is_idle_with_sources_on_standby() -> None:
    health = idle_health(IdleRoom(sources=(TEACHER, MIC)), moment(0))
    assert (health.status, health.lesson_id, health.elapsed_s) == (RoomStatus.IDLE, None, None)
    assert [one.state for one in health.sources] == [SourceStatus.STANDBY] * 2


def fault(code: Fault, about: str) -> FaultRaised:
    return FaultRaised(code=code.value, about=about, at=moment(0), detail="rtsp://user:secret@10.0.0.1: timed out")


@pytest.mark.parametrize("code", [Fault.CAPTURE_FAILS, Fault.SOURCE_FLAWED])
@pytest.mark.parametrize("required", [True, False])
def test_between_lessons_what_is_needed_must_stand_by_and_be_of_use(code: Fault, *, required: bool) -> None:
    needed, other = replace(TEACHER, required=True), replace(STUDENTS, required=False)
    about = standing_by((needed if required else other).id) + ("/black" if code is Fault.SOURCE_FLAWED else "")
    health = idle_health(IdleRoom(sources=(needed, other)), moment(0), [fault(code, about)])
    assert health.status is (RoomStatus.TROUBLE if required else RoomStatus.IDLE)
    wrong, well = health.sources if required else health.sources[::-1]
    assert (well.state, well.flaws) == (SourceStatus.STANDBY, ())
    if code is Fault.CAPTURE_FAILS:
        assert (wrong.state, wrong.flaws) == (SourceStatus.LOST, ())
        assert wrong.reason
        assert "secret" not in wrong.reason
    else:
        assert (wrong.state, wrong.flaws) == (SourceStatus.STANDBY, ("black",))


def test_faults_of_a_source_whose_name_begins_like_anothers_are_not_its_own() -> None:
    one, two = replace(TEACHER, id="cam", required=True), replace(TEACHER, id="cam-2", required=True)
    faults = [
        fault(Fault.CAPTURE_FAILS, standing_by("cam-2")),
        fault(Fault.SOURCE_FLAWED, standing_by("cam-2") + "/hum"),
    ]
    first, second = idle_health(IdleRoom(sources=(one, two)), moment(0), faults).sources
    assert (first.state, first.flaws) == (SourceStatus.STANDBY, ())
    assert second.state is SourceStatus.LOST


@pytest.mark.parametrize("flaw", list(Flaw))
@pytest.mark.parametrize("mic", [True, False])
def test_between_lessons_the_sound_of_a_camera_matters_where_there_is_no_microphone(flaw: Flaw, *, mic: bool) -> None:
    faults = [fault(Fault.SOURCE_FLAWED, f"{standing_by('teacher')}/{flaw}")]
    room = IdleRoom(sources=(TEACHER, MIC) if mic else (TEACHER,))
    flaws = idle_health(room, moment(0), faults).sources[0].flaws
    assert flaws == (() if mic and FLAW_KINDS[flaw] is Kind.AUDIO else (flaw.value,))


def looked(age_s: float, flaws: tuple[str, ...] = ()) -> Look:
    """A look that is so old at second 100; the first one ever."""
    at_ns = moment(100 - age_s).monotonic_ns
    return Look(
        at_ns=at_ns, well_ns=0 if flaws else at_ns, flaws=flaws, width=1920, height=1080, fps=25.0, rms_db=-30.0
    )


@pytest.mark.parametrize("able", [{"teacher", "mic"}, {"mic"}, set()])
@pytest.mark.parametrize("standing", [True, False])
@pytest.mark.parametrize("look", [None, looked(1), looked(TESTED_S - 1), looked(TESTED_S + 1), looked(2, ("black",))])
def test_a_room_is_ready_only_while_every_source_that_can_be_was_looked_at_lately_and_is_well(
    look: Look | None, able: set[str], *, standing: bool
) -> None:
    looks = {"mic": looked(3)} | ({"teacher": look} if look else {})
    room = IdleRoom(sources=(TEACHER, MIC), able=able, standing=able if standing else frozenset(), looks=looks)
    health = idle_health(room, moment(100))
    known = look is not None and look.age_s(moment(100).monotonic_ns) <= TESTED_S and not look.flaws
    assert health.untested == ("teacher" in able and not known)
    assert health.status is RoomStatus.IDLE, "what only seems wrong is no trouble yet"
    if look is not None and look.flaws:  # what was well a moment ago is not unknown now
        room.looks["teacher"] = replace(look, well_ns=moment(50).monotonic_ns)  # type: ignore[index]
        assert not idle_health(room, moment(100)).untested
    teacher = health.sources[0]
    assert teacher.rests == ("teacher" in able and not standing)
    assert (teacher.look is None) == (look is None or look.age_s(moment(100).monotonic_ns) > TESTED_S)


def test_a_camera_is_recorded_only_with_pictures_and_a_microphone_only_with_sound() -> None:
    state = lesson(TEACHER, MIC)
    deliver(state, TEACHER, until_s=5, kind=Kind.AUDIO)
    deliver(state, MIC, until_s=5, kind=Kind.VIDEO)
    assert feeds(state, moment(6)) == {"teacher": SourceStatus.WAITING, "mic": SourceStatus.WAITING}
    assert feeds(state, moment(30)) == {"teacher": SourceStatus.LOST, "mic": SourceStatus.LOST}
    deliver(state, TEACHER, until_s=31, seq=1)
    deliver(state, MIC, until_s=31, seq=1)
    deliver(state, TEACHER, until_s=60, seq=2, kind=Kind.AUDIO)
    assert feeds(state, moment(61))["teacher"] is SourceStatus.LATE
    assert room_health(state, moment(61)).status is RoomStatus.TROUBLE


def test_a_stopped_lesson_is_idle() -> None:
    state = lesson(TEACHER)
    deliver(state, TEACHER, until_s=5)
    state.apply(Stop(at=moment(6)))
    assert room_health(state, moment(6)).status is RoomStatus.IDLE


def test_pressing_start_is_not_yet_recording() -> None:
    health = room_health(lesson(TEACHER, MIC), moment(3))
    assert (health.status, health.elapsed_s) == (RoomStatus.STARTING, 3.0)


def test_recording_needs_durable_bytes_of_every_required_source() -> None:
    state = lesson(TEACHER, MIC, STUDENTS)
    deliver(state, TEACHER, until_s=5)
    assert room_health(state, moment(6)).status is RoomStatus.STARTING
    deliver(state, MIC, until_s=6)
    assert room_health(state, moment(7)).status is RoomStatus.RECORDING


def test_a_source_that_is_not_required_does_not_turn_the_light() -> None:
    state = lesson(TEACHER, STUDENTS)
    deliver(state, TEACHER, until_s=60)
    state.apply(SourceLost(source="students", epoch=-1, at=moment(50), reason="refused"))
    assert room_health(state, moment(61)).status is RoomStatus.RECORDING
    assert feeds(state, moment(61))["students"] is SourceStatus.LOST


def test_without_required_sources_all_count() -> None:
    state = lesson(STUDENTS, source("board"))
    deliver(state, STUDENTS, until_s=60)
    assert room_health(state, moment(61)).status is RoomStatus.TROUBLE


def test_a_source_that_never_comes_is_trouble_after_the_time_of_grace() -> None:
    state = lesson(TEACHER)
    assert feeds(state, moment(GRACE_S - 1)) == {"teacher": SourceStatus.WAITING}
    assert feeds(state, moment(GRACE_S + 1)) == {"teacher": SourceStatus.LOST}
    assert room_health(state, moment(GRACE_S + 1)).status is RoomStatus.TROUBLE


def test_a_source_that_falls_silent_is_late() -> None:
    state = lesson(TEACHER)
    deliver(state, TEACHER, until_s=10)
    assert feeds(state, moment(10 + FRESH_S - 0.1)) == {"teacher": SourceStatus.RECORDING}
    assert feeds(state, moment(10 + FRESH_S + 0.1)) == {"teacher": SourceStatus.LATE}
    assert room_health(state, moment(10 + FRESH_S + 0.1)).status is RoomStatus.TROUBLE


def test_long_segments_are_given_time() -> None:
    state = lesson(TEACHER)
    deliver(state, TEACHER, until_s=12, seconds=10)
    assert feeds(state, moment(36)) == {"teacher": SourceStatus.RECORDING}
    assert feeds(state, moment(38)) == {"teacher": SourceStatus.LATE}


def test_a_lost_source_comes_back_with_a_new_epoch() -> None:
    state = lesson(TEACHER)
    deliver(state, TEACHER, until_s=10)
    state.apply(SourceLost(source="teacher", epoch=0, at=moment(12), reason="stalled"))
    assert feeds(state, moment(12)) == {"teacher": SourceStatus.LOST}
    state.apply(epoch_started(TEACHER, 1, at=moment(40)))
    assert feeds(state, moment(41)) == {"teacher": SourceStatus.WAITING}
    deliver(state, TEACHER, until_s=45, epoch=1, seq=1)
    assert feeds(state, moment(46)) == {"teacher": SourceStatus.RECORDING}


def test_a_new_epoch_is_recorded_only_when_something_of_it_is_durable() -> None:
    """What was committed before says nothing of now: on a full disk one epoch after the other comes to nothing."""
    state = lesson(TEACHER)
    deliver(state, TEACHER, until_s=10)
    state.apply(SourceLost(source="teacher", epoch=0, at=moment(11), reason="no space"))
    for epoch in range(1, 12):
        state.apply(epoch_started(TEACHER, epoch, at=moment(11 + 2 * epoch)))
        now = moment(11.5 + 2 * epoch)
        assert feeds(state, now)["teacher"] is (
            SourceStatus.WAITING if now.seconds_since(moment(13)) < GRACE_S else SourceStatus.LATE
        )
        assert room_health(state, now).status is not RoomStatus.RECORDING
    deliver(state, TEACHER, until_s=40, epoch=11, seq=1)
    assert feeds(state, moment(41)) == {"teacher": SourceStatus.RECORDING}


@pytest.mark.parametrize("code", [Fault.DISK_REFUSES, Fault.CONDUCTOR_HANGS, Fault.VOICE_LOST])
def test_nothing_is_promised_while_the_disk_refuses_or_nobody_conducts(code: Fault) -> None:
    fault = FaultRaised(code=code, about="disk", at=moment(5), detail="")
    assert idle_health(IdleRoom(sources=(TEACHER,)), moment(6), [fault]).status is RoomStatus.TROUBLE
    state = lesson(TEACHER)
    deliver(state, TEACHER, until_s=10)
    assert room_health(state, moment(11)).status is RoomStatus.RECORDING
    health = room_health(state, moment(11), faults=[fault])
    assert health.status is RoomStatus.TROUBLE
    assert health.sources[0].state is (SourceStatus.LATE if code is Fault.DISK_REFUSES else SourceStatus.RECORDING)
    low = FaultRaised(code=Fault.DISK_LOW, about="disk", at=moment(5), detail="")
    assert room_health(state, moment(11), faults=[low]).status is RoomStatus.RECORDING


def test_a_camera_that_was_off_at_the_press_is_recorded_once_it_is_there() -> None:
    state = lesson(TEACHER)
    state.apply(SourceLost(source="teacher", epoch=0, at=moment(1), reason="Connection refused"))
    assert feeds(state, moment(2)) == {"teacher": SourceStatus.LOST}
    deliver(state, TEACHER, until_s=9)
    assert feeds(state, moment(10)) == {"teacher": SourceStatus.RECORDING}
    health = room_health(state, moment(10))
    assert (health.status, health.sources[0].reason) == (RoomStatus.RECORDING, None)


@pytest.mark.parametrize(("spec", "gone"), [(TEACHER, Kind.VIDEO), (MIC, Kind.AUDIO)])
def test_a_feed_that_goes_on_without_what_it_is_there_for_is_lost_at_once(spec: SourceSpec, gone: Kind) -> None:
    state = lesson(spec)
    both = tuple(StreamInfo(kind=kind, codec="x") for kind in Kind)
    state.apply(epoch_started(spec, 0, at=moment(1), streams=both))
    for seq, kind in enumerate(Kind):
        deliver(state, spec, until_s=10, seq=seq, kind=kind)
    (before,) = room_health(state, moment(11)).sources
    assert (before.state, before.has_picture, before.has_sound) == (SourceStatus.RECORDING, True, True)
    left = tuple(stream for stream in both if stream.kind is not gone)
    state.apply(epoch_started(spec, 1, at=moment(14), streams=left, reason=f"no {gone} for 4.5 s"))
    health = room_health(state, moment(14))
    (after,) = health.sources
    assert (after.state, after.reason, health.status) == (SourceStatus.LOST, f"no {gone} for 4.5 s", RoomStatus.TROUBLE)
    assert (after.has_picture, after.has_sound) == (gone is not Kind.VIDEO, gone is not Kind.AUDIO)
    state.apply(epoch_started(spec, 2, at=moment(40), streams=both))
    deliver(state, spec, until_s=45, epoch=2, seq=2)
    assert room_health(state, moment(46)).status is RoomStatus.RECORDING


def test_a_camera_that_comes_back_in_mid_lesson_is_missing_until_it_delivers() -> None:
    state = lesson(TEACHER)
    deliver(state, TEACHER, until_s=100)
    state.apply(SourceLost(source="teacher", epoch=0, at=moment(101), reason="stalled"))
    state.apply(epoch_started(TEACHER, 1, at=moment(200)))
    assert room_health(state, moment(201)).status is RoomStatus.TROUBLE


def test_an_epoch_that_never_delivers_is_late_again() -> None:
    state = lesson(TEACHER)
    deliver(state, TEACHER, until_s=10)
    state.apply(epoch_started(TEACHER, 1, at=moment(40)))
    assert feeds(state, moment(40 + GRACE_S + 1)) == {"teacher": SourceStatus.LATE}


def test_a_source_that_finished_before_the_stop_is_trouble() -> None:
    state = lesson(TEACHER)
    deliver(state, TEACHER, until_s=10)
    state.apply(SourceFinished(source="teacher", at=moment(11)))
    assert feeds(state, moment(11)) == {"teacher": SourceStatus.FINISHED}
    assert room_health(state, moment(11)).status is RoomStatus.TROUBLE


@pytest.mark.parametrize("anchored", [True, False])
def test_age_counts_from_the_end_of_the_newest_media(anchored: bool) -> None:
    state = lesson(TEACHER)
    deliver(state, TEACHER, until_s=10, anchored=anchored)
    assert segment_age_s(state.sources["teacher"], moment(13)) == pytest.approx(3.0)


def test_age_after_a_reboot_is_by_the_wall_clock() -> None:
    state = lesson(TEACHER)
    deliver(state, TEACHER, until_s=10)
    rebooted = Moment("boot-2", 5_000_000_000, moment(310).wall)
    assert segment_age_s(state.sources["teacher"], rebooted) == pytest.approx(300.0)
    assert room_health(state, rebooted).status is RoomStatus.TROUBLE


def test_nothing_committed_has_no_age() -> None:
    state = lesson(TEACHER)
    state.apply(epoch_started(TEACHER, 0, at=moment(1)))
    assert segment_age_s(state.sources["teacher"], moment(5)) is None


def measured(state: LessonState, spec: SourceSpec, seq: int, *flaws: Flaw) -> None:
    state.apply(
        SegmentMeasured(
            source=spec.id, epoch=0, seq=seq, flaws=tuple(flaws), sound=SOUND if spec.role is Role.MIC else None,
            picture=None if spec.role is Role.MIC else PICTURE,
        )
    )  # fmt: skip


def looked_at(*flaws: Flaw, spec: SourceSpec = TEACHER, others: tuple[SourceSpec, ...] = (MIC, STUDENTS)) -> RoomHealth:
    """The room at second 13, when three segments of every source were looked at."""
    state = lesson(spec, *others)
    for seq in range(3):
        for one in (spec, *others):
            deliver(state, one, until_s=4.0 * seq + 4, seq=seq)
            measured(state, one, seq, *(flaws if one is spec else ()))
    return room_health(state, moment(13))


@pytest.mark.parametrize("flaw", [flaw for flaw in Flaw if flaw is not Flaw.FAINT])
@pytest.mark.parametrize("required", [True, False])
def test_a_flaw_is_said_and_is_trouble_where_something_needed_is_useless(flaw: Flaw, required: bool) -> None:
    role = Role.MIC if FLAW_KINDS[flaw] is Kind.AUDIO else Role.BOARD
    health = looked_at(flaw, spec=source(role, "it", required=required), others=(TEACHER, MIC))
    assert health.sources[0].flaws == (flaw.value,)
    assert health.flawed
    trouble = required and flaw in USELESS
    assert health.status is (RoomStatus.TROUBLE if trouble else RoomStatus.RECORDING)


def test_without_a_flaw_all_is_well_and_levels_are_known() -> None:
    health = looked_at()
    assert (health.status, health.flawed) == (RoomStatus.RECORDING, False)
    assert [(one.measured, one.peak_db) for one in health.sources] == [(True, None), (True, -6.0), (True, None)]


@pytest.mark.parametrize(("others", "flaws"), [((MIC,), ()), ((STUDENTS,), ("silent",))])
def test_the_sound_of_a_camera_counts_only_where_it_is_the_voice(
    others: tuple[SourceSpec, ...], flaws: tuple[str, ...]
) -> None:
    state = lesson(TEACHER, *others)
    streams = (StreamInfo(kind=Kind.VIDEO, codec="h264"), StreamInfo(kind=Kind.AUDIO, codec="aac"))
    state.apply(epoch_started(TEACHER, streams=streams))
    for seq in range(3):
        deliver(state, TEACHER, until_s=4.0 * seq + 4, seq=seq, both=True)
        for one in others:
            deliver(state, one, until_s=4.0 * seq + 4, seq=seq)
        silent = SegmentMeasured(source="teacher", epoch=0, seq=seq, picture=PICTURE, sound=SOUND, flaws=("silent",))
        state.apply(silent)
    assert room_health(state, moment(13)).sources[0].flaws == flaws


def test_what_was_found_long_ago_says_nothing_of_now() -> None:
    state = lesson(TEACHER)
    for seq in range(3):
        deliver(state, TEACHER, until_s=4.0 * seq + 4, seq=seq)
        measured(state, TEACHER, seq, Flaw.BLACK)
    for seq in range(3, 8):
        deliver(state, TEACHER, until_s=4.0 * seq + 4, seq=seq)
    (found,) = room_health(state, moment(33)).sources
    assert (found.measured, found.flaws, found.unchecked) == (False, (), True)


def test_what_nobody_could_look_at_is_not_known_to_be_well() -> None:
    state = lesson(TEACHER)
    for seq in range(6):
        deliver(state, TEACHER, until_s=4.0 * seq + 4, seq=seq)
        state.apply(SegmentMeasured(source="teacher", epoch=0, seq=seq, problem="holds what nobody can decode"))
        (found,) = room_health(state, moment(4.0 * seq + 5)).sources
        assert not found.measured
        assert found.unchecked == (seq >= 3), "a lesson that begins has time"
    deliver(state, TEACHER, until_s=28, seq=6)
    measured(state, TEACHER, 6)
    assert not room_health(state, moment(29)).sources[0].unchecked


SPARE = source(Role.MIC, "ceiling")
BACKED = replace(MIC, backup="ceiling")


def heard(state: LessonState, spec: SourceSpec, *flaws: str) -> None:
    for seq in range(4):
        deliver(state, spec, until_s=46 + 4 * seq, seq=seq)
        state.apply(SegmentMeasured(source=spec.id, epoch=0, seq=seq, sound=SOUND, flaws=flaws))


@pytest.mark.parametrize("flaw", [flaw for flaw in Flaw if FLAW_KINDS[flaw] is Kind.AUDIO])
def test_a_backup_saves_the_lesson_from_a_microphone_nobody_hears_and_the_room_says_so(flaw: Flaw) -> None:
    state = lesson(BACKED, SPARE)
    heard(state, BACKED, flaw.value)
    heard(state, SPARE)
    for seq in range(4, 30 if flaw is Flaw.FAINT else 4):
        deliver(state, BACKED, until_s=46 + 4 * seq, seq=seq)
        state.apply(SegmentMeasured(source="mic", epoch=0, seq=seq, sound=SOUND, flaws=(flaw.value,)))
    room = room_health(state, moment(60))
    assert [one.backup for one in room.sources] == ["ceiling" if flaw in USELESS else None, None]
    assert room.status is RoomStatus.RECORDING
    assert room.flawed, "and yet it is not all well"


def test_a_backup_that_is_lost_or_as_silent_saves_nothing() -> None:
    for spoil in (Flaw.SILENT.value, None):
        state = lesson(BACKED, SPARE)
        heard(state, BACKED, Flaw.SILENT.value)
        heard(state, SPARE, *([spoil] if spoil else []))
        if spoil is None:
            state.apply(SourceLost(source="ceiling", epoch=0, at=moment(59), reason="unplugged"))
        room = room_health(state, moment(60))
        assert [one.backup for one in room.sources] == [None, None]
        assert room.status is RoomStatus.TROUBLE


def test_a_backup_saves_the_lesson_from_a_microphone_that_is_lost_but_no_camera_from_being_missed() -> None:
    camera = replace(TEACHER, backup="ceiling")
    state = lesson(BACKED, SPARE, camera)
    for spec in (BACKED, SPARE):
        heard(state, spec)
    deliver(state, camera, until_s=58)
    state.apply(SourceLost(source="mic", epoch=0, at=moment(59), reason="unplugged"))
    room = room_health(state, moment(60))
    assert room.status is RoomStatus.RECORDING
    assert [one.backup for one in room.sources] == ["ceiling", None, None]
    state.apply(SourceLost(source="teacher", epoch=0, at=moment(59), reason="unplugged"))
    room = room_health(state, moment(60))
    assert room.status is RoomStatus.TROUBLE
    assert [one.backup for one in room.sources] == ["ceiling", None, None]
