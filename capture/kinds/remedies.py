"""What helps against each fault of a source, where its kind knows nothing better."""

from __future__ import annotations

from collections.abc import Mapping

from lesson.source_fault import SourceFault

EVERYWHERE: Mapping[SourceFault, str] = {
    SourceFault.BAD_ADDRESS: "correct uri of this source in classroom.toml",
    SourceFault.NO_CREDENTIAL: "set that variable for the classreel service (EnvironmentFile= of its systemd unit)",
    SourceFault.REFUSED: "wrong user or password: check what user_env and password_env name",
    SourceFault.NO_SUCH_STREAM: "the camera answers but has no such stream: check the path in uri",
    SourceFault.NOT_SERVED: "the device is there but serves nothing on this port: switch RTSP on in it, check port",
    SourceFault.UNREACHABLE: "nobody answers at this address: check power, network cable and IP address",
    SourceFault.NO_ANSWER: (
        "it takes connections but does not answer as a camera does: restart it, check IP address and port"
    ),
    SourceFault.ABSENT: "not plugged in, or under another name: look for it and correct uri",
    SourceFault.BUSY: "another program uses it: close that, or find it with fuser -v",
    SourceFault.NOT_PERMITTED: "add the user of classreel to the groups video and audio",
    SourceFault.NO_DRIVER: "install what the line names",
    SourceFault.NOT_SENT: "nobody sends: start the encoder, and give it this box's address",
    SourceFault.SILENT: "it connects but is silent: restart the device",
    SourceFault.HANGS: "unplug the device and plug it in again, or restart the box",
    SourceFault.UNUSABLE: "nothing in it can be recorded: choose another",
    SourceFault.UNKNOWN: "check power, cable and address of this feed",
}
