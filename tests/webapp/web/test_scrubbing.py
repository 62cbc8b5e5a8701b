"""Logs tell no secret: real requests that carry every kind of them, failures in every layer, then all lines."""

import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from structlog.stdlib import ProcessorFormatter

from tests.cast import Cast
from tests.hands import submit
from webapp.kernel.ids import new_id, new_secret
from webapp.web import logs
from webapp.web.scrubbing import GONE, scrub, scrubbed

IBAN = "FR7630006000011234567890189"
CANARY_ROW = "canary-row"
SPOKEN = "fr76 3000 6000 0112 3456 7890 189"
PASSWORD = "correct horse battery canary-4711"


def test_no_line_of_any_log_tells_a_secret(
    cast: Cast, answering: Flask, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    link, jwt = new_secret(), "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.sig"
    browser, path = cast.alice.browser(), f"/t/{cast.acme.slug}/accounts"
    submit(answering.test_client(), "/sign-in", "/sign-in", {"email": cast.bob.email, "password": PASSWORD})
    for address in (f"/sign-in/{link}", f"/invitations/{link}", f"/first-operator/{link}", f"/x?token={link}"):
        browser.get(address)
    assert browser.get(f"{path}?password={PASSWORD.replace(' ', '+')}&code=123456").status_code == 200
    account = {"name": "Bank", "kind": "asset", "currency": "EUR", "iban": SPOKEN}
    assert cast.alice.api("POST", "/accounts", json=account).status_code == 201
    cast.alice.api("GET", "/accounts", headers={"Authorization": f"Bearer {cast.alice.token}x"})

    def fail(**_: Any) -> None:
        raise RuntimeError(f"{IBAN} {SPOKEN} {cast.alice.token} Cookie: comptoir={cast.alice.session_secret}; {jwt}")

    monkeypatch.setattr("tenants.money.accounts.queries.accounts", fail)
    assert browser.get(path).status_code == 500
    logging.getLogger("waitress").error("lost https://me:%s@smtp.example/?secret=%s", "pass-4711", link)
    structlog.get_logger().error(
        "made", api_token=cast.alice.token, detail={"password": PASSWORD, "list": [link, IBAN]}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tenants.money.accounts.queries.account", lambda **_: open_wrong(answering))
        assert cast.alice.api("GET", "/accounts/1").status_code == 500

    told = "".join(lines)
    assert told.count('"status": 500') >= 2 and "RuntimeError" in told and "smtp.example" in told
    part, typed = cast.alice.token.rpartition("_")[2], PASSWORD.replace(" ", "+")
    for secret in (IBAN, SPOKEN, "3000 6000", PASSWORD, typed, link, part, jwt, "pass-4711", cast.alice.session_secret):
        assert secret not in told, secret
    assert "code=123456" not in told and CANARY_ROW not in told


@pytest.fixture
def lines(app: Flask) -> Iterator[list[str]]:
    """Return every line that is logged from now on, by structlog and by the standard library, as it is written."""
    found, kept = [], StringIO()

    def keep(_logger: Any, _method: str, line: str) -> str:
        found.append(line)
        return line

    class Both(list[str]):
        def __iter__(self) -> Iterator[str]:
            return iter([*found, kept.getvalue()])

    handler = logging.StreamHandler(kept)
    ours = (one for one in logging.getLogger().handlers if isinstance(one.formatter, ProcessorFormatter))
    handler.setFormatter(next(ours).formatter)
    logging.getLogger().addHandler(handler)
    logs._LINE.append(keep)
    yield Both()
    logs._LINE.remove(keep)
    logging.getLogger().removeHandler(handler)


def open_wrong(app: Flask) -> None:
    """Let the database refuse a row that holds a secret; it repeats the row."""
    with app.extensions["comptoir"].database.platform() as session:
        session.execute(
            # Python 3.13 shows all lines of a statement in a traceback: what is secret is none of its words.
            text("INSERT INTO person (id, language) VALUES (gen_random_uuid(), :word)"),
            {"word": CANARY_ROW},
        )


@given(st.text(max_size=80))
def test_what_is_no_secret_stays_as_it_is_or_is_taken_out_whole(said: str) -> None:
    once = scrubbed(said)
    assert scrubbed(once) == once
    assert once == said or GONE in once


def test_numbers_and_names_of_requests_stay_readable() -> None:
    line = {"event": "request", "route": "/t/<slug>/accounts", "request_id": new_id().hex, "job_id": str(new_id())}
    assert scrub(None, "", dict(line)) == line
    assert scrub(None, "", {"status": 200, "token_id": "abc", "none": None}) == {
        "status": 200,
        "token_id": "abc",
        "none": None,
    }
    assert scrubbed("FR7630006000011234567890180") == "FR7630006000011234567890180", "its check digits are wrong"
