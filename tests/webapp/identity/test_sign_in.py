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
from pyotp import TOTP

from tests.cast import STAGE, Cast, newcomer
from tests.hands import Clock, submit
from webapp.app import create_app
from webapp.identity import codes, passwords, queries, recovery, totp
from webapp.settings import Settings
from webapp.sso import flows
from webapp.sso.rules import read_providers
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
    hard, lines, email = create_app(replace(settings, mode="production")), [], person(app)
    hard.testing, hard.config["PREFERRED_URL_SCHEME"] = True, "https"
    hard.extensions[flows.PROVIDERS] = read_providers('[{"kind": "github", "client_id": "a", "client_secret": "b"}]')

    inner = hard.wsgi_app

    def listening(environ: Any, start: Any) -> Any:
        """Note what every answer hands to the browser, Flask's own cookie too."""

        def begin(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            lines.extend(value for name, value in headers if name == "Set-Cookie")
            return start(status, headers, *more)

        return inner(environ, begin)

    hard.wsgi_app = listening  # type: ignore[method-assign]
    client = hard.test_client()
    client.environ_base["HTTP_REFERER"] = "https://localhost/sign-in"
    assert sign_in(client, email, "wrong password, quite long").status_code == 422
    assert sign_in(client, email).status_code == 303
    assert submit(client, "/profile", "/profile", {"language": "fr"}).status_code == 303
    assert submit(client, "/profile", "/sign-out").status_code == 303
    services = hard.extensions[KEY]
    with services.database.platform() as session:
        found = queries.person_by_email(session=session, email=email)
        assert found
        known = {"session": session, "actor": STAGE, "at": services.clock(), "person_id": found.id}
        totp.add_app(keys=services.keys, secret=(secret := "A" * 32), code=TOTP(secret).now(), **known)
        (code,) = codes.new_recovery_codes(lambda letters: letters[0])[:1]
        recovery.replace_codes(codes=[code], **known)
    assert sign_in(client, email).headers["Location"] == "/sign-in/second-step"
    assert submit(client, "/sign-in/second-step", "/sign-in/second-step", {"recovery_code": code}).status_code == 303
    other = hard.test_client()
    other.environ_base["HTTP_REFERER"] = "https://localhost/sign-in"
    assert submit(other, "/sign-in-by-mail", "/sign-in-by-mail", {"email": email}).status_code < 400
    assert other.get("/sign-in/with/github").headers["Location"].startswith("https://github.com/")

    names = {line.partition("=")[0].removeprefix("__Host-comptoir") for line in lines}
    assert names == {"", "-device", "-half", "-asked", "-flow", "-form"}, "a cookie that is new is tried here, too"
    assert any("1970" in line for line in lines), "one that goes is written as one that comes"
    for line in lines:
        told = {part.strip().partition("=")[0]: part.strip().partition("=")[2] for part in line.split(";")[1:]}
        assert line.startswith("__Host-"), line
        assert told.keys() >= {"Secure", "HttpOnly"}, line
        assert (told["SameSite"], told["Path"], "Domain" in told) == ("Lax", "/", False), line
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
