"""What the pages call each state, role and fault: English, marked for the catalogues. Shorter than the codes' docs."""

from __future__ import annotations

from collections.abc import Mapping

from api.health import RoomStatus, SourceStatus
from lesson.box import Fault
from lesson.listing import DAMAGED
from lesson.model import Kind, Role
from lesson.phase import Phase
from lesson.signal import Flaw
from lesson.translatable import gettext_noop

ROOM_STATUSES: Mapping[str, str] = {
    RoomStatus.IDLE: gettext_noop("Ready"),
    RoomStatus.STARTING: gettext_noop("Starting …"),
    RoomStatus.RECORDING: gettext_noop("Recording"),
    RoomStatus.TROUBLE: gettext_noop("Something is missing"),
}
UNTESTED = gettext_noop("Not tested yet")
"""While the room waits for a lesson, and nobody has looked at what all sources deliver."""
HINTS: Mapping[str, str] = {
    RoomStatus.IDLE: gettext_noop("Press the button when the lesson begins."),
    RoomStatus.STARTING: gettext_noop("The cameras are waking up. This takes a few seconds."),
    RoomStatus.RECORDING: gettext_noop("Everything is being recorded. You may close this page."),
    RoomStatus.TROUBLE: gettext_noop("See below which source is missing. What arrives is being recorded."),
}
HINT_PARTLY = gettext_noop("The lesson is being recorded, but something is wrong with a part of it: see below.")
"""While everything needed is recorded, and something else is not, or not well."""
HINT_USELESS = gettext_noop("Something needed is recorded, but useless: see below, and mend it now.")
"""In trouble although everything needed arrives."""
HINT_BLOCKED = gettext_noop("Nothing can be recorded now. Please call the technician.")
"""In trouble without a lesson."""
HINT_AWAY = gettext_noop("Something is not right: see below. You may begin, what arrives is recorded.")
"""Without a lesson, while something does not stand by, or is black or silent."""
HINT_TESTING = gettext_noop("Cameras and microphones are being tested. This takes a few seconds.")
HINT_RESTING = gettext_noop("Cameras and microphones rest. Press “Test now” to see whether all is well.")
"""Without a lesson, while nobody has looked lately at what they deliver."""
TEST_NOW = gettext_noop("Test now")
RESTS = gettext_noop("rests until a lesson begins")
HINT_NOTHING = gettext_noop("Nothing is being recorded at the moment. Please call the technician.")
"""In trouble with a lesson, while no source delivers."""
FLAWS: Mapping[str, str] = {
    Flaw.BLACK: gettext_noop("The picture is black. Take the cap off the lens, or switch the light on."),
    Flaw.COVERED: gettext_noop("Something covers the lens. Please look at the camera."),
    Flaw.UNDECODABLE: gettext_noop("The picture is broken. Unplug the camera and plug it in again."),
    Flaw.FROZEN: gettext_noop("The picture stands still. Unplug the camera and plug it in again."),
    Flaw.SILENT: gettext_noop("No sound is heard. Please switch the microphone on."),
    Flaw.FAINT: gettext_noop("Hardly any sound is heard. Is this the right microphone?"),
    Flaw.CLIPPED: gettext_noop("The sound is distorted. Please turn the microphone down."),
    Flaw.HUM: gettext_noop("Only humming is heard. Please look at the cable of the microphone."),
}
"""What a teacher is told about what a source records, and what to do."""
BACKUP = gettext_noop("Instead of it, %(backup)s is heard and recorded.")
"""Of a microphone of which nothing can be heard."""
UNCHECKED = gettext_noop("It is not known yet whether this can be seen and heard.")
KINDS: Mapping[str, str] = {Kind.VIDEO: gettext_noop("picture"), Kind.AUDIO: gettext_noop("sound")}
SOURCE_STATUSES: Mapping[str, str] = {
    SourceStatus.STANDBY: gettext_noop("on standby"),
    SourceStatus.WAITING: gettext_noop("waiting for the signal"),
    SourceStatus.RECORDING: gettext_noop("is being recorded"),
    SourceStatus.LATE: gettext_noop("nothing new is arriving"),
    SourceStatus.LOST: gettext_noop("no signal"),
    SourceStatus.FINISHED: gettext_noop("finished"),
}
ROLES: Mapping[str, str] = {
    Role.TEACHER: gettext_noop("Teacher"),
    Role.TEACHER_CLOSEUP: gettext_noop("Teacher, close"),
    Role.STUDENTS: gettext_noop("Students"),
    Role.STUDENTS_CLOSEUP: gettext_noop("Students, close"),
    Role.BOARD: gettext_noop("Board"),
    Role.SCREEN: gettext_noop("Screen"),
    Role.MIC: gettext_noop("Microphone"),
}
STATES: Mapping[str, str] = {
    Phase.CREATED: gettext_noop("not started"),
    Phase.RECORDING: gettext_noop("being recorded"),
    Phase.PROCESSING: gettext_noop("being prepared"),
    Phase.PUBLISHED: gettext_noop("stored safely"),
    Phase.EMPTY: gettext_noop("nothing recorded"),
    DAMAGED: gettext_noop("damaged"),
}
FAULTS: Mapping[str, str] = {
    Fault.CAPTURE_FAILS: gettext_noop("A camera or microphone is not working. Please call the technician."),
    Fault.STAGE_GIVEN_UP: gettext_noop("Preparing lessons is held up. Recording goes on; the technician should look."),
    Fault.STAGE_HANGS: gettext_noop("Preparing lessons is held up. Recording goes on; the technician should look."),
    Fault.STORE_REFUSES: gettext_noop("The store refuses our lessons. They are kept here; the technician should look."),
    Fault.STORE_UNREACHABLE: gettext_noop(
        "The line to the store is down. Lessons are kept here and sent when it is back."
    ),
    Fault.LESSON_STUCK: gettext_noop("An earlier lesson could not be finished yet. It is tried again."),
    Fault.LESSON_DAMAGED: gettext_noop("An earlier lesson is damaged. The technician should look."),
    Fault.DISK_LOW: gettext_noop("The disk is nearly full. Please call the technician."),
    Fault.DISK_SLOW: gettext_noop("The disk is very slow. Please call the technician."),
    Fault.DISK_REFUSES: gettext_noop("The disk takes nothing more. Please call the technician."),
    Fault.CONDUCTOR_HANGS: gettext_noop("The recorder does not answer the button. Please call the technician."),
    Fault.VOICE_LOST: gettext_noop("No sound is being recorded any more. Please call the technician."),
    Fault.NO_VOICE: gettext_noop("This lesson has no sound so far. Please call the technician."),
    Fault.SIGNAL_UNCHECKED: gettext_noop(
        "Recording goes on, but pictures and sound are not being checked. The technician should look."
    ),
    Fault.SOURCE_FLAWED: gettext_noop("A camera or microphone needs a look: see below."),
    Fault.CLOCK_UNTRUSTED: gettext_noop("The recorder's clock is wrong. Recording goes on."),
}
"""What a teacher is told of a fault; `lesson.box.remedy` is what a technician is told."""
AFTERWARDS: Mapping[str, str] = {
    Phase.PROCESSING: gettext_noop("Please leave the recorder switched on until this lesson is stored safely."),
    Phase.PUBLISHED: gettext_noop("The recorder may be switched off."),
    Phase.EMPTY: gettext_noop("Nothing arrived from cameras and microphones while it ran."),
    DAMAGED: gettext_noop("The technician should look at this lesson."),
}
"""What the last lesson asks of a teacher who wants to go home."""
