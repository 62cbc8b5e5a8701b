"""Version 1 only grows: what programs were told, in the copy that is kept, still holds."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.api.committed import COPY
from tests.api.compatibility import breaks

Change = Callable[[dict[str, Any]], Any]
ACCOUNTS = "/api/v1/t/{slug}/accounts"


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    """Return the copy."""
    return dict(json.loads(COPY.read_text(encoding="utf-8")))


def test_nothing_that_was_promised_is_gone(app: Flask, kept: dict[str, Any]):
    now = app.test_client().get("/api/v1/openapi.json").get_json()
    assert breaks(kept, now) == [], "announce the end of a call first (webapp/web/contract.py), or make a new one"


def shape(told: dict[str, Any], name: str) -> Any:
    return told["components"]["schemas"][name]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda now: now["paths"].pop(ACCOUNTS), f"GET {ACCOUNTS} is gone"),
        (lambda now: now["paths"][ACCOUNTS].pop("post"), f"POST {ACCOUNTS} is gone"),
        (lambda now: now["paths"][ACCOUNTS]["get"].update(operationId="accounts"), "is called accounts"),
        (lambda now: shape(now, "AccountOut")["properties"].pop("held"), "no longer has held"),
        (lambda now: shape(now, "AccountOut")["required"].remove("held"), "may newly lack held"),
        (lambda now: shape(now, "AccountOut")["properties"]["id"].update(type="string"), "id may newly be string"),
        (lambda now: shape(now, "AccountIn")["required"].append("code"), "newly needs code"),
        (lambda now: shape(now, "AccountIn")["properties"].pop("code"), "no longer takes code"),
        (lambda now: shape(now, "Kind")["enum"].remove("equity"), "can no longer be equity"),
        (lambda now: now["paths"][ACCOUNTS]["get"]["parameters"].pop(), "is gone"),
        (
            lambda now: now["paths"][ACCOUNTS]["get"]["parameters"].append(
                {"name": "on", "in": "query", "required": True, "schema": {"type": "string"}}
            ),
            "the parameter on (query) is newly needed",
        ),
        (lambda now: now["paths"][ACCOUNTS]["post"]["responses"].pop("201"), "no longer answers 201"),
        (
            lambda now: shape(now, "PostingIn")["properties"].update(
                account=shape(now, "PostingIn")["properties"].pop("account_id")
            ),
            "no longer takes account_id",
        ),
    ],
)
def test_a_build_that_takes_something_away_turns_red(kept: dict[str, Any], change: Change, told: str):
    now = copy.deepcopy(kept)
    change(now)
    assert any(told in one for one in breaks(kept, now)), breaks(kept, now)


def test_what_only_grows_is_no_break(kept: dict[str, Any]):
    now = copy.deepcopy(kept)
    shape(now, "AccountOut")["properties"]["colour"] = {"type": "string"}
    shape(now, "AccountIn")["properties"]["colour"] = {"type": "string"}
    now["paths"]["/api/v1/t/{slug}/colours"] = now["paths"][ACCOUNTS]
    assert breaks(kept, now) == []
