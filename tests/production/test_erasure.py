"""An owner lets a workspace be erased: the clock notices that the days of grace are over, a worker erases it."""

import json
import time
from typing import Any
from uuid import uuid4

import pytest

from tests.production.lines import Measured
from tests.production.stack import Stack, csrf_token, until


def call(stack: Stack, token: str, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Call the API through nginx and return status and answer."""
    headers = {"Host": f"books.test:{stack.https_port}", "Authorization": f"Bearer {token}"}
    headers |= {"Content-Type": "application/json", "Idempotency-Key": uuid4().hex}
    with stack.pool() as site:
        answer = site.request(method, f"/api/v1/t/{path}", headers=headers, body=json.dumps(body or {}))
    return answer.status, json.loads(answer.data)


@pytest.mark.line("backup.erased")
def test_an_owner_lets_a_workspace_be_erased(stack: Stack, measured: Measured):
    slug, email = f"gone-{uuid4().hex[:8]}", f"{uuid4().hex[:8]}@gone.example"
    stack.comptoir("tenant", "create", "--slug", slug, "--name", "Gone", "--owner", email)
    token = stack.token(slug, email)
    assert (
        call(stack, token, "POST", f"{slug}/accounts", {"name": "Till", "kind": "asset", "currency": "EUR"})[0] == 201
    )
    status, told = call(stack, token, "POST", f"{slug}/erasure", {"name": "Gone"})
    assert (status, told["code"]) == (403, "confirmation_needed"), "a token confirms nothing"
    browser = stack.browser(email)
    with stack.pool() as site:
        page = site.request("GET", f"/t/{slug}/erasure", headers=browser, redirect=False)
        assert page.status == 200
        fields = {"csrf_token": csrf_token(page.data.decode()), "name": "Gone"}
        asked = site.request(
            "POST", f"/t/{slug}/erasure", headers=browser, fields=fields, redirect=False, encode_multipart=False
        )
    assert asked.status == 303, asked.data.decode()[:2000]
    status, told = call(stack, token, "GET", f"{slug}/erasure")
    assert (status, told["holdings"]["accounts"], bool(told["erase_at"])) == (200, 1, True)
    tenant = stack.sql(f"SELECT id FROM platform.tenant WHERE slug = '{slug}'")

    stack.sql(f"UPDATE platform.tenant SET erase_at = now() WHERE id = '{tenant}'")
    began = time.monotonic()
    done = "SELECT count(*) FROM platform.audit_event WHERE action = 'tenant.erased' AND object_id = "
    until(lambda: stack.sql(f"{done}'{tenant}'") == "1", seconds=150, what="the workspace is erased")
    until(lambda: stack.sql("SELECT bool_and(is_done) FROM platform.erasure") == "t", seconds=20, what="a certificate")
    measured(f"{time.monotonic() - began:.0f} s after its time")
    assert stack.sql(f"SELECT count(*) FROM platform.tenant WHERE id = '{tenant}'") == "0"
    left = f"SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%{tenant.replace('-', '')}%'"
    assert stack.sql(left) == "0"
    assert call(stack, token, "GET", f"{slug}/accounts")[0] == 401, "its tokens open nothing"
