"""A small HTTP client that keeps its connection, so that the server is measured and not the client."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

HEAD_END = b"\r\n\r\n"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Wire:
    """One connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @staticmethod
    def request(method: str, path: str, *, token: str = "", key: str = "", body: bytes = b"") -> bytes:
        """Write one request."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json"]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        if key:
            lines.append(f"Idempotency-Key: {key}")
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join(lines).encode() + HEAD_END + body

    def call(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and return status and body."""
        self._socket.sendall(request)
        data = bytearray()
        while (at := data.find(HEAD_END)) < 0:
            part = self._socket.recv(65536)
            if not part:
                raise ConnectionError("the server closed the connection")
            data += part
        head = bytes(data[:at])
        found = head.lower().find(b"content-length:")
        length = int(head[found + 15 :].split(b"\r\n", 1)[0]) if found >= 0 else 0
        while len(data) < at + 4 + length:
            part = self._socket.recv(65536)
            if not part:
                raise ConnectionError("the server closed the connection")
            data += part
        return int(head[9:12]), bytes(data[at + 4 :])


@dataclass(frozen=True, slots=True)
class Load:
    """What one client process does: a route, posted to or read, for so many seconds."""

    port: int
    path: str
    token: str
    body: bytes
    seconds: float


def run(load: Load, ready: Callable[[], object], answer: Callable[[list[float]], object]) -> None:
    """Send requests one after another and answer with the seconds that each took; any failure ends the bench."""
    wire = Wire(load.port)
    prefix = f"{time.time_ns():x}-"
    method, expected = ("POST", 201) if load.body else ("GET", 200)
    took: list[float] = []
    for n in range(20):
        wire.call(wire.request(method, load.path, token=load.token, key=f"{prefix}w{n}", body=load.body))
    ready()
    end = time.perf_counter() + load.seconds
    number = 0
    while (began := time.perf_counter()) < end:
        request = wire.request(method, load.path, token=load.token, key=f"{prefix}{number}", body=load.body)
        began = time.perf_counter()
        status, body = wire.call(request)
        took.append(time.perf_counter() - began)
        if status != expected:
            raise RuntimeError(f"{method} {load.path} answered {status}: {body[:300]!r}")
        number += 1
    answer(took)
