"""Whose calls and whose attempts are counted together."""

import io
import json
from dataclasses import replace

import pytest
from flask import Flask

from tests.cast import Cast
from tests.hands import submit
from tests.webapp.web.conftest import CALLS_A_MINUTE
from webapp.app import create_app
from webapp.settings import Settings
from webapp.web import limits
from webapp.web.limits import network
from webapp.web.state import KEY


def test_guesses_at_the_secret_of_a_token_do_not_use_up_its_calls(narrow: Cast) -> None:
    token = narrow.alice.token
    other = "0" if token[-1] != "0" else "1"
    for _ in range(CALLS_A_MINUTE + 1):
        guess = narrow.alice.api("GET", "/accounts", headers={"Authorization": f"Bearer {token[:-1]}{other}"})
    assert guess.status_code == 429

    assert narrow.alice.api("GET", "/accounts").status_code == 200


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("a socket", "a socket"),
    ],
)
def test_the_addresses_of_one_subnet_are_one_network(app: Flask, address: str, counted: str) -> None:
    with app.test_request_context("/", environ_base={"REMOTE_ADDR": address}):
        assert network() == counted


def test_another_address_of_the_same_subnet_is_no_new_network_to_sign_in_from(settings: Settings) -> None:
    strict = create_app(replace(settings, sign_in_per_5_minutes=2))
    strict.testing = True
    statuses = [
        submit(
            strict.test_client(),
            "/sign-in",
            "/sign-in",
            {"email": "n@example.org", "password": "x"},
            environ_base={"REMOTE_ADDR": f"2001:db8:77::{number}"},
        ).status_code
        for number in range(1, 5)
    ]
    strict.extensions[KEY].database.close()
    strict.extensions[KEY].redis.close()

    assert 429 in statuses


def test_json_has_a_limit_of_its_own_below_that_of_files(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "JSON_BYTES_MAX", 10_000)
    account = {"name": "Bank", "kind": "asset", "currency": "EUR"}
    padded = json.dumps(account) + " " * 10_000
    answer = cast.alice.api("POST", "/accounts", data=padded, content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")
    account_id = cast.alice.api("POST", "/accounts", json=account).json["id"]

    statement = b"Date,Description,Amount\n" + b"2026-01-01,a,1.00\n" * 1_000
    form = {"account_id": str(account_id), "file": (io.BytesIO(statement), "larger.csv")}
    assert cast.alice.api("POST", "/imports", data=form, content_type="multipart/form-data").status_code == 202
