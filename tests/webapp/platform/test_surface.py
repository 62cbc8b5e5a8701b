"""What stands between the network and the application: how bodies say what they are, and where a request ends."""

import io
import re
import socket
from urllib.parse import urlsplit

from tests.cast import Cast
from tests.served import served
from tests.webapp.platform.test_headers import kinds

CHARSET = {"text/html", "text/plain", "text/csv", "text/javascript", "text/css"}
WITHOUT = {"application/json", "application/problem+json", "image/svg+xml"}
"""Kinds that are UTF-8 by their own standards (RFC 8259, 11; RFC 7303, 8.1)."""
BODY = b"email=a"


def request(*lines: bytes, body: bytes = b"") -> bytes:
    """Write a request with these lines of its head."""
    return b"\r\n".join((*lines, b"Connection: close", b"", body))


POST, HOST = b"POST /sign-in HTTP/1.1", b"Host: localhost"
SMUGGLED = b"0\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
AMBIGUOUS = {
    "a length and chunks": request(POST, HOST, b"Content-Length: 4", b"Transfer-Encoding: chunked", body=SMUGGLED),
    "two lengths": request(POST, HOST, b"Content-Length: 7", b"Content-Length: 0", body=BODY),
    "a length with a sign": request(POST, HOST, b"Content-Length: +7", body=BODY),
    "a length in hexadecimal": request(POST, HOST, b"Content-Length: 0x7", body=BODY),
    "an unknown coding": request(POST, HOST, b"Transfer-Encoding: xchunked", body=SMUGGLED),
    "chunks twice": request(POST, HOST, b"Transfer-Encoding: chunked, chunked", body=SMUGGLED),
    "a size that is none": request(POST, HOST, b"Transfer-Encoding: chunked", body=b"zz\r\nemail=a\r\n0\r\n\r\n"),
    "a space before the colon": request(POST, HOST, b"Content-Length : 7", body=BODY),
    "a line break alone": b"POST /sign-in HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n" + SMUGGLED,
    "a break within a header": request(POST, HOST, b"X: a\rTransfer-Encoding: chunked", body=SMUGGLED),
}


def answers(url: str, sent: bytes) -> list[int]:
    """Send bytes over one connection and return the statuses of all answers that come back."""
    at = urlsplit(url)
    with socket.create_connection((at.hostname, at.port), timeout=5) as line:
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        got = b""
        while part := line.recv(65536):
            got += part
    return [int(one) for one in re.findall(rb"HTTP/1\.[01] (\d{3}) ", got)]


def test_a_request_whose_end_is_in_doubt_is_answered_once_and_never_carries_a_second(cast: Cast) -> None:
    with served(cast.app) as url:
        plain = request(b"GET /livez HTTP/1.1", HOST)
        assert answers(url, plain) == [200], "the server is there"
        two = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert answers(url, two + plain) == [200, 200], "two whole requests are two: a second answer would be seen"
        told = {name: answers(url, sent) for name, sent in AMBIGUOUS.items()}
    assert {name: found for name, found in told.items() if len(found) > 1 or 200 in found} == {}


def test_every_body_says_what_it_is_and_in_which_letters(cast: Cast) -> None:
    slug, alice = cast.acme.slug, cast.alice
    account = alice.api("POST", "/accounts", json={"name": "B", "kind": "asset", "currency": "EUR"}).json["id"]
    hostile = '../../x"; filename="evil.exe\u202e.csv'
    data = {"account_id": str(account), "file": (io.BytesIO(b"Date,Payee,Amount\n2026-01-01,x,1\n"), hostile)}
    made = alice.api("POST", "/imports", data=data, content_type="multipart/form-data").json["id"]
    downloads = {
        "entries": alice.browser().get(f"/t/{slug}/entries/export.csv"),
        "rows": alice.browser().get(f"/t/{slug}/imports/{made}/rows.csv"),
        "trail": alice.browser().get(f"/t/{slug}/audit-events/export?format=csv"),
    }
    assert {name: one.status_code for name, one in downloads.items()} == dict.fromkeys(downloads, 200)
    for name, answer in downloads.items():
        told = answer.headers["Content-Disposition"]
        assert re.fullmatch(r'attachment; filename="?[A-Za-z0-9._-]+\.(csv|jsonl)"?', told), (name, told)
    for name, answer in (kinds(cast) | downloads).items():
        if not answer.data:
            continue
        assert answer.mimetype in CHARSET | WITHOUT, (name, answer.mimetype)
        assert answer.mimetype in WITHOUT or answer.headers["Content-Type"].endswith("charset=utf-8"), name


def test_fields_that_a_form_does_not_have_change_nothing(cast: Cast) -> None:
    more = {
        "is_operator": "on",
        "role": "owner",
        "email": "taken@example.org",
        "id": "1",
        "tenant_id": "x",
        "version": "9",
    }
    profile = {"name": "Bob", "language": "en", "theme": "system", "density": "comfortable"}
    assert cast.bob.post("/profile", profile | more).status_code == 303
    assert cast.bob.browser().get("/platform").status_code in {403, 404}
    assert cast.bob.email in cast.bob.browser().get("/profile").text
    made = cast.dave.post(f"/t/{cast.acme.slug}/accounts", {"name": "B", "kind": "asset", "currency": "EUR"} | more)
    assert made.status_code == 303
    (account,) = [one for one in cast.dave.api("GET", "/accounts").json["data"] if one["name"] == "B"]
    assert account["version"] == 1
    refused = cast.dave.api("POST", "/accounts", json={"name": "C", "kind": "asset", "currency": "EUR", "version": 9})
    assert refused.status_code == 422
    members = {one["person_id"]: one["role"] for one in cast.alice.api("GET", "/members").json["data"]}
    assert members[str(cast.bob.id)] == "member"
