"""Mozilla's Observatory, its own scanner, finds nothing wrong with any kind of page that nginx lets out."""

import json
import re
import secrets
import shutil
from collections.abc import Iterator

import pytest
import urllib3

from tests.production.stack import DOMAIN, ROOT, Stack

SCANNER = ROOT / ".tools/observatory"

PAGES = {
    "sign-in": ("/sign-in", 200),
    "a page of a workspace": ("/t/acme/accounts", 200),
    "one's own settings": ("/profile", 200),
    "the API's description": ("/api/v1/docs", 200),
    "a page that is not there": ("/t/nowhere/accounts", 404),
    "a static file": ("/static/css/components.css", 200),
    "a static file that is not there": ("/static/nothing.css", 404),
}
"""Every kind of page, by its path, and what is answered to who is signed in."""


@pytest.fixture(scope="module")
def cookie(stack: Stack) -> Iterator[str]:
    """Return the cookies of the workspace's owner, signed in by a link."""
    told = stack.comptoir("person", "link", "--email", "owner@acme.example")
    found = re.search(r"https://\S+?(/sign-in/\S+)", told)
    assert found is not None, told
    origin = f"https://{DOMAIN}:{stack.https_port}"
    kept: dict[str, str] = {}

    def keep(answer: urllib3.BaseHTTPResponse) -> str:
        kept.update(line.partition(";")[0].split("=", 1) for line in answer.headers.getlist("Set-Cookie"))
        return "; ".join(f"{name}={value}" for name, value in kept.items())

    with stack.pool() as site:
        page = site.request("GET", found[1])
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.data.decode())
        assert token is not None
        headers = {**dict(site.headers), "Cookie": keep(page), "Origin": origin, "Referer": f"{origin}{found[1]}"}
        form = {"csrf_token": token[1]}
        answer = site.request("POST", found[1], headers=headers, fields=form, redirect=False, encode_multipart=False)
        assert answer.status == 303
        yield keep(answer)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Debian's packages nodejs and npm")
@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.line("edge.observatory")
def test_mozillas_scanner_finds_nothing_wrong(stack: Stack, cookie: str, kind: str, measured):
    path, status = PAGES[kind]
    asked = {
        "name": DOMAIN,
        "address": f"127.77.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}",
        "ports": {"80": stack.http_port, "443": stack.https_port},
        "path": path,
        "cookie": "" if kind == "sign-in" else cookie,
    }
    program = shutil.copy(ROOT / "tests/production/observatory/scan.mjs", SCANNER)
    authority = stack.folder / ".production/certificates/authority.pem"
    words = ("env", f"NODE_EXTRA_CA_CERTS={authority}", "node", str(program), json.dumps(asked))
    told = json.loads(stack.run(*words).stdout)
    assert (told["page"], told["testsFailed"], told["failed"]) == (status, 0, {}), told
    assert told["score"] >= 130, told
    measured(f"{kind}: {told['grade']}, {told['score']}, {told['testsQuantity']} tests")
