"""From what devices answered to cameras: which streams there are, which one is recorded, and what is in the way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import ip_address

from capture.discovery.addresses import stream_address
from lesson.titles import derived_title

_TRACKED = (640, 360)
"""What detectors look at (`tracking/detectors`): a smaller picture would be worse than the large one scaled down."""
_CODECS = {"h264": "h264", "h265": "hevc", "jpeg": "mjpeg", "mpeg4": "mpeg4"}
_RECORDED_FIRST = ("h264", "hevc")
"""Others are stills one after another, or older than what cameras make well."""


_MEANT = 4
"""Characters: a shorter password stands in words by accident."""


class CameraTrouble(StrEnum):
    """Why a device that was found says less than it should."""

    PASSWORD_NEEDED = "password_needed"  # noqa: S105  # a code
    PASSWORD_REFUSED = "password_refused"  # noqa: S105  # a code
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"
    NO_STREAM = "no_stream"
    LOGIN_IN_ADDRESS = "login_in_address"


_ELSEWHERE = frozenset({CameraTrouble.NO_ANSWER, CameraTrouble.UNREACHABLE})
"""A device that answers at another of its addresses is only not reached at this one."""
_PASSWORD = frozenset({CameraTrouble.PASSWORD_NEEDED, CameraTrouble.PASSWORD_REFUSED})


@dataclass(frozen=True, slots=True)
class Contact:
    """A device that answered a probe from `address`, and where it is asked. `name`: as it was given it, raw."""

    endpoint: str
    address: str
    url: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaProfile:
    """One way in which a device streams one of its video sources, as it says; sizes in pixels, 0 where unknown."""

    name: str = ""
    video_source: str = ""
    encoding: str = ""
    width: int = 0
    height: int = 0
    fps: int = 0
    uri: str = ""


@dataclass(slots=True)
class Interview:
    """What a device answered, as far as it came. `detail`: what was wrong, in few words of ours."""

    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    profiles: list[MediaProfile] = field(default_factory=list)
    trouble: CameraTrouble | None = None
    detail: str = ""
    logged_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraStream:
    """A stream that can be opened at `uri`, which holds no credentials. `fps`: at most."""

    uri: str
    codec: str
    width: int
    height: int
    fps: int
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """One picture that a device offers, or a device that does not say which. All texts are one line, cleaned.

    `also_at`: other addresses of the same device. `video_source`: its number on the device, from 1.
    """

    endpoint: str
    address: str
    name: str
    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    video_source: int = 1
    streams: tuple[CameraStream, ...] = ()
    needs_password: bool = False
    trouble: CameraTrouble | None = None
    detail: str = ""
    also_at: tuple[str, ...] = ()

    @property
    def main(self) -> CameraStream | None:
        """The stream to record: the largest."""
        return self.streams[0] if self.streams else None

    @property
    def substream(self) -> CameraStream | None:
        """The smallest one that shows detectors as much as the main stream does; None if there is none beside it."""
        fit = [
            stream
            for stream in self.streams[1:]
            if stream.width >= _TRACKED[0] and stream.height >= _TRACKED[1] and stream.codec in _RECORDED_FIRST
        ]
        main = self.streams[0] if fit else None
        smaller = [s for s in fit if main and s.width * s.height < main.width * main.height and s.uri != main.uri]
        return min(smaller, key=lambda stream: (stream.width * stream.height, stream.uri), default=None)


def cameras_of(contact: Contact, told: Interview, password: str | None = None) -> list[Camera]:
    """A camera for each video source of a device; one without streams where it names none that can be opened.

    `password`: what was used to log in; no text of the device is passed on with it.
    """
    words = _Cleaner(password)
    manufacturer, model, serial = map(words.clean, (told.manufacturer, told.model, told.serial))
    camera = Camera(
        endpoint=words.clean(contact.endpoint),
        address=contact.address,
        name=words.clean(contact.name, f"{manufacturer} {model}", contact.address),
        manufacturer=manufacturer,
        model=model,
        serial=serial,
        needs_password=told.logged_in or told.trouble in _PASSWORD,
        trouble=told.trouble,
        detail=told.detail,
    )
    by_source: dict[str, list[MediaProfile]] = defaultdict(list)
    for profile in told.profiles:
        by_source[profile.video_source].append(profile)
    if not by_source:
        return [camera if camera.trouble else replace(camera, trouble=CameraTrouble.NO_STREAM)]
    return [
        _with_streams(replace(camera, video_source=number), profiles, words)
        for number, profiles in enumerate(by_source.values(), 1)
    ]


def _with_streams(camera: Camera, profiles: Sequence[MediaProfile], words: _Cleaner) -> Camera:
    streams: dict[str, CameraStream] = {}
    had_login = lost = False
    for profile in profiles:
        found = stream_address(profile.uri, camera.address, words.password)
        had_login |= found.had_login
        lost |= found.had_login and found.uri is None
        if found.uri is not None and found.uri not in streams:
            codec = words.clean(profile.encoding).lower()
            streams[found.uri] = CameraStream(
                uri=found.uri,
                codec=_CODECS.get(codec, codec),
                width=profile.width,
                height=profile.height,
                fps=profile.fps,
                profile=words.clean(profile.name),
            )
    ordered = sorted(
        streams.values(), key=lambda s: (s.codec in _RECORDED_FIRST, s.width * s.height, s.fps), reverse=True
    )
    nothing = CameraTrouble.LOGIN_IN_ADDRESS if lost else CameraTrouble.NO_STREAM
    return replace(
        camera,
        streams=tuple(ordered),
        needs_password=camera.needs_password or had_login,
        trouble=camera.trouble or (None if ordered else nothing),
    )


class _Cleaner:
    """The words of devices as one line each, by the project's one rule, without the password."""

    def __init__(self, password: str | None) -> None:
        self.password = password

    def clean(self, *candidates: str) -> str:
        """The first that says something; the password is looked for in what is left."""
        line = derived_title(*candidates)
        secret = self.password if self.password and len(self.password) >= _MEANT else None
        return line.replace(secret, "***") if secret else line


def merged(cameras: Iterable[Camera]) -> list[Camera]:
    """Each device once, in the order of addresses; cheap devices share their endpoint, and hostile ones borrow one.

    So of devices with one endpoint only those are the same that also say the same of themselves, or are not reached.
    """
    groups: dict[str, list[Camera]] = defaultdict(list)
    for camera in sorted(cameras, key=lambda camera: (ip_address(camera.address), camera.video_source)):
        groups[camera.endpoint or camera.address].append(camera)
    found = [one for group in groups.values() for one in _same(group)]
    return sorted(found, key=lambda camera: (ip_address(camera.address), camera.video_source))


def _same(group: Sequence[Camera]) -> Iterator[Camera]:
    reached = [camera for camera in group if camera.trouble not in _ELSEWHERE] or list(group)
    apart = {camera.address for camera in group} - {camera.address for camera in reached}
    alike: dict[tuple[object, ...], list[Camera]] = defaultdict(list)
    for camera in reached:
        alike[_identity(camera)].append(camera)
    for same in alike.values():
        others = apart | {camera.address for camera in same} - {same[0].address}
        yield replace(same[0], also_at=tuple(sorted(others, key=ip_address)))


def _identity(camera: Camera) -> tuple[object, ...]:
    paths = tuple(stream.uri.split("//", 1)[1].partition("/")[2] for stream in camera.streams)
    name = camera.name if camera.name != camera.address else ""
    return (camera.video_source, name, camera.manufacturer, camera.model, camera.serial, camera.trouble, paths)
