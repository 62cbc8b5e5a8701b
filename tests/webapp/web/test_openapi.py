"""The document of the JSON API, its page, and what is refused before anybody reads a body."""

import re

import pytest
from flask import Flask

from tenants.money.ledger.shapes import EntryAsk, EntryQuery
from tests.cast import Cast


def test_the_document_describes_every_call_with_problems_and_stable_names(app: Flask):
    told = app.test_client().get("/api/v1/openapi.json").get_json()
    assert told["openapi"].startswith("3.1")
    operations = [one for methods in told["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names) >= 30
    for one in operations:
        for status in ("400", "401", "403", "404", "405", "415", "422", "429"):
            assert one["responses"][status] == {"$ref": f"#/components/responses/{status}"}
            assert list(told["components"]["responses"][status]["content"]) == ["application/problem+json"]


def test_the_page_needs_no_script_of_its_own_and_no_internet(app: Flask):
    answer = app.test_client().get("/api/v1/docs")
    assert answer.status_code == 200
    html = answer.get_data(as_text=True)
    assert "GET /api/v1/t/{slug}/accounts" in re.sub("<[^>]+>", "", html)
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert not re.search(r"(?:src|href|action|url)\s*[=(]\s*[\"']?(?:https?:)?//", html)


def test_an_unknown_address_is_a_problem(app: Flask):
    answer = app.test_client().get("/api/v1/nothing")
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


def test_a_wrong_method_names_the_right_ones(cast: Cast):
    answer = cast.alice.api("PATCH", "/accounts")
    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize("body", [b"{", b"{'name': 1}", b'{"name": NaN}', b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_refused(cast: Cast, body: bytes):
    answer = cast.alice.api("POST", "/accounts", data=body, content_type="application/json")
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", ""]
)
def test_another_kind_of_content_is_refused(cast: Cast, kind: str):
    answer = cast.alice.api("POST", "/accounts", data=b"name=Bank", content_type=kind)
    assert (answer.status_code, answer.mimetype) == (415, "application/problem+json")


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800"])
def test_a_character_that_cannot_be_kept_is_refused(cast: Cast, text: str):
    body = f'{{"name": "a{text}", "kind": "asset", "currency": "EUR"}}'
    answer = cast.alice.api("POST", "/accounts", data=body, content_type="application/json")
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")


def test_what_a_call_asks_for_is_described_once_and_not_with_every_call():
    assert EntryQuery.model_json_schema() is EntryQuery.model_json_schema()
    assert EntryQuery.model_json_schema() is not EntryAsk.model_json_schema()
    assert "limit" in EntryQuery.model_json_schema()["properties"]
    assert EntryQuery.model_json_schema(by_alias=False) is not EntryQuery.model_json_schema()
