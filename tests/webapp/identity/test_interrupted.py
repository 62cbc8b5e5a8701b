"""A session that ends while somebody types: what was typed survives for them, and for nobody else."""

import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from tests.cast import STAGE, Cast, Person
from tests.hands import submit, work
from tests.webapp.tenancy.mutation import mutate
from tests.webapp.tenancy.routes import Form, read_page
from webapp.identity import parcel
from webapp.identity.passwords import set_password
from webapp.kernel.files import product_files
from webapp.settings import Settings
from webapp.web.state import KEY

PASSWORD = "correct horse battery staple"
HERE = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}


def sign_in(person: Person) -> FlaskClient:
    """Give somebody a password and return their browser, signed in through the form."""
    with person.app.extensions[KEY].database.platform() as session:
        set_password(
            session=session,
            actor=STAGE,
            at=datetime.now(UTC),
            person_id=person.id,
            email=person.email,
            password=PASSWORD,
        )
    client = person.app.test_client()
    answer = submit(client, "/sign-in", "/sign-in", {"email": person.email, "password": PASSWORD})
    assert answer.status_code == 303
    return client


def end_sessions(person: Person) -> None:
    """Let every session of somebody end."""
    with person.app.extensions[KEY].database.platform() as session:
        session.execute(
            text("UPDATE session SET seen_at = seen_at - interval '1 day' WHERE person_id = :p"), {"p": person.id}
        )


def form_of(html: str, action: str) -> Form:
    """Return the form of a page that goes to an address."""
    found = [form for form in read_page(html)[1] if form.action.endswith(action) and form.method == "POST"]
    assert found, f"no form to {action}"
    return found[0]


def send(client: FlaskClient, form: Form, **typed: Any) -> Any:
    """Send a form as a browser does."""
    return client.post(form.action, data={**form.fields, **typed}, headers=HERE)


def sign_in_there(client: FlaskClient, page: Any, person: Person, password: str = PASSWORD) -> Any:
    """Fill in the sign-in form of an answer."""
    return send(client, form_of(page.text, "/sign-in"), email=person.email, password=password)


def account(person: Person, name: str) -> int:
    """Open an account."""
    made = person.api("POST", "/accounts", json={"name": name, "kind": "asset", "currency": "EUR"})
    return int(made.json["id"])


def typed_entry(cast: Cast) -> dict[str, Any]:
    """Return what is typed into the form of a new entry."""
    return {
        "date": "2026-11-20",
        "description": 'Market & <b>"bread"</b>',
        "counterparty": "Où ça ?",
        "note": "first line\r\nsecond line",
        "account_id": [account(cast.alice, "Bank"), account(cast.alice, "Cash")],
        "amount": ["12.34", "-12.34"],
        "memo": ["", "the change"],
    }


def entries(person: Person) -> list[Any]:
    """Return the workspace's entries."""
    return list(person.api("GET", "/entries").json["data"])


def test_an_entry_that_was_typed_when_the_session_ended_is_sent_after_signing_in(cast: Cast) -> None:
    client, typed = sign_in(cast.alice), typed_entry(cast)
    path = f"/t/{cast.acme.slug}/entries"
    form = form_of(client.get(f"{path}/new").text, "/entries")
    end_sessions(cast.alice)
    late = send(client, form, **typed)
    assert late.status_code == 401
    assert "You were signed out" in late.text
    assert "bread" not in late.text, "who comes by reads nothing on this page"
    wrong = sign_in_there(client, late, cast.alice, "not the password at all")
    assert wrong.status_code == 422
    asked = sign_in_there(client, wrong, cast.alice)
    assert asked.status_code == 200
    assert "Send this again?" in asked.text
    assert entries(cast.alice) == [], "nothing is sent by itself"
    again = form_of(asked.text, "/entries")
    assert again.fields["description"] == typed["description"]
    fields = re.findall(r'name="(amount|memo|account_id)" value="([^"]*)"', asked.text)
    assert fields[:2] == [("account_id", str(typed["account_id"][0])), ("account_id", str(typed["account_id"][1]))]
    sent = send(client, again, **{name: value for name, value in typed.items() if isinstance(value, list)})
    assert sent.status_code == 303
    (entry,) = entries(cast.alice)
    assert entry["description"] == typed["description"]
    assert entry["note"].splitlines() == ["first line", "second line"]


def test_the_columns_of_a_statement_that_were_chosen_when_the_session_ended(cast: Cast, settings: Settings) -> None:
    client = sign_in(cast.alice)
    file = (io.BytesIO(b"Alpha;Beta;Gamma\n01/02/2026;Shop;-1,00\n03/02/2026;Shop;-2,00\n"), "statement.csv")
    made = cast.alice.api(
        "POST",
        "/imports",
        data={"account_id": str(account(cast.alice, "Bank")), "file": file},
        content_type="multipart/form-data",
    )
    work(settings, "imports.check")
    path = f"/t/{cast.acme.slug}/imports/{made.json['id']}"
    chosen = {"column-0": "date", "column-1": "counterparty", "column-2": "amount", "decimal": ","}
    form = form_of(client.get(f"{path}/mapping").text, "/mapping")
    end_sessions(cast.alice)
    late = send(client, form, **chosen, date_format="%d/%m/%Y", header_line="1")
    asked = sign_in_there(client, late, cast.alice)
    again = form_of(asked.text, "/mapping")
    assert {name: again.fields[name] for name in chosen} == chosen
    assert send(client, again).status_code == 303
    work(settings, "imports.check")
    assert cast.alice.api("GET", f"/imports/{made.json['id']}").json["counts"]["rows"] == 2


def test_a_file_must_be_chosen_again_and_the_page_says_so(cast: Cast) -> None:
    client = sign_in(cast.alice)
    bank = account(cast.alice, "Bank")
    path = f"/t/{cast.acme.slug}/imports"
    page = client.get(f"{path}/new") if client.get(f"{path}/new").status_code == 200 else client.get(path)
    token = form_of(page.text, "").fields["csrf_token"]
    end_sessions(cast.alice)
    file = (io.BytesIO(b"Date;Amount\n"), "statement.csv")
    late = client.post(path, data={"csrf_token": token, "account_id": str(bank), "file": file}, headers=HERE)
    assert late.status_code == 401
    assert "A file must be chosen again" in late.text
    asked = sign_in_there(client, late, cast.alice)
    assert re.search(r'<input[^>]*type="file"[^>]*name="file" required>', asked.text)
    assert 'enctype="multipart/form-data"' in asked.text
    assert form_of(asked.text, "/imports").fields["account_id"] == str(bank)


def test_somebody_else_who_signs_in_there_gets_nothing_of_it(cast: Cast) -> None:
    sign_in(cast.bob)
    client, typed = sign_in(cast.alice), typed_entry(cast)
    form = form_of(client.get(f"/t/{cast.acme.slug}/entries/new").text, "/entries")
    end_sessions(cast.alice)
    late = send(client, form, **typed)
    answer = sign_in_there(client, late, cast.bob)
    assert (answer.status_code, answer.headers.get("Location")) == (303, "/")
    assert "bread" not in client.get("/profile").text
    # And the form that still stands open in another window is refused, with nothing of it shown.
    stale = send(client, form, **typed)
    assert stale.status_code == 403
    assert "bread" not in stale.text
    assert "parcel" not in stale.text
    assert entries(cast.alice) == []


def test_a_build_that_forgets_whose_it_was_turns_red(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch, parcel.unseal, 'not hmac.compare_digest(found["owner"], mark_of(person_id))', "False")
    with pytest.raises(AssertionError):
        test_somebody_else_who_signs_in_there_gets_nothing_of_it(cast)


def test_a_form_whose_cookie_is_gone_is_offered_again_to_the_person_who_opened_it(cast: Cast) -> None:
    client, typed = sign_in(cast.alice), typed_entry(cast)
    form = form_of(client.get(f"/t/{cast.acme.slug}/entries/new").text, "/entries")
    client.delete_cookie("comptoir-form")
    asked = send(client, form, **typed)
    assert asked.status_code == 403
    assert "Send this again?" in asked.text
    again = form_of(asked.text, "/entries")
    assert again.fields["csrf_token"] != form.fields["csrf_token"]
    several = {name: value for name, value in typed.items() if isinstance(value, list)}
    assert send(client, again, **several).status_code == 303
    assert len(entries(cast.alice)) == 1


def test_a_browser_that_lost_every_cookie_signs_in_and_goes_on(cast: Cast) -> None:
    client, typed = sign_in(cast.alice), typed_entry(cast)
    form = form_of(client.get(f"/t/{cast.acme.slug}/entries/new").text, "/entries")
    restarted = cast.app.test_client()
    late = send(restarted, form, **typed)
    assert late.status_code == 401
    asked = sign_in_there(restarted, late, cast.alice)
    assert form_of(asked.text, "/entries").fields["description"] == typed["description"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_what_another_site_sends_is_never_offered(cast: Cast, headers: dict[str, str]) -> None:
    client, typed = sign_in(cast.alice), typed_entry(cast)
    form = form_of(client.get(f"/t/{cast.acme.slug}/entries/new").text, "/entries")
    client.delete_cookie("comptoir-form")
    answer = client.post(form.action, data={**form.fields, **typed}, headers=headers)
    assert answer.status_code == 403
    assert "bread" not in answer.text
    forged = client.post(form.action, data=typed | {"csrf_token": "made up"}, headers=HERE)
    assert forged.status_code == 403
    assert "bread" not in forged.text


def test_a_script_of_the_page_leaves_what_was_typed_where_it_is(cast: Cast) -> None:
    client = sign_in(cast.alice)
    form = form_of(client.get(f"/t/{cast.acme.slug}/entries/new").text, "/entries")
    end_sessions(cast.alice)
    headers = {**HERE, "HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "span#remainder"}
    answer = client.post(f"{form.action}/remainder", data=form.fields, headers=headers)
    assert answer.status_code == 401
    assert "HX-Redirect" not in answer.headers
    assert re.search(r"<h1 data-trouble>You were signed out. What you typed is still here", answer.text)
    # Signed in again in another window, the same page goes on: its token is still this person's.
    submit(client, "/sign-in", "/sign-in", {"email": cast.alice.email, "password": PASSWORD})
    assert client.post(f"{form.action}/remainder", data=form.fields, headers=headers).status_code < 400


def test_passwords_are_never_carried(cast: Cast) -> None:
    client = sign_in(cast.alice)
    form = form_of(client.get("/profile/password").text, "/profile/password")
    end_sessions(cast.alice)
    late = send(client, form, current=PASSWORD, password="another very long password")
    assert late.status_code == 401
    assert 'name="parcel"' not in late.text
    fields = set()
    for page in (product_files("templates")).rglob("*.html"):
        for call in re.findall(r'ui\.field\("(\w+)"[^}]*?type="password"', Path(page).read_text(encoding="utf-8")):
            fields.add(call)
    assert fields
    assert all(parcel.is_secret(name) for name in fields)


def test_more_than_can_be_carried_is_said_to_be_too_much(cast: Cast) -> None:
    client = sign_in(cast.alice)
    form = form_of(client.get(f"/t/{cast.acme.slug}/entries/new").text, "/entries")
    end_sessions(cast.alice)
    late = send(client, form, note="x" * (parcel.LENGTH_MAX + 1))
    assert late.status_code == 401
    assert "It could not be kept here" in late.text
    assert 'name="parcel"' not in late.text


def test_a_parcel_is_opened_for_its_person_and_for_half_a_day_only(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    me, other = UUID(int=1), UUID(int=2)
    held = parcel.Parcel("/t/acme/entries", (("note", "mine"),), ())
    with app.test_request_context():
        sealed = parcel.seal(held, parcel.mark_of(me))
        assert parcel.unseal(sealed, me) == held
        assert parcel.unseal(sealed, other) is None
        # Not the last letter: some of its bits say nothing.
        assert parcel.unseal(sealed[:-9] + ("A" if sealed[-9] != "A" else "B") + sealed[-8:], me) is None
        assert parcel.unseal("", me) is None
        monkeypatch.setattr(parcel, "LIFE_SECONDS", -1)
        assert parcel.unseal(sealed, me) is None


def test_a_sign_in_page_that_was_open_for_too_long_keeps_the_address(cast: Cast, app: Flask) -> None:
    client = app.test_client()
    form = form_of(client.get("/sign-in").text, "/sign-in")
    client.delete_cookie("comptoir-form")
    answer = send(client, form, email="somebody@example.org", password=PASSWORD)
    assert answer.status_code == 403
    assert 'value="somebody@example.org"' in answer.text
    assert PASSWORD not in answer.text


def test_signing_out_with_a_session_that_has_ended_just_asks_to_sign_in(cast: Cast) -> None:
    client = sign_in(cast.alice)
    token = form_of(client.get("/profile").text, "/sign-out").fields["csrf_token"]
    end_sessions(cast.alice)
    answer = client.post("/sign-out", data={"csrf_token": token}, headers=HERE)
    assert answer.status_code == 401
    assert 'name="parcel"' not in answer.text
    assert "could not be kept" not in answer.text
