"""Every refusal is a problem document whose `type` leads to what it means, in the reader's language (AP-2)."""

import errno
import os
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from tenants.money.accounts import api as accounts_api
from tenants.money.accounts.commands import lock_balances
from tests.cast import Cast
from tests.webapp.tenancy.mutation import mutate
from tests.webapp.web.conftest import CALLS_A_MINUTE
from webapp.app import _locale
from webapp.kernel.errors import DomainError
from webapp.web.catalogue import catalogue
from webapp.web.state import KEY

SOURCES = Path(__file__).parents[3]
SECRET = "what nobody outside may read"
FRENCH = {"Accept-Language": "fr"}


def problem(app: Flask, answer: Any, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a problem document whose type leads to a page, and return it."""
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text
    told: dict[str, Any] = answer.json
    assert told["status"] == status
    assert told["code"] == code
    assert told["title"]
    assert told["detail"]
    assert told["instance"].startswith("/api/v1/")
    assert told["request_id"] == answer.headers["X-Request-Id"]
    page, _, anchor = told["type"].partition("#")
    shown = app.test_client().get(page)
    assert shown.status_code == HTTPStatus.OK
    assert f'id="{anchor}"' in shown.get_data(as_text=True)
    return told


def test_401_for_no_token_and_for_a_wrong_one(cast: Cast):
    for headers in ({}, {"Authorization": "Bearer cpt_live_0"}, {"Authorization": "Basic YTpi"}):
        answer = cast.app.test_client().get(f"/api/v1/t/{cast.acme.slug}/accounts", headers=headers)
        problem(cast.app, answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_403_names_what_is_missing(cast: Cast):
    told = problem(cast.app, cast.carol.api("POST", "/accounts", json={}), 403, "forbidden")
    assert "“Open and change accounts”" in told["detail"] and told["permission"] == "ledger:accounts:write"


def test_404_for_what_is_not_there(cast: Cast):
    problem(cast.app, cast.alice.api("GET", "/accounts/99"), 404, "not_found")
    problem(cast.app, cast.app.test_client().get("/api/v1/nothing"), 404, "not_found")


def test_405_names_the_right_methods(cast: Cast):
    answer = cast.alice.api("PATCH", "/accounts")
    problem(cast.app, answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


def test_413_for_a_body_that_is_too_large(narrow: Cast):
    answer = narrow.alice.api("POST", "/accounts", data=b'"' + b"a" * 100_000 + b'"', content_type="application/json")
    problem(narrow.app, answer, 413, "too_large")


def test_415_for_another_kind_of_content(cast: Cast):
    answer = cast.alice.api("POST", "/accounts", data=b"name=Bank", content_type="text/plain")
    assert "application/json" in problem(cast.app, answer, 415, "unsupported_media_type")["detail"]


def test_400_for_what_is_no_json(cast: Cast):
    answer = cast.alice.api("POST", "/accounts", data=b"{", content_type="application/json")
    problem(cast.app, answer, 400, "bad_request")


def test_422_points_at_the_fields(cast: Cast):
    answer = cast.alice.api("POST", "/accounts", json={"kind": "asset", "currency": "EUR", "colour": "red"})
    errors = problem(cast.app, answer, 422, "invalid")["errors"]
    assert {(one["pointer"], one["code"]) for one in errors} == {("/name", "missing"), ("/colour", "extra_forbidden")}


def test_429_says_when_to_try_again(narrow: Cast):
    for _ in range(CALLS_A_MINUTE):
        narrow.alice.api("GET", "/accounts/99")
    answer = narrow.alice.api("GET", "/accounts/99")
    problem(narrow.app, answer, 429, "too_many_requests")
    assert answer.headers["Retry-After"] == "45"


def test_500_names_the_request_and_tells_nothing_else(answering: Flask, cast: Cast, monkeypatch: pytest.MonkeyPatch):
    def fail(**_anything: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(accounts_api.queries, "accounts", fail)
    answer = cast.alice.api("GET", "/accounts")
    problem(answering, answer, 500, "internal_error")
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("whose", ["the database's", "our own"])
def test_503_says_that_the_disk_is_full_and_what_to_do(
    answering: Flask, cast: Cast, monkeypatch: pytest.MonkeyPatch, whose: str
):
    def fail(*, session: Session, **_anything: Any) -> None:
        if whose == "our own":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), SECRET)
        session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION '{SECRET}' USING ERRCODE = 'disk_full'; END $$"))

    monkeypatch.setattr(accounts_api.queries, "accounts", fail)
    answer = cast.alice.api("GET", "/accounts")
    told = problem(answering, answer, 503, "storage_full")
    assert "full" in told["detail"] and "Nothing was changed" in told["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    assert SECRET not in answer.text


@pytest.mark.parametrize("path", ["/sign-in", "/api/v1/t/acme/accounts"])
def test_400_for_a_host_that_cannot_be_read(app: Flask, path: str):
    answer = app.test_client().get(path, headers={"Host": "a" * 300})

    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert "cannot be understood" in answer.text


@pytest.fixture
def impatient(app: Flask) -> Iterator[None]:
    """Let the database wait for a lock a moment only."""
    engine = app.extensions[KEY].database.engine

    def shorten(connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '100ms'")

    event.listen(engine, "begin", shorten)
    yield
    event.remove(engine, "begin", shorten)


@pytest.mark.usefixtures("impatient")
def test_503_when_somebody_else_holds_the_account_for_too_long(app: Flask, cast: Cast):
    bank, other = (
        cast.alice.api("POST", "/accounts", json={"name": name, "kind": "asset", "currency": "EUR"}).json["id"]
        for name in ("Bank", "Cash")
    )
    postings = [
        {"account_id": one, "amount": amount, "currency": "EUR"} for one, amount in ((bank, "1"), (other, "-1"))
    ]
    with cast.acme.begin() as session:
        lock_balances(session=session, account_ids=[bank])
        answer = cast.alice.api(
            "POST", "/entries", json={"date": "2026-01-01", "description": "", "postings": postings}
        )

    problem(app, answer, 503, "busy")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("state", [psycopg.errors.ProtocolViolation, psycopg.errors.TooManyConnections])
def test_503_when_the_pooler_or_a_full_server_turns_us_away(app: Flask, cast: Cast, monkeypatch: Any, state: Any):
    def refuse(**_anything: Any) -> None:
        raise OperationalError("SELECT 1", None, state("query_wait_timeout"))

    monkeypatch.setattr(accounts_api.queries, "accounts", refuse)
    answer = cast.alice.api("GET", "/accounts")
    problem(app, answer, 503, "database_unreachable")
    assert int(answer.headers["Retry-After"]) > 0


def test_the_catalogue_has_every_code_with_a_title_and_what_to_do(app: Flask):
    with app.test_request_context():
        told = {entry.code: entry for entry in catalogue()}
    assert all(entry.title and entry.advice and 400 <= entry.status < 600 for entry in told.values())
    written = {
        code
        for folder in ("webapp", "tenants")
        for path in (SOURCES / folder).rglob("*.py")
        for code in re.findall(r"answer_status\([^)]*code=\"([a-z_]+)\"", path.read_text(encoding="utf-8"))
    }
    assert {"database_unreachable", "internal_error"} <= written
    # A form's token is asked for on pages alone; programs never see that refusal.
    assert written - {"csrf"} <= set(told)
    assert {"unbalanced", "if_match_missing", "idempotency_key_reused"} <= set(told)


def test_a_new_kind_of_refusal_is_in_the_catalogue_by_itself(app: Flask):
    class Unheard(DomainError):
        code = "unheard_of"
        status = 409
        title = "Never heard of"
        message = "Ask %(person)s."

    with app.test_request_context():
        (found,) = (entry for entry in catalogue() if entry.code == Unheard.code)
    assert (found.title, found.advice) == ("Never heard of", ["Ask …."])


def test_the_catalogue_needs_no_script_and_no_internet(app: Flask):
    html = app.test_client().get("/api/v1/problems").get_data(as_text=True)
    assert "https://" not in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "style=" not in html


def test_a_refusal_is_in_the_readers_language(cast: Cast):
    answer = cast.alice.api("POST", "/accounts", json={"kind": "asset", "currency": "EUR", "name": 1}, headers=FRENCH)
    told = problem(cast.app, answer, 422, "invalid")
    assert told["title"] == "Une partie de la saisie ne peut pas être acceptée"
    assert told["errors"] == [{"pointer": "/name", "code": "string_type", "detail": "Il faut un texte."}]
    for answer in (
        cast.alice.api("POST", "/accounts", data=b"{", content_type="application/json", headers=FRENCH),
        cast.alice.api("PATCH", "/accounts", headers=FRENCH),
        cast.alice.api("GET", "/accounts?limit=0", headers=FRENCH),
        cast.alice.api("GET", "/accounts?cursor=x", headers=FRENCH),
        cast.alice.api("GET", "/accounts/99", headers=FRENCH),
        cast.carol.api("POST", "/accounts", json={}, headers=FRENCH),
        cast.app.test_client().get(f"/api/v1/t/{cast.acme.slug}/accounts", headers=FRENCH),
    ):
        english = re.search(r"\b(the|this|send|use|must|which|there)\b", f"{answer.json}".lower())
        assert english is None, answer.json


def test_a_batch_tells_each_refusal_in_the_readers_language(cast: Cast):
    posting = {"account_id": 99, "amount": "1.00", "currency": "EUR"}
    entry = {"date": "2026-11-02", "description": "x", "postings": [posting, posting]}
    answer = cast.alice.api("POST", "/entries/batch", json={"entries": [entry], "atomic": False}, headers=FRENCH)
    assert answer.json["data"][0]["detail"] != ""
    assert "The postings" not in answer.text


def test_a_missing_translation_would_be_seen(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    mutate(monkeypatch, _locale, "asked or", "")
    answer = cast.alice.api("GET", "/accounts?limit=0", headers=FRENCH)
    assert answer.json["title"] == "Some of what was entered cannot be accepted"
