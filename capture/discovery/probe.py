"""WS-Discovery (OASIS draft of 2005, the one ONVIF uses): the question to everybody, and what comes back.

ONVIF Core Specification, 7.3: devices answer a probe for their type with scopes below `onvif://www.onvif.org`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from capture.discovery.screening import ScreenedElement, screened

PROBED_TYPES = (
    ("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter"),
    ("http://www.onvif.org/ver10/device/wsdl", "Device"),
)
"""Cameras answer to the first, some newer ones and recorders to the second alone."""
MAX_DATAGRAM = 65_536
_DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_SCOPES = "onvif://www.onvif.org"
_MAX_MATCHES = 8
"""In one datagram; a device answers for itself."""
_MAX_ENDPOINT = 256
"""Characters; an endpoint is a UUID."""
_MAX_XADDRS = 8


@dataclass(frozen=True, slots=True)
class ProbeMatch:
    """A device's own words. `endpoint`: its stable name. `xaddrs`: URLs at which it says it can be asked."""

    endpoint: str
    xaddrs: tuple[str, ...]
    scopes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What whoever set it up called it, as it was written; empty if it says none."""
        start = f"{_SCOPES}/name/"
        return next((unquote(scope[len(start) :]) for scope in self.scopes if scope.startswith(start)), "")


def probe(message_id: str, probed: tuple[str, str]) -> bytes:
    """The question; `message_id`: a UUID, new each time, as devices answer to each only once."""
    namespace, local = probed
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
        f' xmlns:a="{_ADDRESSING}" xmlns:d="{_DISCOVERY}" xmlns:t="{namespace}">'
        f"<s:Header><a:MessageID>uuid:{message_id}</a:MessageID>"
        "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
        f"<a:Action>{_DISCOVERY}/Probe</a:Action></s:Header>"
        f"<s:Body><d:Probe><d:Types>t:{local}</d:Types></d:Probe></s:Body></s:Envelope>"
    ).encode()


def probe_matches(datagram: bytes) -> list[ProbeMatch]:
    """The ONVIF devices that a datagram speaks of; printers and PCs answer probes too.

    Raises `UnreadableAnswerError`.
    """
    return [match for match in _matches(screened(datagram)) if match is not None]


def _matches(elements: list[ScreenedElement]) -> Iterator[ProbeMatch | None]:
    start = f"{_DISCOVERY}}}ProbeMatch"
    begins = [number for number, element in enumerate(elements) if element.name == start][:_MAX_MATCHES]
    for begin, end in zip(begins, [*begins[1:], len(elements)], strict=True):
        yield _match(elements[begin:end])


def _match(elements: list[ScreenedElement]) -> ProbeMatch | None:
    said: dict[str, str] = {}
    for element in elements:
        said.setdefault(element.name, element.text.strip())
    endpoint = said.get(f"{_ADDRESSING}}}Address", "")[:_MAX_ENDPOINT]
    types = said.get(f"{_DISCOVERY}}}Types", "").split()
    scopes = tuple(said.get(f"{_DISCOVERY}}}Scopes", "").split())
    xaddrs = tuple(said.get(f"{_DISCOVERY}}}XAddrs", "").split())[:_MAX_XADDRS]
    video = any(name.rpartition(":")[2] == PROBED_TYPES[0][1] for name in types)
    known = video or any(scope.startswith(_SCOPES) for scope in scopes)
    return ProbeMatch(endpoint, xaddrs, scopes) if known else None
