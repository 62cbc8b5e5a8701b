"""What comes in by mail: a sign-in, a new password, another address; and never whether an account exists."""

import re
import statistics
import time
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from tests.cast import Cast, newcomer
from tests.hands import Clock, letters, link_in, queued, submit, work
from webapp.identity import queries
from webapp.settings import Settings
from webapp.web.state import KEY

PASSWORD = "correct horse battery staple"
ANOTHER = "quite another long password"
person = partial(newcomer, password=PASSWORD)


@pytest.fixture(autouse=True)
def _quick(quick_hashes: None) -> None:
    """Compare passwords at little cost."""


def ask(client: FlaskClient, page: str, email: str) -> Any:
    return submit(client, page, page, {"email": email})


def post(settings: Settings, clock: Clock | None = None) -> None:
    """Let the post run: find out who is to be written to, then write."""
    more = {"clock": clock} if clock else {}
    work(settings, "identity.send_link", "identity.send_change", **more)
    work(settings, "mail.send", **more)


def links(settings: Settings, email: str) -> list[str]:
    return [link_in(letter) for letter in letters(settings, email) if "http" in letter]


def signs_in(app: Flask, email: str, password: str) -> bool:
    answer = submit(app.test_client(), "/sign-in", "/sign-in", {"email": email, "password": password})
    return bool(answer.status_code == 303)


def test_a_link_signs_in_once_in_the_browser_that_asked_for_it(still: Flask, settings: Settings, clock: Clock) -> None:
    email, mine, other = person(still), still.test_client(), still.test_client()
    asked = ask(mine, "/sign-in-by-mail", f"  {email.upper()} ")
    assert (asked.status_code, asked.headers["Location"]) == (303, "/mail-sent/magic")
    post(settings, clock)
    (link,) = links(settings, email)
    assert other.get(link).status_code == 403
    assert "only in the browser in which you asked" in other.get(link).text
    assert submit(other, "/sign-in", link).status_code == 403
    assert mine.get(link).status_code == 200, "looking at it uses nothing up"
    assert submit(mine, link, link).status_code == 303
    assert mine.get("/profile").status_code == 200
    assert "Confirmed" in mine.get("/profile/email").text, "a link that was used proves the address"
    assert submit(mine, "/profile", link).status_code == 410
    late = still.test_client()
    ask(late, "/sign-in-by-mail", email)
    post(settings, clock)
    clock.forward(minutes=15, seconds=1)
    (fresh,) = set(links(settings, email)) - {link}
    assert late.get(fresh).status_code == 410


def test_a_new_password_by_mail_ends_sessions_and_tokens_and_the_lock(
    cast: Cast, settings: Settings, app: Flask
) -> None:
    alice, client = cast.alice, app.test_client()
    ask(client, "/password-reset", alice.email)
    post(settings)
    link = links(settings, alice.email)[-1]
    page = client.get(link).text
    assert "Also revoke your API token" in page
    weak = submit(client, link, link, {"password": "passwordpassword"})
    assert weak.status_code == 422
    assert "too easy to guess" in weak.text
    answer = submit(client, link, link, {"password": ANOTHER, "tokens": "1"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")
    assert alice.browser().get("/profile").status_code == 303, "every session has ended"
    assert alice.api("GET", "/accounts").status_code == 401
    assert cast.bob.api("GET", "/accounts").status_code == 200
    assert signs_in(app, alice.email, ANOTHER)
    assert client.get(link).status_code == 410
    work(settings, "mail.send")
    assert any("Your password was changed" in letter for letter in letters(settings, alice.email))


def test_tokens_outlive_a_change_of_password_unless_it_is_wished_otherwise(app: Flask, cast: Cast) -> None:
    for wished, status in (("", 200), ("1", 401)):
        page = cast.dave.browser().get("/profile/password").text
        assert "Tokens work on with a new password" in page
        browser = cast.dave.browser()
        current = {"current": PASSWORD} if not wished else {"current": ANOTHER}
        done = submit(
            browser,
            "/profile/password",
            "/profile/password",
            {"password": ANOTHER + wished, "tokens": wished, **(current if wished else {})},
        )
        assert done.status_code == 303, done.text
        cast.dave.session_secret = browser.get_cookie("comptoir").value
        assert cast.dave.api("GET", "/accounts").status_code == status


def test_nothing_tells_whether_there_is_an_account(app: Flask, settings: Settings) -> None:
    known, nobody, gone = person(app), f"nobody-{uuid4().hex}@example.org", person(app)
    database = app.extensions[KEY].database
    with database.platform() as session:
        whose = queries.id_by_email(session=session, email=gone)
        session.execute(text("UPDATE person SET disabled_at = now() WHERE id = :id"), {"id": whose})
    for page in ("/sign-in-by-mail", "/password-reset"):
        said, times = set(), {known: [], nobody: []}
        for email in (known, nobody, gone, known, nobody, known, nobody, known, nobody):
            client = app.test_client()
            client.get(page)
            began = time.perf_counter()
            answer = ask(client, page, email)
            if email in times:
                times[email].append(time.perf_counter() - began)
            cookies = re.sub(r"=[^;]+", "", str(answer.headers.getlist("Set-Cookie")))
            said.add((answer.status_code, answer.headers["Location"], cookies))
        assert len(said) == 1
        medians = [statistics.median(spent) for spent in times.values()]
        assert min(medians) > 0.4 * max(medians)
    asked = [len(queued(database, email=email)) for email in (known, nobody)]
    assert asked == [8, 8]
    post(settings)
    assert letters(settings, nobody) == letters(settings, gone) == []
    assert len(links(settings, known)) == 5, "and nobody's mailbox is filled by a stranger"


def test_a_link_leads_to_where_the_installation_says_that_it_is(app: Flask, settings: Settings) -> None:
    email, client = person(app), app.test_client()
    page = client.get("/password-reset", headers={"Host": "evil.example"}).text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]
    data = {"csrf_token": token, "email": email}
    client.post("/password-reset", data=data, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    post(settings)
    assert all("evil" not in letter for letter in letters(settings, email))


def test_an_address_changes_when_both_mailboxes_have_agreed(app: Flask, settings: Settings, clock: Clock) -> None:
    old, new = person(app), f"new-{uuid4().hex[:8]}@example.org"
    mine, stranger = app.test_client(), app.test_client()
    submit(mine, "/sign-in", "/sign-in", {"email": old, "password": PASSWORD})
    ask(stranger, "/password-reset", old)
    wrong = submit(mine, "/profile/email", "/profile/email", {"email": "no address"})
    assert wrong.status_code == 422
    assert submit(mine, "/profile/email", "/profile/email", {"email": new}).status_code == 303
    post(settings)
    lying, at_new = links(settings, old), links(settings, new)
    reset = next(link for link in lying if "password-reset" in link)
    (at_old,) = (link for link in lying if "email-confirmation" in link)
    assert submit(stranger, at_new[0], at_new[0]).status_code == 303
    assert signs_in(app, old, PASSWORD), "one mailbox alone changes nothing"
    assert "Not yet" in mine.get("/profile/email").text
    assert submit(stranger, at_old, at_old).status_code == 303
    assert not signs_in(app, old, PASSWORD)
    assert signs_in(app, new, PASSWORD)
    assert stranger.get(reset).status_code == 410, "what lies in the former mailbox opens nothing"
    work(settings, "mail.send")
    for email in (old, new):
        assert any("The address of your account was changed" in letter for letter in letters(settings, email))


def test_an_address_that_somebody_has_cannot_be_taken_and_this_is_not_told(app: Flask, settings: Settings) -> None:
    mine, theirs, client = person(app), person(app), app.test_client()
    submit(client, "/sign-in", "/sign-in", {"email": mine, "password": PASSWORD})
    answer = submit(client, "/profile/email", "/profile/email", {"email": theirs.upper()})
    assert answer.status_code == 303
    post(settings)
    assert letters(settings, theirs) == []
    (link,) = links(settings, mine)
    submit(client, link, link)
    assert submit(client, "/profile/email", "/profile/email/withdrawal").status_code == 303
    assert client.get(link).status_code == 410
    assert submit(client, "/profile/email", "/profile/email/withdrawal").status_code == 404


def test_an_address_is_proved_by_a_link(app: Flask, settings: Settings) -> None:
    email, client = person(app), app.test_client()
    submit(client, "/sign-in", "/sign-in", {"email": email, "password": PASSWORD})
    assert "Not confirmed yet" in client.get("/profile/email").text
    submit(client, "/profile/email", "/profile/email/verification")
    post(settings)
    (link,) = links(settings, email)
    assert submit(client, link, link).status_code == 303
    assert "Not confirmed yet" not in client.get("/profile/email").text
