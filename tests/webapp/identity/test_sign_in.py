"""Signing in and out with a browser that runs no scripts."""

import statistics
import threading
import time
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast, newcomer
from tests.hands import Clock, submit
from webapp.app import create_app
from webapp.identity import passwords
from webapp.settings import Settings
from webapp.web.state import KEY

PASSWORD = "correct horse battery staple"
person = partial(newcomer, password=PASSWORD)


def sign_in(client: FlaskClient, email: str, password: str = PASSWORD, **kwargs: Any) -> Any:
    """Fill in the sign-in form."""
    return submit(client, "/sign-in", "/sign-in", {"email": email, "password": password, **kwargs})


def cookie(client: FlaskClient) -> str:
    """Return the session's secret in a browser."""
    found = client.get_cookie("comptoir")
    return found.value if found else ""


def test_the_right_password_opens_a_session_and_goes_where_one_was_headed(app: Flask) -> None:
    client, email = app.test_client(), person(app)
    asked = client.get("/profile/sessions")
    assert asked.headers["Location"] == "/sign-in?next=/profile/sessions"
    answer = sign_in(client, email.upper(), next="/profile/sessions")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/profile/sessions")
    assert client.get("/profile/sessions").status_code == 200


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "///evil.example", "/a\r\nX: y"],
)
def test_nobody_is_sent_to_another_site(app: Flask, target: str) -> None:
    assert sign_in(app.test_client(), person(app), next=target).headers["Location"] == "/"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(app: Flask) -> None:
    answer = sign_in(app.test_client(), person(app))
    (session,) = [line for line in answer.headers.getlist("Set-Cookie") if line.startswith("comptoir=")]
    assert "HttpOnly" in session
    assert "SameSite=Lax" in session
    assert "Path=/" in session
    assert "Domain" not in session


def test_in_production_every_cookie_is_secure_and_bound_to_the_host(settings: Settings, app: Flask) -> None:
    hard = create_app(replace(settings, mode="production"))
    hard.testing = True
    client = hard.test_client()
    answer = submit(
        client,
        "https://localhost/sign-in",
        "https://localhost/sign-in",
        {"email": person(app), "password": PASSWORD},
        headers={"Referer": "https://localhost/sign-in"},
    )
    assert answer.status_code == 303
    for line in answer.headers.getlist("Set-Cookie"):
        assert line.startswith("__Host-")
        assert "Secure" in line
        assert "HttpOnly" in line
    hard.extensions[KEY].database.close()
    hard.extensions[KEY].redis.close()


def test_known_and_unknown_accounts_get_the_same_answer_in_the_same_time(app: Flask) -> None:
    known, none = person(app), person(app, password=None)
    answers: dict[str, tuple[int, str]] = {}
    times: dict[str, list[float]] = {known: [], none: [], "nobody@example.org": []}
    for _ in range(3):
        for email, spent in times.items():
            client = app.test_client()
            client.get("/sign-in")
            began = time.perf_counter()
            answer = sign_in(client, email, "wrong password, quite long")
            spent.append(time.perf_counter() - began)
            text = answer.get_data(as_text=True).replace(email, "")
            answers[email] = (answer.status_code, text[text.index("<main") : text.index("</main>")].split("csrf")[0])
    assert len(set(answers.values())) == 1
    assert answers[known][0] == 422
    medians = [statistics.median(values) for values in times.values()]
    assert min(medians) > 0.5 * max(medians)


def test_a_session_that_was_planted_ends_at_sign_in(app: Flask, cast: Cast) -> None:
    client = app.test_client()
    client.set_cookie("comptoir", "planted-by-somebody-else")
    sign_in(client, person(app))
    assert cookie(client) != "planted-by-somebody-else"
    first = cookie(client)
    again = app.test_client()
    again.set_cookie("comptoir", first)
    submit(again, "/profile", "/sign-out")
    taken = app.test_client()
    taken.set_cookie("comptoir", first)
    assert taken.get("/profile").status_code == 303


def test_signing_in_again_changes_the_secret_and_ends_the_old_session(app: Flask) -> None:
    client, email = app.test_client(), person(app)
    sign_in(client, email)
    old = cookie(client)
    token = client.get("/profile").get_data(as_text=True).partition('name="csrf_token" value="')[2].partition('"')[0]
    client.post("/sign-in", data={"csrf_token": token, "email": email, "password": PASSWORD})
    assert cookie(client) != old
    stale = app.test_client()
    stale.set_cookie("comptoir", old)
    assert stale.get("/profile").status_code == 303


def test_signing_out_ends_the_session_itself_not_only_the_cookie(app: Flask) -> None:
    client = app.test_client()
    sign_in(client, person(app))
    secret = cookie(client)
    answer = submit(client, "/profile", "/sign-out")
    assert answer.headers["Clear-Site-Data"]
    client.set_cookie("comptoir", secret)
    assert client.get("/profile").status_code == 303


def test_a_form_without_its_token_is_refused(app: Flask) -> None:
    client, email = app.test_client(), person(app)
    assert client.post("/sign-in", data={"email": email, "password": PASSWORD}).status_code == 403
    sign_in(client, email)
    for path in ("/sign-out", "/profile", "/workspaces"):
        assert client.post(path, data={"name": "x"}).status_code == 403


def test_an_idle_session_ends_after_an_hour_and_a_busy_one_after_a_day(still: Flask, clock: Clock) -> None:
    client, email = still.test_client(), person(still)
    sign_in(client, email)
    clock.forward(minutes=59)
    assert client.get("/profile").status_code == 200
    clock.forward(minutes=61)
    assert client.get("/profile").status_code == 303
    busy = still.test_client()
    sign_in(busy, email)
    for _ in range(23 * 2):
        clock.forward(minutes=30)
        assert busy.get("/profile").status_code == 200
    clock.forward(minutes=61)
    assert busy.get("/profile").status_code == 303


def test_at_most_two_passwords_are_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock = [0], [0], threading.Lock()

    class Slow:
        def verify(self, *_: object) -> None:
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            time.sleep(0.02)
            with lock:
                running[0] -= 1

    monkeypatch.setattr(passwords, "_hasher", Slow())
    threads = [
        threading.Thread(target=passwords.verify_password, kwargs={"stored": (uuid4(), "x"), "password": "y"})
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 2


def test_sign_in_attempts_of_one_network_are_limited(settings: Settings) -> None:
    strict = create_app(replace(settings, sign_in_per_5_minutes=3))
    strict.testing = True
    answers = [sign_in(strict.test_client(), "n@example.org", "x") for _ in range(5)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert "per 300" not in refused.text, "the limiter's own words are no sentence"
    strict.extensions[KEY].database.close()
    strict.extensions[KEY].redis.close()
