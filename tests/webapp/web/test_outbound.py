"""Calls to addresses that somebody typed reach public hosts only, whatever the address looks like."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from webapp.web import outbound
from webapp.web.outbound import OutboundRefused, fetch, is_public

PRIVATE = (
    *("127.0.0.1", f"0.{0}.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("192.0.0.8", "192.0.2.1", "198.18.0.1", "192.88.99.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "fd00::1", "fe80::1", "fe80::1%eth0"),
    *("64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "2001:db8::1", "3fff::1", "ff02::1", "fec0::1"),
)
PUBLIC = ("8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:800::200e")
SPELLINGS = (
    *("127.1", "0x7f000001", "2130706433", "0177.0.0.1", "①②⑦.0.0.1", "127.0.0.1", f"0.{0}.0.0", "localhost"),
    *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[fd00::1]", "[fe80::1%25eth0]", "100.64.0.1"),
    *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "192.0.0.8", "169.254.169.254", "127.0.0.1.", "[::]"),
)
WRONG = (
    *("http://example.org/", "https://example.org:8443/", "https://user@example.org/", "https://a:b@example.org/"),
    *(
        "ftp://example.org/",
        "file:///etc/passwd",
        "//example.org/",
        "https://",
        "https://example.org:0x50/",
        "gopher:x",
    ),
    *("https://example.org/\r\nX: y", "https://exa mple.org/", "https://example.org\\@127.0.0.1/", "x" * 3000),
)


@contextmanager
def listener(answer: bytes, *, context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """Listen on loopback, answer every connection so, and collect what was asked."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    plain, _address = server.accept()
                except OSError:
                    continue
                with plain, suppress(OSError), _wrapped(plain, context) as one:
                    seen.append(one.recv(65536))
                    one.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], seen
        finally:
            over.set()
            thread.join()


def _wrapped(plain: socket.socket, context: ssl.SSLContext | None) -> socket.socket:
    return context.wrap_socket(plain, server_side=True) if context else plain


def test_addresses_that_are_not_public_are_told_from_those_that_are():
    assert [one for one in PRIVATE if is_public(one)] == []
    assert [one for one in PUBLIC if not is_public(one)] == []


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_an_inner_address_is_called(host: str, monkeypatch: pytest.MonkeyPatch):
    with listener(b"HTTP/1.1 200 OK\r\n\r\n") as (port, seen):
        monkeypatch.setattr(outbound, "PORT", port)
        with pytest.raises(OutboundRefused):
            fetch(f"https://{host}:{port}/")
    assert seen == []


@pytest.mark.parametrize("url", WRONG)
def test_what_is_no_plain_https_address_is_refused_before_anything_is_asked(url: str):
    with pytest.raises(OutboundRefused):
        fetch(url, resolve=_never, connect=_never)


def _never(*_args: object) -> object:
    raise AssertionError("nothing was to be asked")


def test_one_inner_address_among_public_ones_is_enough_to_refuse():
    with pytest.raises(OutboundRefused, match="not on the public internet"):
        fetch("https://example.org/", resolve=lambda *_: ["93.184.216.34", "10.0.0.1"], connect=_never)


def test_a_name_that_changes_its_address_is_asked_for_once_and_pinned():
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    called: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], _timeout: float) -> socket.socket:
        called.append(address)
        raise OSError("no network in tests")

    with pytest.raises(OutboundRefused, match="did not answer"):
        fetch("https://rebinding.example/", resolve=lambda *_: next(answers), connect=connect)
    assert called == [("93.184.216.34", 443)]
    assert next(answers) == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", "not followed"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70_000, "more than 64 KB"),
        (b"nonsense\r\n\r\n", "did not answer"),
    ],
)
def test_redirects_and_floods_are_no_answers(answer: bytes, reason: str):
    with (
        listener(b"HTTP/1.1 200 OK\r\n\r\nsecret") as (inner, seen),
        listener(answer.replace(b"127.0.0.1", b"127.0.0.1:%d" % inner)) as (port, _asked),
        pytest.raises(OutboundRefused, match=reason),
    ):
        fetch(f"http://127.0.0.1:{port}/", origins=f"http://127.0.0.1:{port}")
    assert seen == []


def test_a_host_that_drips_is_hung_up_on():
    with (
        listener(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx") as (port, _seen),
        socket.create_server(("127.0.0.1", 0)) as silent,
    ):
        place = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(OutboundRefused, match="did not answer"):
            fetch(place, origins=f"http://127.0.0.1:{port},{place}", timeout_seconds=0.2)


def test_an_origin_that_the_operator_named_is_called_with_its_name_and_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    names: list[str | None] = []
    context = _certified("sso.example", tmp_path, names.append)
    with listener(b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello", context=context) as (port, seen):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        place = f"https://sso.example:{port}"
        answer = fetch(f"{place}/a?b=c", origins=f"https://else.example, {place}", resolve=lambda *_: ["127.0.0.1"])
        assert (answer.status, answer.headers["x-a"], answer.body) == (200, "b", b"hello")
        assert names == ["sso.example"]
        assert seen[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
        assert b"Host: sso.example:%d\r\n" % port in seen[0]
        with pytest.raises(OutboundRefused):
            fetch(f"{place}/", resolve=lambda *_: ["127.0.0.1"])
    monkeypatch.delenv("SSL_CERT_FILE")
    with listener(b"", context=context) as (port, seen), pytest.raises(OutboundRefused):
        place = f"https://sso.example:{port}"
        fetch(place, origins=place, resolve=lambda *_: ["127.0.0.1"])


def _certified(host: str, folder: Path, named: Callable[[str | None], None]) -> ssl.SSLContext:
    key, at = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    context.sni_callback = lambda _socket, sent, _context: named(sent)
    return context
