"""nginx, the only door: what it lets in, how it says no, and what scanners and attackers find."""

import json
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import urllib3

from tests.production.lines import Measured
from tests.production.stack import DOMAIN, ROOT, Stack, until

TOOLS = ROOT / ".tools/ops/bin"
LARGE, TOO_LARGE = 60 * 1024 * 1024, 70 * 1024 * 1024


@pytest.fixture(scope="module")
def site(stack: Stack) -> Iterator[urllib3.HTTPSConnectionPool]:
    with stack.pool() as made:
        yield made


def opened(stack: Stack, sent: bytes, *, seconds: float = 10, name: str = DOMAIN) -> ssl.SSLSocket:
    """Send bytes as they are through TLS and return the connection."""
    context = ssl.create_default_context(cafile=str(stack.folder / ".production/certificates/authority.pem"))
    plain = socket.create_connection(("127.0.0.1", stack.https_port), timeout=seconds)
    line = context.wrap_socket(plain, server_hostname=name)
    line.sendall(sent)
    return line


def raw(stack: Stack, sent: bytes, *, seconds: float = 10, name: str = DOMAIN) -> bytes:
    """Send bytes as they are and return all that comes back until the connection is closed."""
    with opened(stack, sent, seconds=seconds, name=name) as line:
        got = b""
        while more := line.recv(65536):
            got += more
        return got


def lines_of(stack: Stack, service: str) -> list[dict[str, Any]]:
    """Return the newest lines of a service's log."""
    told = stack.run("docker", "logs", "--tail", "400", f"{stack.project}-{service}-1").stdout
    return [json.loads(line) for line in told.splitlines() if line.startswith("{")]


def logged(stack: Stack, request_id: str, service: str = "nginx") -> dict[str, Any]:
    """Return the line of a service's log that tells a request."""

    def find() -> dict[str, Any] | None:
        mine = [line for line in lines_of(stack, service) if line.get("request_id") == request_id]
        return mine[-1] if mine else None

    found: dict[str, Any] = until(find, seconds=10, what=f"{service} logs {request_id}")
    return found


def asked(stack: Stack, site: urllib3.HTTPSConnectionPool, path: str, times: int, **given: Any) -> Counter[int]:
    """Ask so many times at once and count the answers."""
    with ThreadPoolExecutor(times) as crowd:
        answers = [
            crowd.submit(site.request, given.get("method", "GET"), path, **given.get("more", {})) for _ in range(times)
        ]
    return Counter(one.result().status for one in answers)


# Who is let in


@pytest.mark.line("edge.tls")
def test_a_name_that_is_not_served_gets_nothing(stack: Stack):
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        raw(stack, b"GET / HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n", name="elsewhere.test")
    assert raw(stack, b"GET / HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n") == b""
    with socket.create_connection(("127.0.0.1", stack.http_port), timeout=5) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n")
        assert line.recv(1024) == b""


@pytest.mark.line("edge.tls")
def test_plain_http_is_sent_on_to_tls(stack: Stack):
    with urllib3.HTTPConnectionPool("127.0.0.1", stack.http_port, headers={"Host": DOMAIN}) as plain:
        answer = plain.request("GET", "/sign-in?next=%2Ft%2Facme", redirect=False)
    assert answer.status == 308
    assert answer.headers["Location"] == f"https://{DOMAIN}/sign-in?next=%2Ft%2Facme"


@pytest.mark.line("edge.logs")
def test_health_and_counts_are_told_inside_alone(stack: Stack, site: urllib3.HTTPSConnectionPool):
    line = "exec 3<>/dev/tcp/127.0.0.1/8081; printf 'GET /status HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
    assert "Active connections" in stack.compose("exec", "-T", "nginx", "bash", "-c", line)
    assert site.request("GET", "/status").status == 404
    ports = json.loads(stack.run("docker", "inspect", f"{stack.project}-nginx-1").stdout)[0]["NetworkSettings"]["Ports"]
    assert {port for port, bound in ports.items() if bound} == {"8080/tcp", "8443/tcp"}


# How one request is told from another


@pytest.mark.line("edge.logs")
def test_one_id_is_in_the_answer_in_both_logs_and_in_the_trace(stack: Stack, site: urllib3.HTTPSConnectionPool):
    given = {"X-Request-ID": "mine", "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", **site.headers}
    answer = site.request("GET", "/sign-in", headers=given)
    request_id = answer.headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", request_id)
    assert logged(stack, request_id)["status"] == 200
    told = logged(stack, request_id, "web-blue")
    assert told["event"] == "request"
    assert told["trace_id"] == request_id


@pytest.mark.line("watching.traces")
def test_one_trace_in_ten_is_sampled(stack: Stack, site: urllib3.HTTPSConnectionPool):
    for _ in range(200):
        site.request("GET", "/errors/errors.css")
    flags = Counter(line["sampled"] for line in lines_of(stack, "nginx")[-200:])
    assert set(flags) == {"00", "01"}
    assert 4 <= flags["01"] <= 45


@pytest.mark.line("edge.logs")
def test_no_log_holds_a_query_or_the_secret_of_a_link(stack: Stack, site: urllib3.HTTPSConnectionPool):
    secret = uuid4().hex
    before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for path in (f"/sign-in?token={secret}", f"/static/{uuid4().hex}?token={secret}", f"/sign-in/{secret}"):
        answer = site.request("GET", path)
    for _ in range(40):
        site.request("GET", f"/api/v1/t/acme/accounts?token={secret}")
    raw(stack, f"GET /?token={secret} HTTP/1.1\r\nHost: {DOMAIN}\r\nTransfer-Encoding: none\r\n\r\n".encode())
    logged(stack, answer.headers["X-Request-ID"])
    told = stack.run("docker", "logs", "--since", before, f"{stack.project}-nginx-1")
    assert '"path":"/sign-in"' in told.stdout
    assert '"path":"/sign-in/..."' in told.stdout
    assert secret not in told.stdout + told.stderr


@pytest.mark.line("edge.limits")
def test_nobody_says_where_he_comes_from(stack: Stack, site: urllib3.HTTPSConnectionPool):
    spoofed = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Host", "True-Client-IP")
    time.sleep(3)
    with ThreadPoolExecutor(40) as crowd:

        def call(number: int) -> urllib3.BaseHTTPResponse:
            headers = {**site.headers, **dict.fromkeys(spoofed, f"198.51.100.{number}")}
            return site.request("GET", "/api/v1/t/acme/accounts", headers=headers)

        answers = list(crowd.map(call, range(40)))
    assert Counter(one.status for one in answers)[429] >= 5
    own = logged(stack, answers[0].headers["X-Request-ID"])["address"]
    assert not own.startswith("198.51.100.")
    form = {"email": f"{uuid4().hex}@acme.example", "password": "wrong"}
    site.request("POST", "/sign-in", fields=form, headers={**site.headers, "X-Forwarded-For": "198.51.100.99"})
    assert stack.sql("SELECT count(*) FROM platform.audit_event WHERE source_address LIKE '198.51.100.%'") == "0"


@pytest.mark.line("edge.limits")
def test_a_balancer_that_is_trusted_says_where_people_come_from_and_no_more_than_its_own_word_counts(
    stack: Stack, site: urllib3.HTTPSConnectionPool
):
    balancer = logged(stack, site.request("GET", "/livez").headers["X-Request-ID"])["address"]
    trusted = stack.folder / ".production/nginx/trusted-proxies.conf"
    trusted.write_text(f"set_real_ip_from {balancer}; real_ip_header X-Forwarded-For; real_ip_recursive on;\n")
    trusted.chmod(0o644)

    def address() -> str:
        headers = {**site.headers, "X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
        # Anew each time: a connection that is in use goes on with the configuration that it began with.
        with stack.pool() as fresh:
            answer = fresh.request("GET", "/livez", headers=headers)
        return str(logged(stack, answer.headers["X-Request-ID"])["address"])

    try:
        stack.compose("exec", "-T", "nginx", "nginx", "-s", "reload")
        until(lambda: address() == "203.0.113.9", seconds=20, what="the balancer is believed")
    finally:
        trusted.unlink()
        stack.compose("exec", "-T", "nginx", "nginx", "-s", "reload")
    until(lambda: address() == balancer, seconds=20, what="nobody is believed")


# How much is let in


@pytest.mark.line("edge.limits")
def test_the_api_takes_ten_a_second_and_twenty_at_once(stack: Stack, site: urllib3.HTTPSConnectionPool):
    time.sleep(3)
    began = time.monotonic()
    seen = asked(stack, site, "/api/v1/t/acme/accounts", 60)
    allowed = 21 + 10 * (time.monotonic() - began)
    assert set(seen) == {401, 429}
    assert 21 <= seen[401] <= allowed + 1


@pytest.mark.line("edge.limits")
def test_a_refused_call_says_why_as_a_problem_and_when_to_come_again(stack: Stack, site: urllib3.HTTPSConnectionPool):
    headers = {**site.headers, "Accept-Language": "fr"}
    with ThreadPoolExecutor(40) as crowd:
        path = "/api/v1/t/acme/accounts?cursor=secret"
        answers = list(crowd.map(lambda _: site.request("GET", path, headers=headers), range(40)))
    answer = next(one for one in answers if one.status == 429)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    told = answer.json()
    assert told["code"] == "too_many_requests"
    assert told["type"] == "/api/v1/problems#too_many_requests"
    assert told["status"] == 429
    assert told["title"] == "Trop de demandes à la fois"
    assert told["instance"] == "/api/v1/t/acme/accounts"
    assert told["request_id"] == answer.headers["X-Request-ID"]
    line = logged(stack, told["request_id"])
    assert line["status"] == 429
    assert line["limited"] == "REJECTED"


@pytest.mark.line("edge.limits")
def test_the_sixth_attempt_to_sign_in_at_once_is_refused_and_the_form_is_not(site: urllib3.HTTPSConnectionPool):
    form = urllib3.encode_multipart_formdata({"email": "nobody@acme.example", "password": "wrong"})
    headers = {**site.headers, "Content-Type": form[1], "Accept-Language": "ar"}
    answers = [site.request("POST", "/sign-in", body=form[0], headers=headers, redirect=False) for _ in range(8)]
    assert answers[-1].status == 429
    page = answers[-1].data.decode()
    assert '<html lang="ar" dir="rtl">' in page
    assert answers[-1].headers["X-Request-ID"] in page
    assert answers[-1].headers["Retry-After"] == "12"
    assert site.request("GET", "/sign-in").status == 200


@pytest.mark.line("edge.bodies")
def test_a_large_statement_goes_through_and_a_larger_one_is_refused(stack: Stack, site: urllib3.HTTPSConnectionPool):
    time.sleep(3)
    token = stack.token("acme", "owner@acme.example")
    headers = {**site.headers, "Authorization": f"Bearer {token}", "Idempotency-Key": uuid4().hex}
    account = {"name": f"Large {uuid4().hex[:6]}", "kind": "asset", "currency": "EUR"}
    made = site.request("POST", "/api/v1/t/acme/accounts", json=account, headers=headers)
    assert made.status == 201, made.data
    fields = {
        "account_id": str(made.json()["id"]),
        "file": ("large.csv", b"Date,Payee,Description,Amount,Currency\n".ljust(LARGE, b"\n"), "text/csv"),
    }
    path = "/api/v1/t/acme/imports"
    answer = site.request("POST", path, fields=fields, headers=headers, timeout=120)
    # Web took all of it and says what it thinks of its content.
    assert answer.status in {202, 422}, answer.data
    assert logged(stack, answer.headers["X-Request-ID"])["upstream_status"] == str(answer.status)
    start = f"POST {path} HTTP/1.1\r\nHost: {DOMAIN}:{stack.https_port}\r\nConnection: close\r\n"
    told = raw(stack, f"{start}Content-Length: {TOO_LARGE}\r\n\r\n".encode())
    assert told.startswith(b"HTTP/1.1 413 ")
    found = re.search(rb"\{.*\}", told, re.DOTALL)
    assert found
    problem = json.loads(found[0])
    assert problem["code"] == "too_large"
    assert "64 MB" in problem["detail"]


@pytest.mark.line("edge.limits")
def test_one_address_uploads_four_statements_at_a_time(stack: Stack):
    start = f"POST /api/v1/t/acme/imports HTTP/1.1\r\nHost: {DOMAIN}:{stack.https_port}\r\nConnection: close\r\n"
    begun = f"{start}Content-Length: 100000\r\n\r\n".encode()
    held = [opened(stack, begun) for _ in range(4)]
    try:
        fifth = until(
            lambda: (
                (told := raw(stack, f"{start}Content-Length: 0\r\n\r\n".encode())).startswith(b"HTTP/1.1 429") and told
            ),
            seconds=10,
            what="a fifth upload is refused",
        )
        assert b"too_many_requests" in fifth
    finally:
        for line in held:
            line.close()
    until(
        lambda: b" 429 " not in raw(stack, f"{start}Content-Length: 0\r\n\r\n".encode())[:20],
        seconds=20,
        what="uploads again, once those are over",
    )


@pytest.mark.line("edge.bodies")
def test_a_form_elsewhere_takes_a_megabyte(site: urllib3.HTTPSConnectionPool):
    answer = site.request(
        "POST", "/password-reset", body=b"x" * 2_000_000, headers={**site.headers, "Accept-Language": "fr-CA"}
    )
    assert answer.status == 413
    page = answer.data.decode()
    assert '<html lang="fr" dir="ltr">' in page
    assert "C’est trop volumineux" in page


# What nginx serves by itself


@pytest.mark.parametrize("coding", ["br", "gzip"])
@pytest.mark.line("edge.static")
def test_static_files_are_packed_beforehand_and_kept_for_good(site: urllib3.HTTPSConnectionPool, coding: str):
    headers = {**site.headers, "Accept-Encoding": coding}
    answer = site.request("GET", "/static/css/components.css", headers=headers, preload_content=False)
    packed = answer.read(decode_content=False)
    assert answer.headers["Content-Encoding"] == coding
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert len(packed) < (ROOT / "static/css/components.css").stat().st_size / 3
    missing = site.request("GET", f"/static/{uuid4().hex}.css")
    assert missing.status == 404
    assert missing.headers["Cache-Control"] == "no-store"


@pytest.mark.line("edge.pages")
def test_what_nginx_says_by_itself_carries_the_same_headers(site: urllib3.HTTPSConnectionPool):
    answer = site.request("GET", "/static/nothing.css")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "nginx/" not in answer.headers["Server"]
    page = site.request("GET", "/sign-in")
    assert page.headers.getlist("Strict-Transport-Security") == ["max-age=31536000; includeSubDomains"]


@pytest.mark.line("edge.pages")
def test_maintenance_is_a_calm_page_and_a_problem_that_come_and_go_without_a_reload(
    stack: Stack, site: urllib3.HTTPSConnectionPool
):
    switch = stack.folder / ".production/nginx/maintenance"
    switch.touch()
    try:
        page = site.request("GET", "/t/acme/entries", headers={**site.headers, "Accept-Language": "en"})
        problem = site.request("GET", "/api/v1/t/acme/accounts", headers={**site.headers, "Accept-Language": "ar"})
        assert page.status == problem.status == 503
        assert "Comptoir is being looked after" in page.data.decode()
        assert page.headers["Retry-After"] == problem.headers["Retry-After"] == "60"
        assert problem.json()["code"] == "unavailable"
        assert site.request("GET", "/errors/errors.css").status == 200
    finally:
        switch.unlink()
    assert site.request("GET", "/sign-in").status == 200


# What scanners find


def gixy(stack: Stack, configuration: str) -> list[dict[str, str]]:
    """Return what gixy finds in a configuration."""
    path = stack.folder / "nginx-as-it-runs.conf"
    path.write_text(configuration)
    words = [str(TOOLS / "gixy"), "-f", "json", "--skips", ",".join(NOT_HELD), str(path)]
    found: list[dict[str, str]] = json.loads(stack.run(*words, check=False).stdout)
    return found


NOT_HELD = {
    "http2_misdirected_request": "a name that is not served gets nothing (444), not even 421",
    "try_files_is_evil_too": "about speed: the files that serve change with a deploy, so none is held open",
}
"""Checks of gixy that are not held to, and why."""


@pytest.mark.line("edge.gixy")
def test_gixy_finds_nothing_but_what_is_put_in_its_way(stack: Stack):
    runs = stack.compose("exec", "-T", "nginx", "nginx", "-T", "-q")
    assert [(one["plugin"], one["reason"]) for one in gixy(stack, runs)] == []
    seeded = runs.replace("location = /sign-in {", "location /i { alias /srv/; }\nlocation = /sign-in {")
    assert "alias_traversal" in {one["plugin"] for one in gixy(stack, seeded)}


def sslyze(stack: Stack, profile: str) -> tuple[int, str]:
    """Return whether the door keeps to a profile of Mozilla's, and what is said about it."""
    authority = stack.folder / ".production/certificates/authority.pem"
    words = [str(TOOLS / "sslyze"), f"--mozilla_config={profile}", "--certinfo_ca_file", str(authority)]
    done = stack.run(*words, "--sni", DOMAIN, f"127.0.0.1:{stack.https_port}", check=False)
    return done.returncode, done.stdout


@pytest.mark.line("edge.tls")
def test_tls_is_mozillas_intermediate_profile_or_the_modern_one_where_it_is_chosen(stack: Stack):
    code, told = sslyze(stack, "intermediate")
    assert code == 0, told
    assert sslyze(stack, "modern")[0] == 1
    choice = stack.folder / ".production/nginx/tls.conf"
    choice.write_text("include /etc/nginx/tls-modern.conf;\n")
    choice.chmod(0o644)
    try:
        stack.compose("exec", "-T", "nginx", "nginx", "-s", "reload")
        until(lambda: sslyze(stack, "modern")[0] == 0, seconds=30, what="TLS 1.3 alone")
    finally:
        choice.unlink()
        stack.compose("exec", "-T", "nginx", "nginx", "-s", "reload")
    until(lambda: sslyze(stack, "intermediate")[0] == 0, seconds=30, what="TLS 1.2 again")


ALLOWED_BY_TESTSSL = {
    "cipher_order": "Mozilla wants none of the server's",
    "cipher_order-tls1_2": "the same",
    "cert_expirationStatus": "the first certificate, of this machine's own authority, is for 60 days",
    "cert_notAfter": "the same",
    "cert_revocation": "an authority of one's own answers nobody",
}


@pytest.mark.skipif(shutil.which("testssl") is None, reason="needs Debian's package testssl.sh")
@pytest.mark.line("edge.testssl")
def test_testssl_finds_nothing_above_low(stack: Stack):
    report = stack.folder / "testssl.json"
    words = ["testssl", "--quiet", "--color", "0", "--nodns", "min", "--warnings", "off", "--ip", "one", "--sneaky"]
    authority = stack.folder / ".production/certificates/authority.pem"
    target = f"{DOMAIN}:{stack.https_port}"
    words = [*words, "--add-ca", str(authority), "--ip", "127.0.0.1", "--jsonfile", str(report), target]
    stack.run(*words, check=False, seconds=600)
    found = [
        one for one in json.loads(report.read_text()) if one["severity"] in {"MEDIUM", "HIGH", "CRITICAL", "FATAL"}
    ]
    assert {one["id"]: one["finding"] for one in found if one["id"] not in ALLOWED_BY_TESTSSL} == {}


# What attackers try

SMUGGLED = "GET /smuggled-{mark} HTTP/1.1\r\nHost: {host}\r\n\r\n"
POST = "POST /sign-in HTTP/1.1\r\nHost: {host}\r\n"
ATTACKS = {
    "cl.te": POST + "Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{more}",
    "te.cl": POST + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n1\r\nZ\r\n0\r\n\r\n{more}",
    "te.te": POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n{more}",
    "unknown te": POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{more}",
    "te in 1.0": "POST /sign-in HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{more}",
    "two lengths": POST + "Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{more}",
    "length of a sign": POST + "Content-Length: +{length}\r\n\r\n{more}",
    "folded header": "GET / HTTP/1.1\r\nHost: {host}\r\nX-One: a\r\n Content-Length: 5\r\n\r\n{more}",
    "space before colon": "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length : {length}\r\n\r\n{more}",
    "bare return": "GET / HTTP/1.1\r\nHost: {host}\r\nX-One: a\rX-Two: b\r\n\r\n{more}",
    "nul": "GET / HTTP/1.1\r\nHost: {host}\r\nX-One: a\0b\r\n\r\n{more}",
    "two hosts": "GET / HTTP/1.1\r\nHost: {host}\r\nHost: elsewhere.test\r\n\r\n{more}",
    "chunk of no number": POST + "Transfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n{more}",
}
"""Requests of which a door and what stands behind it may see other ends."""


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.line("edge.smuggling")
def test_a_request_with_two_ends_is_refused_and_nothing_comes_through(stack: Stack, attack: str):
    host = f"{DOMAIN}:{stack.https_port}"
    mark = uuid4().hex
    more = SMUGGLED.format(mark=mark, host=host)
    sent = ATTACKS[attack].format(host=host, more=more, length=len(more) + 5)
    # Reading ends: the connection was closed.
    got = raw(stack, sent.encode("latin-1"))
    assert got.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ")), got[:200]
    assert got.count(b"HTTP/1.1 ") == 1
    assert not [line for line in lines_of(stack, "nginx") if mark in line["path"]]


@pytest.mark.line("edge.smuggling")
def test_a_bare_line_feed_ends_a_line_and_is_handed_on_as_a_whole_one(stack: Stack):
    host, mark = f"{DOMAIN}:{stack.https_port}", uuid4().hex
    more = SMUGGLED.format(mark=mark, host=host)
    sent = f"POST /sign-in HTTP/1.1\nHost: {host}\nConnection: close\nContent-Length: {len(more)}\n\n{more}"
    got = raw(stack, sent.encode())
    assert got.count(b"HTTP/1.1 ") == 1
    assert mark not in stack.run("docker", "logs", "--tail", "400", f"{stack.project}-nginx-1").stdout
    assert mark not in stack.run("docker", "logs", "--tail", "400", f"{stack.project}-web-blue-1").stdout


@pytest.mark.skipif(shutil.which("slowhttptest") is None, reason="needs Debian's package slowhttptest")
@pytest.mark.line("edge.slow")
def test_slow_clients_keep_nobody_else_out(stack: Stack, measured: Measured):
    counts = "exec 3<>/dev/tcp/127.0.0.1/8081; printf 'GET /status HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
    words = ["slowhttptest", "-H", "-c", "800", "-r", "200", "-i", "5", "-l", "15", "-p", "3"]
    attack = subprocess.Popen([*words, "-u", f"http://127.0.0.1:{stack.http_port}/"], stdout=subprocess.DEVNULL)
    answers, held = [], 0
    try:
        with stack.pool() as site:
            while attack.poll() is None:
                answers.append(site.request("GET", "/livez", timeout=5).status)
                told = stack.compose("exec", "-T", "nginx", "bash", "-c", counts)
                held = max(held, int(told.partition("Active connections:")[2].split()[0]))
    finally:
        attack.kill()
        attack.wait()
    measured(f"{held} connections held, {len(answers)} others answered")
    assert held > 300
    assert len(answers) > 3
    assert set(answers) == {200}
