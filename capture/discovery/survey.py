"""All cameras of the network: whoever answers is asked at once, beside all others, and named whatever comes of it."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from capture.discovery.addresses import service_url
from capture.discovery.cameras import Camera, CameraTrouble, Contact, Interview, cameras_of, merged
from capture.discovery.interview import OnvifLogin, interview, load_services
from capture.discovery.network import LISTEN_S, PORT, NetworkInterface, ask_networks
from capture.discovery.probe import ProbeMatch, probe_matches
from capture.discovery.screening import HostAllowance, UnreadableAnswerError

MAX_AT_ONE_ADDRESS = 32
"""Devices: a recorder may show each of its cameras as one. One host's lies take no room from the others."""
MAX_DEVICES = 512
_MAX_DATAGRAMS = 128
"""Read of one host."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found. `reached`: where the question went out; `garbled`: hosts that answered what nobody can read.

    `left_out`: hosts that claimed to be so many devices that not all were asked.
    """

    cameras: tuple[Camera, ...]
    reached: tuple[NetworkInterface, ...]
    garbled: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class Register:
    """Who answered. Pure: `hear` gives the devices that a datagram is the first to name."""

    def __init__(self) -> None:
        self.garbled: dict[str, None] = {}
        self.left_out: dict[str, None] = {}
        self._known: set[tuple[str, str]] = set()
        self._devices: Counter[str] = Counter()
        self._datagrams: Counter[str] = Counter()

    def hear(self, datagram: bytes, address: str) -> list[Contact]:
        """Devices to be asked."""
        self._datagrams[address] += 1
        if self._datagrams[address] > _MAX_DATAGRAMS:
            self.left_out[address] = None
            return []
        try:
            contacts = [self._contact(match, address) for match in probe_matches(datagram)]
        except UnreadableAnswerError:
            self.garbled[address] = None
            return []
        return [contact for contact in contacts if self._is_new(contact)]

    def _contact(self, match: ProbeMatch, address: str) -> Contact:
        url = service_url(match.xaddrs, address) or f"http://{address}/onvif/device_service"
        return Contact(match.endpoint, address, url, match.name)

    def _is_new(self, contact: Contact) -> bool:
        key = (contact.endpoint, contact.url)
        if key in self._known:
            return False
        if self._devices[contact.address] >= MAX_AT_ONE_ADDRESS or len(self._known) >= MAX_DEVICES:
            self.left_out[contact.address] = None
            return False
        self._known.add(key)
        self._devices[contact.address] += 1
        return True


async def survey(
    interfaces: Sequence[NetworkInterface],
    login: OnvifLogin | None = None,
    *,
    found: Callable[[Camera], None] = lambda _camera: None,
    port: int = PORT,
    listen_s: float = LISTEN_S,
) -> Survey:
    """Ask the networks, then every device; `found` is told each camera as it is known.

    Lasts `listen_s` and at most `INTERVIEW_S` more. Raises `ConfigError` for an interface that there is not.
    """
    register = Register()
    ready = asyncio.create_task(load_services())
    allowances: dict[str, HostAllowance] = defaultdict(HostAllowance)
    asked: dict[asyncio.Task[list[Camera]], Contact] = {}

    async def ask(contact: Contact) -> list[Camera]:
        await ready
        told = await interview(contact, login, allowances[contact.address])
        cameras = cameras_of(contact, told, login.password if login else None)
        for camera in cameras:
            found(camera)
        return cameras

    def heard(datagram: bytes, address: str) -> None:
        for contact in register.hear(datagram, address):
            asked[asyncio.create_task(ask(contact))] = contact

    try:
        reached = await ask_networks(interfaces, heard, port=port, listen_s=listen_s)
        await ready
        answers = await asyncio.gather(*asked, return_exceptions=True)
    finally:
        for task in (ready, *asked):
            task.cancel()
        await asyncio.gather(ready, *asked, return_exceptions=True)
    cameras = merged(chain.from_iterable(map(_cameras, answers, asked.values())))
    return Survey(tuple(cameras), tuple(reached), tuple(register.garbled), tuple(register.left_out))


def _cameras(answer: list[Camera] | BaseException, contact: Contact) -> list[Camera]:
    """What a device made of us that nobody foresaw is its trouble, not that of the others."""
    if isinstance(answer, list):
        return answer
    if not isinstance(answer, Exception):
        raise answer
    told = Interview(trouble=CameraTrouble.UNREADABLE, detail=f"answers what cannot be read ({type(answer).__name__})")
    return cameras_of(contact, told)
