"""One ONVIF device is asked who it is and what it streams: at the host that answered, within seconds, never trusted.

`onvif-zeep-async` knows the services; its `ONVIFService` is used, as its `ONVIFCamera` asks every device at one fixed
path, takes the URLs that a device names, and reads answers of any size.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import onvif  # type: ignore[import-untyped]  # neither it nor zeep and lxml, which it stands on, are typed
from lxml import etree  # type: ignore[import-untyped]
from onvif.definition import SERVICES  # type: ignore[import-untyped]
from onvif.settings import DEFAULT_SETTINGS  # type: ignore[import-untyped]
from onvif.util import is_auth_error  # type: ignore[import-untyped]
from zeep.exceptions import Error, Fault

from capture.discovery.addresses import service_url
from capture.discovery.cameras import CameraTrouble, Contact, Interview, MediaProfile
from capture.discovery.screening import MAX_BYTES, HostAllowance, UnreadableAnswerError
from lesson.errors import ClassreelError

CALL_S = 4.0
"""For one answer of a device."""
INTERVIEW_S = 10.0
"""For all answers of a device."""
MAX_PROFILES = 96
"""Of one device; a recorder of 32 channels has three for each."""
_MAX_PIXELS = 32_768
_MAX_TEXT = 2_000
_WSDL = Path(onvif.__file__).parent / "wsdl"
_READ = 65_536
_UNREADABLE = (
    *(Error, etree.LxmlError, onvif.ONVIFError),
    *(ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError),
)
"""What zeep raises over answers that are not what they should be."""


@dataclass(frozen=True, slots=True)
class OnvifLogin:
    """A user of cameras; sent to devices that demand one only, and only as digests."""

    user: str
    password: str = field(repr=False)


class _NotAuthorisedError(ClassreelError):
    """The device demands a login, or refuses the one it was given."""


@dataclass(frozen=True, slots=True)
class _SoapReply:
    """What zeep reads of an HTTP answer. `headers`: none, so that nothing but plain XML is looked for in it."""

    status_code: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"


class _ScreenedTransport:
    """What zeep calls a transport: posts to one device, follows nothing, and reads answers up to a size."""

    def __init__(self, session: aiohttp.ClientSession, login: OnvifLogin | None, allowance: HostAllowance) -> None:
        self._session = session
        self._allowance = allowance
        self._middlewares = (aiohttp.DigestAuthMiddleware(login.user, login.password),) if login else ()

    async def aclose(self) -> None:
        """The session is the interview's."""

    async def post_xml(self, address: str, envelope: Any, headers: Mapping[str, str]) -> _SoapReply:
        """Raises `UnreadableAnswerError`, `_NotAuthorisedError`, and what aiohttp raises."""
        async with self._session.post(
            address,
            data=etree.tostring(envelope, xml_declaration=True, encoding="utf-8"),
            headers={**headers, "Accept-Encoding": "identity"},
            middlewares=self._middlewares,
            allow_redirects=False,
            ssl=False,  # cameras sign their own certificates
        ) as response:
            content = bytearray()
            async for block in response.content.iter_chunked(_READ):
                content += block
                if len(content) > MAX_BYTES:
                    raise UnreadableAnswerError(f"answers more than {MAX_BYTES // 1000} kB")
        if response.status == 401:
            raise _NotAuthorisedError("a login is needed")
        if not content:
            raise UnreadableAnswerError(f"answers HTTP {response.status} and nothing else")
        self._allowance.screen(bytes(content))
        return _SoapReply(response.status, bytes(content))


class _OnvifDevice:
    """The services of one device. The login is sent once it is demanded, by the clock of the device."""

    def __init__(
        self, contact: Contact, login: OnvifLogin | None, session: aiohttp.ClientSession, allowance: HostAllowance
    ) -> None:
        self._contact = contact
        self._allowance = allowance
        self._login = login
        self._session = session
        self._urls = {"devicemgmt": contact.url}
        self._services: dict[str, Any] = {}
        self._offset: timedelta | None = None
        self.logged_in = False

    async def ask(self, service: str, operation: str, params: Mapping[str, Any] | None = None) -> Any:
        """Raises `_NotAuthorisedError`, `Fault` and whatever a wrong answer raises."""
        try:
            return await self._call(service, operation, params)
        except _NotAuthorisedError:
            if self._login is None or self.logged_in:
                raise
        self._offset = await self._clock_offset()
        await self.close()
        self.logged_in = True
        return await self._call(service, operation, params)

    async def _call(self, service: str, operation: str, params: Mapping[str, Any] | None) -> Any:
        if service not in self._services:
            self._services[service] = await self._open(service)
        call = getattr(self._services[service], operation if self.logged_in else f"authless_{operation}")
        try:
            async with asyncio.timeout(CALL_S):
                return await call(dict(params or {}))
        except Fault as fault:
            if is_auth_error(fault):
                raise _NotAuthorisedError("a login is needed") from fault
            raise

    async def prepare(self) -> None:
        """Ready to ask, but asks nothing."""
        self._urls["media"] = self._contact.url
        for service in self._urls:
            self._services[service] = await self._open(service)
        await self.close()

    async def _open(self, service: str) -> Any:
        login = self._login if self.logged_in else None
        known = SERVICES[service]
        opened = onvif.ONVIFService(
            self._urls[service],
            login.user if login else None,
            login.password if login else None,
            str(_WSDL / known["wsdl"]),
            no_cache=True,  # else it writes a database into the home of who runs this
            dt_diff=self._offset,
            binding_name=f"{{{known['ns']}}}{known['binding']}",
        )
        opened.transport = _ScreenedTransport(self._session, login, self._allowance)
        await opened.setup()
        return opened

    async def _clock_offset(self) -> timedelta | None:
        """How far the device's clock is ahead: one that was never set refuses digests of our time."""
        try:
            at = _part(await self._call("devicemgmt", "GetSystemDateAndTime", None), "UTCDateTime")
            date, time = _part(at, "Date"), _part(at, "Time")
            there = datetime(date.Year, date.Month, date.Day, time.Hour, time.Minute, min(time.Second, 59), tzinfo=UTC)
            return there - datetime.now(UTC)
        except (_NotAuthorisedError, UnreadableAnswerError, *_UNREADABLE):
            return None

    async def find_media(self) -> bool:
        """Whether it has the media service, which may be at any path and port of it."""
        url = service_url(await self._named_services(), self._contact.address)
        if url is None:  # devices from before 2011 know this question only
            told = await self.ask("devicemgmt", "GetCapabilities", {"Category": ["Media"]})
            url = service_url([_text(told, "Media", "XAddr")], self._contact.address)
        if url is not None:
            self._urls["media"] = url
        return url is not None

    async def _named_services(self) -> list[str]:
        try:
            services = await self.ask("devicemgmt", "GetServices", {"IncludeCapability": False})
            return [_text(one, "XAddr") for one in services or [] if _text(one, "Namespace") == SERVICES["media"]["ns"]]
        except (UnreadableAnswerError, *_UNREADABLE):
            return []

    async def close(self) -> None:
        for service in self._services.values():
            await service.close()
        self._services.clear()


async def load_services() -> None:
    """Read the descriptions of the services, a second of work, before all devices that are asked do so at once."""
    DEFAULT_SETTINGS.forbid_dtd = True
    DEFAULT_SETTINGS.xml_huge_tree = False  # the library lifts libxml2's limits
    for library in ("aiohttp", "onvif", "zeep"):
        logging.getLogger(library).setLevel(logging.CRITICAL)  # what they say of a device is in its trouble
    async with aiohttp.ClientSession() as session:
        device = _OnvifDevice(Contact("", "", "http://localhost/"), None, session, HostAllowance())
        await device.prepare()


async def interview(contact: Contact, login: OnvifLogin | None, allowance: HostAllowance) -> Interview:
    """What a device tells within `INTERVIEW_S`; what is in the way of more is its `trouble`. Raises nothing of it.

    `allowance`: shared by all devices of its host.
    """
    told = Interview()
    timeout = aiohttp.ClientTimeout(total=CALL_S)
    async with aiohttp.ClientSession(
        timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    ) as session:
        device = _OnvifDevice(contact, login, session, allowance)
        try:
            async with asyncio.timeout(INTERVIEW_S):
                await _converse(device, told)
        except _NotAuthorisedError:
            told.trouble = CameraTrouble.PASSWORD_REFUSED if device.logged_in else CameraTrouble.PASSWORD_NEEDED
        except TimeoutError:
            told.trouble = CameraTrouble.NO_ANSWER
        except aiohttp.ClientConnectorError:
            told.trouble = CameraTrouble.UNREACHABLE
        except UnreadableAnswerError as error:
            told.trouble, told.detail = CameraTrouble.UNREADABLE, str(error)
        except (aiohttp.ClientError, OSError, *_UNREADABLE) as error:
            told.trouble, told.detail = (
                CameraTrouble.UNREADABLE,
                f"answers what ONVIF does not know ({type(error).__name__})",
            )
        finally:
            told.logged_in = device.logged_in
            await device.close()
    return told


async def _converse(device: _OnvifDevice, told: Interview) -> None:
    try:
        about = await device.ask("devicemgmt", "GetDeviceInformation")
    except Fault:
        about = None  # its streams are worth more than its name
    told.manufacturer, told.model = _text(about, "Manufacturer"), _text(about, "Model")
    told.serial = _text(about, "SerialNumber")
    if not await device.find_media():
        return
    profiles = await device.ask("media", "GetProfiles")
    for profile in list(profiles or [])[:MAX_PROFILES]:
        if (found := await _profile(device, profile)) is not None:
            told.profiles.append(found)


async def _profile(device: _OnvifDevice, profile: Any) -> MediaProfile | None:
    coded = _part(profile, "VideoEncoderConfiguration")
    if coded is None:
        return None
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    try:
        at = await device.ask("media", "GetStreamUri", {"StreamSetup": setup, "ProfileToken": _text(profile, "token")})
    except Fault:
        at = None  # one profile that is not streamed is no reason to leave out the others
    return MediaProfile(
        name=_text(profile, "Name"),
        video_source=_text(profile, "VideoSourceConfiguration", "SourceToken"),
        encoding=_text(coded, "Encoding"),
        width=_count(coded, "Resolution", "Width"),
        height=_count(coded, "Resolution", "Height"),
        fps=_count(coded, "RateControl", "FrameRateLimit"),
        uri=_text(at, "Uri"),
    )


def _part(value: Any, *path: str) -> Any:
    for name in path:
        value = getattr(value, name, None)
    return value


def _text(value: Any, *path: str) -> str:
    found = _part(value, *path)
    return found[:_MAX_TEXT] if isinstance(found, str) else ""


def _count(value: Any, *path: str) -> int:
    found = _part(value, *path)
    return found if isinstance(found, int) and 0 < found <= _MAX_PIXELS else 0
