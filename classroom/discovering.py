"""`classreel discover`: the network's cameras as a JSON object, or as `[[sources]]` to paste into `classroom.toml`."""

from __future__ import annotations

import asyncio
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from capture.discovery.cameras import Camera, CameraStream, CameraTrouble
from capture.discovery.interview import OnvifLogin
from capture.discovery.network import LISTEN_S, NetworkInterface, all_interfaces, interface_of
from capture.discovery.survey import Survey, survey
from lesson.errors import ClassreelError, ConfigError
from lesson.model import Role

_MAX_ID = 40
_NAME_LOGIN = (
    "put its user and password into two variables of the environment and name them: --user-env CAM_USER"
    " --password-env CAM_PASS"
)
_WORDS = {
    CameraTrouble.PASSWORD_NEEDED: ("demands a password", _NAME_LOGIN),
    CameraTrouble.PASSWORD_REFUSED: (
        "refuses this user and password",
        "look whether they are those of an ONVIF user, and not locked after too many tries",
    ),
    CameraTrouble.NO_ANSWER: (
        "was found and then did not answer in time",
        "ask again; if it stays so, restart the camera",
    ),
    CameraTrouble.UNREACHABLE: (
        "was found but takes no connection",
        "switch ONVIF on in the camera's settings, and look whether a firewall lies between",
    ),
    CameraTrouble.UNREADABLE: (
        "gives answers that cannot be read",
        "update the camera's firmware, or take the address of its stream from its manual",
    ),
    CameraTrouble.NO_STREAM: (
        "names no RTSP stream",
        "switch RTSP on in the camera's settings, or take the address of its stream from its manual",
    ),
    CameraTrouble.LOGIN_IN_ADDRESS: (
        "has its password in the path of its stream's address",
        "no password stands in classroom.toml: look in its manual for an address that takes it as an RTSP login",
    ),
}
_NOTHING = (
    "look whether cameras have power and network, are in this machine's network (the question passes no router),"
    " and have ONVIF switched on; a firewall here must let in UDP from port 3702. Or write the camera's"
    " rtsp:// address from its manual"
)


class NoNetworkError(ClassreelError):
    """The question went to no network, so nothing can be said of one."""


@dataclass(frozen=True, slots=True)
class LoginReference:
    """Names of the variables that hold user and password of the cameras."""

    user_env: str | None = None
    password_env: str | None = None

    def login(self) -> OnvifLogin | None:
        """What they hold. Raises `ConfigError` where one is named and the other is not, or is not set."""
        if self.user_env is None and self.password_env is None:
            return None
        if self.user_env is None or self.password_env is None:
            raise ConfigError("--user-env and --password-env go together: cameras ask for both")
        for option, name in (("--user-env", self.user_env), ("--password-env", self.password_env)):
            if name not in os.environ:
                raise ConfigError(f"{option}: the environment variable {name} is not set")
        return OnvifLogin(os.environ[self.user_env], os.environ[self.password_env])


def discover(reference: LoginReference, interfaces: Sequence[str], say: Callable[[str], None]) -> Survey:
    """Look for cameras on the named interfaces, or on all; `say` is told how it goes.

    Raises:
        ConfigError: an interface or a variable that there is not.
        NoNetworkError: the question could not be sent, so that finding none means nothing.
    """
    login = reference.login()
    where = [interface_of(text) for text in interfaces] or all_interfaces()
    say(f"asking {_names(where)} for cameras, {LISTEN_S:.0f} s …")
    result = asyncio.run(survey(where, login, found=lambda camera: say(_progress(camera))))
    for address in result.garbled:
        say(f"{address} answered what nobody can read; it is left out unless it also answered well")
    for address in result.left_out:
        say(f"{address} says that it is more devices than are asked: some are left out")
    if not result.cameras:
        if all(interface.is_loopback for interface in result.reached) and not interfaces:
            raise NoNetworkError("this machine is in no network: plug in its cable, or join the cameras' Wi-Fi")
        if not result.reached:
            raise NoNetworkError(f"the question could not be sent on {_names(where)}: is it up, and has it an address?")
        say(f"no camera answered on {_names(result.reached)}: {_NOTHING}")
    return result


def _names(interfaces: Sequence[NetworkInterface]) -> str:
    return ", ".join(interface.name for interface in interfaces)


def _progress(camera: Camera) -> str:
    trouble = f" {_WORDS[camera.trouble][0]}" if camera.trouble else f": {_stream(camera.main)}"
    return f"{camera.address}, {camera.name}{trouble}"


def discovery_result(cameras: Sequence[Camera]) -> dict[str, Any]:
    """The contract's object, `{"cameras": [{uri, name, manufacturer, streams[], …}]}`.

    `uri`: the stream to record, null where it is not known, which `problem` and `remedy` are about.
    """
    return {"cameras": [_entry(camera) for camera in cameras]}


def _entry(camera: Camera) -> dict[str, Any]:
    values = asdict(camera)
    values.pop("trouble")
    problem, remedy = _WORDS[camera.trouble] if camera.trouble else ("", "")
    return {
        "uri": camera.main.uri if camera.main else None,
        "substream": camera.substream.uri if camera.substream else None,
        **values,
        "code": camera.trouble,
        "problem": problem,
        "remedy": remedy,
    }


def source_blocks(cameras: Sequence[Camera], reference: LoginReference) -> str:
    """Text to paste into `classroom.toml`: a block for each camera, and a comment for what is in the way of one."""
    ids = unique_ids([camera.name for camera in cameras])
    return "\n\n".join(
        "\n".join(_block(camera, id_, reference) if camera.main else _comment(camera))
        for camera, id_ in zip(cameras, ids, strict=True)
    )


def _comment(camera: Camera) -> Iterator[str]:
    yield f"# {_about(camera)}"
    if camera.trouble:
        problem, remedy = _WORDS[camera.trouble]
        yield f"# {problem}{f' ({camera.detail})' if camera.detail else ''}: {remedy}"


def _block(camera: Camera, id_: str, reference: LoginReference) -> Iterator[str]:
    yield from _comment(camera)
    yield f"# {_stream(camera.main)}; streams in all: {len(camera.streams)}"
    yield "[[sources]]"
    yield f"id = {_quoted(id_)}"
    yield f"role = {_quoted(Role.TEACHER)}  # or what else it shows: {', '.join(role for role in Role)}"
    yield f"uri = {_quoted(camera.main.uri if camera.main else '')}"
    if camera.substream:
        yield f"substream = {_quoted(camera.substream.uri)}"
    if camera.needs_password or reference.password_env:  # some tell anybody their streams, and give them to no one
        yield f"user_env = {_quoted(reference.user_env or 'CAM_USER')}  # variables that hold its user and password"
        yield f"password_env = {_quoted(reference.password_env or 'CAM_PASS')}"


def _about(camera: Camera) -> str:
    known = " ".join(word for word in (camera.manufacturer, camera.model) if word and word not in camera.name)
    also = f" (also at {', '.join(camera.also_at)})" if camera.also_at else ""
    source = f", picture {camera.video_source}" if camera.video_source > 1 else ""
    return ", ".join(filter(None, (camera.name, known, camera.address))) + also + source


def _stream(stream: CameraStream | None) -> str:
    if stream is None:
        return "no stream"
    size = f"{stream.width}x{stream.height}" if stream.width and stream.height else "of unknown size"
    return " ".join(filter(None, (size, stream.codec, f"{stream.fps} fps" if stream.fps else "")))


def _quoted(text: str) -> str:
    """A basic string of TOML: as one of JSON, for text without control characters."""
    return json.dumps(text, ensure_ascii=False)


def unique_ids(names: Sequence[str]) -> list[str]:
    """An id for each name, in its letters as far as ids have them; the second of a kind is `…-2`."""
    taken: set[str] = set()
    found = []
    for name in names:
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_MAX_ID].strip("-") or "camera"
        number, id_ = 1, stem
        while id_ in taken:
            number += 1
            id_ = f"{stem}-{number}"
        taken.add(id_)
        found.append(id_)
    return found
