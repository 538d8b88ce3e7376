"""Network cameras that speak ONVIF on loopback: WS-Discovery by multicast, SOAP over HTTP, faults and lies to order.

Each has an address of its own (127.0.0.2, …), as cameras have. WS-UsernameToken Profile 1.0 is checked, with the time.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import uuid4
from xml.sax.saxutils import escape

GROUP = "239.255.255.250"
_NVT = "dn:NetworkVideoTransmitter"
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl"'
    ' xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:ter="http://www.onvif.org/ver10/error">'
    "<e:Body>{body}</e:Body></e:Envelope>"
)
_MATCH = (
    '<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
    ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><e:Header><a:RelatesTo>{relates}</a:RelatesTo></e:Header>'
    "<e:Body><d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>{endpoint}</a:Address></a:EndpointReference>"
    "<d:Types>{types}</d:Types><d:Scopes>{scopes}</d:Scopes><d:XAddrs>{xaddrs}</d:XAddrs>"
    "<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>"
)
_REASON = "<e:Reason><e:Text xml:lang='en'>no</e:Text></e:Reason>"
_MAX_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile of a camera; `uri` may have `{address}` in it."""

    name: str = "main"
    width: int = 1920
    height: int = 1080
    encoding: str = "H264"
    fps: int = 25
    uri: str = "rtsp://{address}:554/main"
    source: str = "source0"


MAIN = Profile()
SUB = Profile(name="sub", width=640, height=360, uri="rtsp://{address}:554/sub")


@dataclass(slots=True)
class OnvifCamera:
    """A camera and what it does. `asked`: operations it was asked for, with whether a good login came with them.

    `password`: demanded for everything but the time, of the user `admin`. `ahead`: its clock. `says`: an answer of its
    own instead of a true one, by operation. `datagrams`: what it answers probes with instead; `{relates}` as in ours.
    `xaddr`: a URL that it names, with `{port}`. `media_path`: where its media service is.
    """

    address: str = "127.0.0.2"
    name: str = "Camera"
    manufacturer: str = "Maker"
    model: str = "M1"
    serial: str = "1"
    password: str | None = None
    profiles: tuple[Profile, ...] = (MAIN, SUB)
    ahead: timedelta = timedelta()
    http_digest: bool = False
    endpoint: str = field(default_factory=lambda: f"urn:uuid:{uuid4()}")
    xaddr: str = "http://{address}:{port}/onvif/device_service"
    media_url: str = "http://192.168.77.77:{port}/odd/media"
    types: str = _NVT
    says: dict[str, Callable[[], bytes]] = field(default_factory=dict)
    datagrams: tuple[bytes, ...] = ()
    asked: list[tuple[str, bool]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0

    def match(self, relates: str) -> bytes:
        """Its answer to a probe."""
        scopes = f"onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/{quote(self.name)}"
        where = self.xaddr.format(address=self.address, port=self.port)
        return _MATCH.format(
            relates=relates, endpoint=escape(self.endpoint), types=self.types, xaddrs=escape(where),
            scopes=escape(scopes) if "NetworkVideo" in self.types else "",
        ).encode()  # fmt: skip

    def answer(self, request: bytes) -> tuple[int, bytes]:
        """HTTP status and document."""
        text = request.decode()
        [operation] = re.findall(r"Body[^>]*>\s*<(?:\w+:)?(\w+)", text)
        known = self.password is None or self._authorised(text)
        self.asked.append((operation, known))
        self.bodies.append(request)
        if operation in self.says:
            return 200, self.says[operation]()
        if not known and operation != "GetSystemDateAndTime":
            code = "<e:Value>e:Sender</e:Value><e:Subcode><e:Value>ter:NotAuthorized</e:Value></e:Subcode>"
            return 400, self._soap(f"<e:Fault><e:Code>{code}</e:Code>{_REASON}</e:Fault>")
        document = getattr(self, f"_{operation}")(text)
        if not document:
            return 400, self._soap(f"<e:Fault><e:Code><e:Value>e:Sender</e:Value></e:Code>{_REASON}</e:Fault>")
        return 200, self._soap(document)

    def _authorised(self, request: str) -> bool:
        said = {
            name: found.group(1)
            for name in ("Username", "Password", "Nonce", "Created")
            if (found := re.search(rf"<(?:\w+:)?{name}(?:\s[^>]*)?>([^<]*)<", request))
        }
        if len(said) < 4 or said["Username"] != "admin" or "PasswordDigest" not in request:
            return False
        created = datetime.fromisoformat(said["Created"].replace("Z", "+00:00"))
        digest = hashlib.sha1(base64.b64decode(said["Nonce"]) + f"{said['Created']}{self.password}".encode())  # noqa: S324
        good = base64.b64encode(digest.digest()).decode() == said["Password"]
        return good and abs(created - (datetime.now(UTC) + self.ahead)) < _MAX_SKEW

    def _soap(self, body: str) -> bytes:
        return _ENVELOPE.format(body=body).encode()

    def _GetSystemDateAndTime(self, _request: str) -> str:  # noqa: N802
        at = datetime.now(UTC) + self.ahead
        time = f"<tt:Hour>{at.hour}</tt:Hour><tt:Minute>{at.minute}</tt:Minute><tt:Second>{at.second}</tt:Second>"
        date = f"<tt:Year>{at.year}</tt:Year><tt:Month>{at.month}</tt:Month><tt:Day>{at.day}</tt:Day>"
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
            f"<tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime><tt:Time>{time}</tt:Time>"
            f"<tt:Date>{date}</tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _GetDeviceInformation(self, _request: str) -> str:  # noqa: N802
        said = {"Manufacturer": self.manufacturer, "Model": self.model, "FirmwareVersion": "1"}
        said |= {"SerialNumber": self.serial, "HardwareId": "1"}
        fields = "".join(f"<tds:{key}>{escape(value)}</tds:{key}>" for key, value in said.items())
        return f"<tds:GetDeviceInformationResponse>{fields}</tds:GetDeviceInformationResponse>"

    def _GetServices(self, _request: str) -> str:  # noqa: N802
        where = self.media_url.format(address=self.address, port=self.port)
        services = {
            "http://www.onvif.org/ver10/device/wsdl": "http://x/",
            "http://www.onvif.org/ver10/media/wsdl": where,
        }
        listed = "".join(
            f"<tds:Service><tds:Namespace>{name}</tds:Namespace><tds:XAddr>{escape(url)}</tds:XAddr><tds:Version>"
            "<tt:Major>2</tt:Major><tt:Minor>0</tt:Minor></tds:Version></tds:Service>"
            for name, url in services.items()
        )
        return f"<tds:GetServicesResponse>{listed}</tds:GetServicesResponse>"

    def _GetCapabilities(self, _request: str) -> str:  # noqa: N802
        where = escape(self.media_url.format(address=self.address, port=self.port))
        said = "".join(f"<tt:{kind}>false</tt:{kind}>" for kind in ("RTPMulticast", "RTP_TCP", "RTP_RTSP_TCP"))
        media = f"<tt:Media><tt:XAddr>{where}</tt:XAddr><tt:StreamingCapabilities>{said}</tt:StreamingCapabilities>"
        listed = f"<tds:Capabilities>{media}</tt:Media></tds:Capabilities>"
        return f"<tds:GetCapabilitiesResponse>{listed}</tds:GetCapabilitiesResponse>"

    def _GetProfiles(self, _request: str) -> str:  # noqa: N802
        listed = "".join(
            f'<trt:Profiles token="p{number}" fixed="true"><tt:Name>{escape(one.name)}</tt:Name>'
            f'<tt:VideoSourceConfiguration token="v"><tt:Name>v</tt:Name><tt:UseCount>1</tt:UseCount>'
            f"<tt:SourceToken>{escape(one.source)}</tt:SourceToken>"
            '<tt:Bounds x="0" y="0" width="1" height="1"/></tt:VideoSourceConfiguration>'
            f'<tt:VideoEncoderConfiguration token="e"><tt:Name>e</tt:Name><tt:UseCount>1</tt:UseCount>'
            f"<tt:Encoding>{escape(one.encoding)}</tt:Encoding>"
            f"<tt:Resolution><tt:Width>{one.width}</tt:Width><tt:Height>{one.height}</tt:Height></tt:Resolution>"
            f"<tt:Quality>1</tt:Quality><tt:RateControl><tt:FrameRateLimit>{one.fps}</tt:FrameRateLimit>"
            "<tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>1</tt:BitrateLimit></tt:RateControl>"
            "</tt:VideoEncoderConfiguration></trt:Profiles>"
            for number, one in enumerate(self.profiles)
        )
        return f"<trt:GetProfilesResponse>{listed}</trt:GetProfilesResponse>"

    def _GetStreamUri(self, request: str) -> str:  # noqa: N802
        known = re.search(r"ProfileToken>p(\d+)<", request)
        if not known:
            return ""
        uri = self.profiles[int(known[1])].uri.replace("{address}", self.address)
        return (
            f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{escape(uri)}</tt:Uri>"
            "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot>"
            "<tt:Timeout>PT0S</tt:Timeout></trt:MediaUri></trt:GetStreamUriResponse>"
        )


@contextmanager
def onvif_network(*cameras: OnvifCamera, port: int = 0) -> Iterator[int]:
    """All cameras answer on loopback; gives the port of the discovery. 0: a free one, so that nobody else is found."""
    with ExitStack() as stack:
        port = port or _free_port()
        for camera in cameras:
            stack.enter_context(_http(camera))
            stack.enter_context(_discovery(camera, port))
        yield port


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@contextmanager
def _http(camera: OnvifCamera) -> Iterator[None]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            with suppress(ConnectionError):
                if camera.http_digest and not self.headers.get("Authorization", "").startswith("Digest "):
                    self._send(401, b"<html>who are you?", 'Digest realm="camera", nonce="abc", qop="auth"')
                    return
                self._send(*camera.answer(request))

        def _send(self, status: int, document: bytes, challenge: str = "") -> None:
            self.send_response(status)
            if challenge:
                self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Type", "application/soap+xml; charset=utf-8")
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer((camera.address, 0), Handler)
    server.daemon_threads = True
    camera.port = server.server_address[1]
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        serving.join(5)


@contextmanager
def _discovery(camera: OnvifCamera, port: int) -> Iterator[None]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth,
    ):
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ear.bind((GROUP, port))
        group = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton("127.0.0.1"))
        ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        mouth.bind((camera.address, 0))
        ended = threading.Event()

        def listen() -> None:
            while True:
                probe, asker = ear.recvfrom(65_536)
                if ended.is_set():
                    return
                found = re.search(rb"MessageID>([^<]+)<", probe)
                for datagram in camera.datagrams or (camera.match(found[1].decode() if found else ""),):
                    mouth.sendto(datagram, asker)

        listening = threading.Thread(target=listen, daemon=True)
        listening.start()
        try:
            yield
        finally:
            ended.set()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waking:
                waking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
                waking.sendto(b"", (GROUP, port))
            listening.join(5)
