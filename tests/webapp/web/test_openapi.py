"""The document of the JSON API, its page, and what is refused before anybody reads a body."""

import html
import json
import re

import pytest
from flask import Flask

from tenants.money.ledger.shapes import EntryAsk, EntryIn, EntryQuery
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
    page = answer.get_data(as_text=True)
    assert "GET /api/v1/t/{slug}/accounts" in re.sub("<[^>]+>", "", page)
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://localhost/", "")
    assert not re.search(r"(?:src|href|action|url)\s*[=(]\s*[\"']?(?:https?:)?//", page)


def test_the_page_leads_to_a_first_call_that_goes_through(cast: Cast):
    page = cast.app.test_client().get("/api/v1/docs", base_url="https://books.example").get_data(as_text=True)
    first = html.unescape(re.search(r'id="first-call-commands" tabindex="0"><code>(.*?)</code>', page, re.DOTALL)[1])
    assert 'curl -H "Authorization: Bearer $TOKEN"' in first
    assert first.count("https://books.example/api/v1/t/$WORKSPACE/") == 2
    body = json.loads(re.search(r"-d '(.*)'", first, re.DOTALL)[1])
    kinds = [("Bank", "asset"), ("Coffee", "expense")]
    for posting, (name, kind) in zip(reversed(body["postings"]), kinds, strict=True):
        account = {"name": name, "kind": kind, "currency": "EUR"}
        posting["account_id"] = cast.alice.api("POST", "/accounts", json=account).get_json()["id"]
    answer = cast.alice.api("POST", "/entries", json=body, headers={"Idempotency-Key": "first-call-1"})
    assert answer.status_code == 201, answer.get_json()


def test_each_call_names_its_scope_shows_what_it_sends_and_folds_its_refusals(app: Flask):
    page = app.test_client().get("/api/v1/docs").get_data(as_text=True)
    call = re.search(r'<details id="postEntry">.*?</details>', page, re.DOTALL)[0]
    assert "<code>ledger:write</code>" in call
    assert "<code>ledger:entries:write</code>" in call
    sent = html.unescape(re.search(r'<pre class="code" tabindex="0"><code>(.*?)</code>', call, re.DOTALL)[1])
    assert EntryIn.model_validate(json.loads(sent)).postings
    assert len(re.findall("<li>", call)) == 2, "one line for what it answers, one for how it refuses"
    assert "`" not in page
    assert "<code>errors</code>" in page


def test_the_document_names_the_scope_of_every_call(app: Flask):
    told = app.test_client().get("/api/v1/openapi.json").get_json()
    for path, methods in told["paths"].items():
        for method, one in methods.items():
            if "{slug}" in path:
                assert one["security"][0]["token"][0].endswith((":read", ":write")), (method, path)
                assert len(one["x-permission"].split(":")) == 3


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
