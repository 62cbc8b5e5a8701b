"""Whatever a page shows or does, a call does under the same permission."""

import re
from dataclasses import dataclass

import pytest
from flask import Flask
from werkzeug.routing import Rule

from webapp.access.permissions import Permission
from webapp.identity.gate import check_declarations

READING = {"GET", "HEAD"}
PAGES_ALONE: dict[str, str] = {
    f"access.{name}": "is a call itself, at the address that the AuthZEN standard gives it"
    for name in ("evaluate", "evaluate_many", "find")
}
"""Endpoints of pages without a call, each with the reason."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way into a workspace: its permission, and whether it only reads."""

    endpoint: str
    permission: Permission
    reads: bool


def ways(app: Flask, prefix: str) -> list[Way]:
    """Return the ways whose address begins so."""
    return [
        Way(rule.endpoint, app.view_functions[rule.endpoint].permission, reads)
        for rule in app.url_map.iter_rules()
        if re.match(rf"{prefix}/t/<slug>", rule.rule)
        for reads in _kinds(rule)
    ]


def _kinds(rule: Rule) -> list[bool]:
    methods = (rule.methods or set()) - {"OPTIONS"}
    return [reads for reads, some in ((True, methods & READING), (False, methods - READING)) if some]


def without_a_call(app: Flask) -> list[str]:
    """Return the pages whose permission no call of the same kind asks for."""
    calls = {(way.permission, way.reads) for way in ways(app, "/api/v1")}
    found = []
    for way in ways(app, ""):
        # A form is a page under the permission of what it sends; the call is what is sent.
        reads = way.permission.endswith(":read")
        if (way.permission, reads) not in calls and way.endpoint not in PAGES_ALONE:
            found.append(f"{way.endpoint} asks for {way.permission}")
    return sorted(set(found))


def test_every_page_has_a_call_with_its_permission(app: Flask):
    assert len(ways(app, "")) > 30
    assert without_a_call(app) == []


def test_every_exception_is_a_page_that_is_there(app: Flask):
    assert PAGES_ALONE.keys() <= {way.endpoint for way in ways(app, "")}


def test_a_page_without_a_call_would_be_seen(app: Flask, monkeypatch: pytest.MonkeyPatch):
    check_declarations(app)
    monkeypatch.setattr(app.view_functions["money_accounts.list_accounts"], "permission", "ledger:nothing:write")
    assert "money_accounts.list_accounts asks for ledger:nothing:write" in without_a_call(app)
