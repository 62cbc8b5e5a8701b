"""Calls to addresses that somebody typed: to public hosts only, resolved once and pinned (security.md 5.9).

Whoever enters an address here must not reach through us what only we can reach: this machine, its network, the
metadata of a cloud. A private host answers only when the operator named its origin in COMPTOIR_OUTBOUND_ORIGINS.
"""

import http.client
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from webapp.kernel.errors import N_, DomainError

TIMEOUT_SECONDS = 15.0
BYTES_MAX = 64 * 1024
PORT = 443
URL_LENGTH_MAX = 2000
REDIRECTS = range(300, 400)

_UNICAST = ip_network("2000::/3")
_DENIED = tuple(
    ip_network(one)
    for one in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)
"""What `is_global` of some Python calls public and is not, or leads back to an IPv4 address within."""

Resolve = Callable[[str, int], list[str]]
Connect = Callable[[tuple[str, int], float], socket.socket]


class OutboundRefused(DomainError):
    """An address is not called, or its answer is not taken."""

    code = "outbound_refused"
    title = N_("This address cannot be called")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host answered: at most 64 KB; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the public internet, by itself and by what it leads to."""
    if "%" in address:
        return False
    found = ip_address(address)
    if isinstance(found, IPv6Address) and found not in _UNICAST:
        return False
    denied = any(found.version == network.version and found in network for network in _DENIED)
    return found.is_global and not found.is_multicast and not denied


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, as the machine's resolver knows them now."""
    return [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def fetch(
    url: str,
    *,
    origins: str = "",
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    resolve: Resolve = resolve,
    connect: Connect = socket.create_connection,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Answer:
    """Call an address and return what it answered; 15 s in all, no redirects, no proxy.

    `origins` are those (with commas between) that the operator lets be private; all others are https on port 443, and
    every address of theirs must be public. Raises OutboundRefused.
    """
    parts = _parts(url)
    port = parts.port or (PORT if parts.scheme == "https" else 80)
    trusted = f"{parts.scheme}://{parts.netloc}".lower() in {one.strip().lower() for one in origins.split(",")}
    if not trusted and (parts.scheme != "https" or port != PORT):
        raise OutboundRefused(N_("Write an address that begins with https:// and names no port."))
    host = parts.hostname or ""
    try:
        addresses = list(dict.fromkeys(resolve(host, port)))
    except (OSError, UnicodeError):
        raise OutboundRefused(N_("Nothing is known of the host %(host)s. Check its name."), host=host) from None
    if not addresses or not (trusted or all(is_public(one) for one in addresses)):
        raise OutboundRefused(N_("The host %(host)s is not on the public internet, so it is not called."), host=host)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _call(
        host,
        port,
        addresses[0],
        (method, path, dict(headers or {}), body),
        is_plain=parts.scheme == "http",
        netloc=parts.netloc,
        connect=connect,
        timeout_seconds=timeout_seconds,
    )


def _parts(url: str) -> SplitResult:
    wrong = OutboundRefused(N_("This is not an address that can be called."))
    if len(url) > URL_LENGTH_MAX or re.search(r"[\s\x00-\x20\x7f\\]", url):
        raise wrong
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc:
        raise wrong
    return parts


def _call(
    host: str,
    port: int,
    address: str,
    asked: tuple[str, str, dict[str, str], bytes | None],
    *,
    is_plain: bool,
    netloc: str,
    connect: Connect,
    timeout_seconds: float,
) -> Answer:
    method, path, headers, body = asked
    failed = OutboundRefused(N_("The host %(host)s did not answer as it should. Try again later."), host=host)
    connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
    watch: threading.Timer | None = None
    try:
        # http.client would ask the resolver again; it is given a connection to the address that was looked at.
        connection.sock = connect((address, port), timeout_seconds)
        # A host that sends a byte now and then would never meet the timeout of one read.
        watch = threading.Timer(timeout_seconds, _hang_up, (connection.sock,))
        watch.daemon = True
        watch.start()
        if not is_plain:
            connection.sock = ssl.create_default_context().wrap_socket(connection.sock, server_hostname=host)
        connection.request(method, path, body, {"Host": netloc, "Accept-Encoding": "identity", **headers})
        response = connection.getresponse()
        content = response.read(BYTES_MAX + 1)
        answer = Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, content)
    except (OSError, http.client.HTTPException, ValueError):
        raise failed from None
    finally:
        if watch is not None:
            watch.cancel()
        connection.close()
    if len(content) > BYTES_MAX:
        raise OutboundRefused(N_("The host %(host)s answered with more than 64 KB."), host=host)
    if answer.status in REDIRECTS:
        raise OutboundRefused(N_("The host %(host)s sends on to another address, which is not followed."), host=host)
    return answer


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
