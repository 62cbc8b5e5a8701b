"""What a person is told by mail about their own account: in their language, once, and only of what happened."""

import re
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from flask import Flask

from tests.cast import Cast, newcomer
from tests.hands import letters, queued, submit, work
from webapp.identity.notices import KINDS, tell
from webapp.mail.letters import write
from webapp.settings import Settings
from webapp.web.state import KEY

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
PASSWORD = "correct horse battery staple"
VALUES = {
    "name": "Zoé <b>",
    "at": AT.isoformat(),
    "address": "192.0.2.7",
    "browser": "Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0",
    "minutes": 5,
    "left": 9,
    "passkey": "My laptop",
    "account": "Nightly export",
    "old": "a@example.org",
    "new": "b@example.org",
    "workspace": "Été & Fils",
    "what": "trail",
    "by": "carol@example.org",
    "when": AT.isoformat(),
    "slug": "ete",
    "erasure": "01993c5e-0000-7000-8000-000000000001",
    "client": "Reports",
    "provider": "Directory",
    "role": "owner",
    "token": "robot",
}
person = partial(newcomer, password=PASSWORD)


def subjects(settings: Settings, to: str) -> list[str]:
    """Send what is queued and return the subjects of the letters to one address."""
    work(settings, "mail.send")
    return [re.findall(r"(?m)^Subject: (.*?)\r?$", letter)[0] for letter in letters(settings, to)]


def sign_in(app: Flask, email: str, client: Any = None, **headers: str) -> Any:
    """Sign in with a browser that the account may know."""
    client = client or app.test_client()
    submit(client, "/sign-in", "/sign-in", {"email": email, "password": PASSWORD}, headers=headers)
    return client


@pytest.mark.parametrize("language", ["en", "fr", "ar"])
def test_every_notice_is_written_in_every_language_as_text_and_as_the_same_html(language: str) -> None:
    said = set()
    for kind in KINDS:
        letter = write(kind, language, VALUES, home="https://books.example.org/")
        assert letter.subject not in said
        said.add(letter.subject)
        assert f'<html lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}">' in letter.html
        assert "Zoé &lt;b&gt;" in letter.html, "a name is no markup"
        words = re.sub(r"<[^>]+>", " ", letter.html).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        assert all(line in words.replace("&#39;", "'") for line in letter.text.splitlines())
        assert "%(" not in letter.text + letter.subject
        assert "192.0.2.7" in letter.text and "Firefox" in letter.text
        if language != "en":
            assert "Hello" not in letter.text


def test_a_notice_that_is_told_too_little_or_too_much_is_a_fault_at_once(cast: Cast) -> None:
    with cast.acme.begin() as session:
        tell(session=session, person_id=cast.bob.id, kind="password_changed", params={}, at=AT)
        for params in ({}, {"token": "x"}, {"token": "x", "workspace": "y", "secret": "z"}):
            with pytest.raises(ValueError, match="token_created"):
                tell(session=session, person_id=cast.bob.id, kind="token_created", params=params, at=AT)


def test_a_device_that_the_account_does_not_know_is_told_and_a_known_one_is_not(app: Flask, settings: Settings) -> None:
    email = person(app)
    known = sign_in(app, email)
    submit(known, "/profile", "/sign-out")
    sign_in(app, email, known)
    assert subjects(settings, email) == []
    sign_in(app, email, **{"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0"})
    assert subjects(settings, email) == ["New sign-in to your account"]
    (letter,) = letters(settings, email)
    assert "Browser: Chrome on Windows" in letter
    assert "From: 127.0.0.1" in letter


def test_acts_on_an_account_are_told_to_whom_they_concern_and_refused_ones_are_not(
    cast: Cast, settings: Settings
) -> None:
    made = cast.bob.api("POST", "/tokens", json={"name": "robot", "scopes": ["ledger:read"], "days": 7})
    assert made.status_code == 201, made.text
    cast.bob.api("POST", "/tokens", json={"name": "robot", "scopes": ["nothing"], "days": 7})
    turned = cast.bob.api("POST", f"/tokens/{made.json['id']}/rotation", json={"overlap_hours": 1})
    assert turned.status_code == 201, turned.text
    cast.alice.api("PUT", f"/members/{cast.bob.id}", json={"role": "accountant"})
    cast.dave.api("PUT", f"/members/{cast.bob.id}", json={"role": "auditor"})
    cast.alice.api("DELETE", f"/members/{cast.bob.id}")
    assert sorted(subjects(settings, cast.bob.email)) == [
        "New API token for Acme",
        "New secret of an API token for Acme",
        "You are no longer in Acme",
        "Your role in Acme has changed",
    ]
    account = cast.alice.api("POST", "/service-accounts", json={"name": "Robot", "role": "auditor"}).json["id"]
    body = {"name": "one", "scopes": ["ledger:read"]}
    machine = cast.alice.api("POST", f"/service-accounts/{account}/tokens", json=body).json["id"]
    path = f"/service-accounts/{account}/tokens"
    assert cast.alice.api("POST", f"{path}/{machine}/rotation", json={"overlap_hours": 1}).status_code == 201
    assert cast.alice.api("POST", path, json={"name": "two", "scopes": ["nothing"]}).status_code == 422
    assert sorted(subjects(settings, cast.alice.email)) == [
        "New secret of a service account's token in Acme",
        "New token of a service account in Acme",
    ]
    assert f"It was changed by {cast.alice.email}." in "".join(letters(settings, cast.bob.email)).replace("=\r\n", "")
    kept = queued(cast.app.extensions[KEY].database, to=cast.bob.email)
    told = {(job.tenant_id, "values" in job.arguments) for job in kept}
    assert told == {(None, False)}, "no workspace reads what a person is told"


def test_a_new_password_is_told_in_the_readers_language(app: Flask, settings: Settings) -> None:
    email = person(app)
    browser = sign_in(app, email)
    submit(browser, "/profile", "/profile", {"name": "Zoé", "language": "fr"})
    answer = submit(
        browser,
        "/profile/password",
        "/profile/password",
        {"current": PASSWORD, "password": "quite another long password"},
    )
    assert answer.status_code == 303, answer.text
    (subject,) = subjects(settings, email)
    assert subject == "Votre mot de passe a été changé" or "=?utf-8?" in subject
