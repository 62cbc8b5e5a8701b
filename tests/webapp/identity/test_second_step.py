"""An app's codes and the recovery codes that stand in for it: once each, and nothing opens without."""

import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pyotp import TOTP
from sqlalchemy import Engine, text

from tests.cast import STAGE, Cast, Person, raise_curtain
from tests.hands import Clock, submit, told
from tests.webapp.identity.test_interrupted import HERE, form_of, send
from tests.webapp.tenancy.mutation import mutate
from webapp.identity import codes, door, totp
from webapp.identity.passwords import set_password
from webapp.web.state import KEY

PASSWORD = "correct horse battery staple"
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
RFC_6238 = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037"}
"""RFC 6238, appendix B, SHA-1: the last six of its eight digits."""


@pytest.mark.parametrize("second", RFC_6238)
def test_the_vectors_of_rfc_6238(second: int) -> None:
    at = datetime.fromtimestamp(second, UTC)
    assert codes.matching_step(RFC_SECRET, RFC_6238[second], at=at) == second // 30
    spaced = f"{RFC_6238[second][:3]} {RFC_6238[second][3:]}"
    for drift, counts in ((-30, True), (30, True), (-61, False), (61, False)):
        found = codes.matching_step(RFC_SECRET, spaced, at=at + timedelta(seconds=drift))
        assert (found == second // 30) is counts
    for wrong in ("", "28708", "2870822", "٢٨٧٠٨٢", "abcdef", "-28708"):
        assert codes.matching_step(RFC_SECRET, wrong, at=at) is None


def test_recovery_codes_are_read_aloud_and_typed_back() -> None:
    person, made = uuid4(), codes.new_recovery_codes(lambda letters: letters[7])
    assert len(made) == 10
    assert re.fullmatch(r"(\w{6}-){3}\w{6}", made[0])
    assert codes.recovery_hash(person, made[0]) == codes.recovery_hash(
        person, f" {made[0].upper()}\n".replace("-", " ")
    )
    assert codes.recovery_hash(person, made[0]) != codes.recovery_hash(uuid4(), made[0])


@pytest.fixture
def cast_then(still: Flask, owner: Engine) -> Cast:
    """Return the cast of the application whose clock stands still."""
    return raise_curtain(still, owner)


def password_for(person: Person) -> FlaskClient:
    """Give somebody a password and return a browser that is signed in with it."""
    services = person.app.extensions[KEY]
    with services.database.platform() as session:
        set_password(
            session=session,
            actor=STAGE,
            at=services.clock(),
            person_id=person.id,
            email=person.email,
            password=PASSWORD,
        )
    client = person.app.test_client()
    assert first_step(client, person).headers["Location"] != "/sign-in/second-step"
    return client


def first_step(client: FlaskClient, person: Person, **more: str) -> Any:
    """Fill in the sign-in form."""
    return submit(client, "/sign-in", "/sign-in", {"email": person.email, "password": PASSWORD, **more})


def set_up(client: FlaskClient, clock: Clock) -> tuple[TOTP, list[str]]:
    """Set up an app as the page says, and return what it makes codes with and the recovery codes."""
    page = client.get("/profile/security/app")
    shown = re.search(r'id="secret">([A-Z2-7 ]+)<', page.text)
    assert shown
    assert "<svg" in page.text
    app = TOTP(shown[1].replace(" ", ""))
    form = form_of(page.text, "/profile/security/app")
    wrong = send(client, form, code="000000" if app.at(clock()) != "000000" else "111111")
    assert (wrong.status_code, "not the code that the app shows" in wrong.text) == (422, True)
    done = send(client, form_of(wrong.text, "/profile/security/app"), code=app.at(clock()))
    assert done.status_code == 201
    return app, re.findall(r"<code class=\"mono\">([a-z0-9-]{27})</code>", done.text)


def second_step(client: FlaskClient, **typed: str) -> Any:
    """Fill in the page of the second step."""
    return submit(client, "/sign-in/second-step", "/sign-in/second-step", typed)


def test_with_an_app_a_password_alone_opens_nothing(cast_then: Cast, clock: Clock) -> None:
    alice = cast_then.alice
    client = password_for(alice)
    before = client.get_cookie("comptoir")
    app, recovery = set_up(client, clock)
    after = client.get_cookie("comptoir")
    assert before and after and before.value != after.value, "a new factor gives the session a new secret"
    assert len(recovery) == 10
    with cast_then.app.extensions[KEY].database.platform() as session:
        sealed = session.scalar(text("SELECT secret_sealed FROM totp WHERE person_id = :p"), {"p": alice.id})
    assert app.secret.encode() not in bytes(sealed), "the secret is sealed at rest"

    fresh = cast_then.app.test_client()
    asked = first_step(fresh, alice, next="/profile/security")
    assert asked.headers["Location"] == "/sign-in/second-step"
    assert fresh.get("/profile").status_code == 303, "half signed in is not signed in"
    used = second_step(fresh, code=app.at(clock()))
    assert used.status_code == 422, "the code that set the app up has been used"
    clock.forward(seconds=30)
    code = app.at(clock())
    elsewhere = cast_then.app.test_client()
    assert elsewhere.get("/sign-in/second-step").headers["Location"] == "/sign-in", "bound to the browser of the first"
    opened = second_step(fresh, code=code)
    assert (opened.status_code, opened.headers["Location"]) == (303, "/profile/security")
    assert "9 left" not in fresh.get("/profile/security").text
    first_step(elsewhere, alice)
    assert second_step(elsewhere, code=code).status_code == 422, "a code counts once"
    clock.forward(minutes=11)
    late = submit(fresh, "/profile", "/sign-in/second-step", {"code": app.at(clock())})
    assert late.headers["Location"] == "/sign-in", "the half sign-in was used up, or lasts ten minutes"


def test_a_build_that_forgets_the_second_step_turns_red(
    cast_then: Cast, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch, door.begin_session, "if not second_factor and", "if False and")
    with pytest.raises(AssertionError):
        test_with_an_app_a_password_alone_opens_nothing(cast_then, clock)


def test_a_code_counts_once_also_in_two_requests_at_a_time(cast_then: Cast, clock: Clock) -> None:
    services, alice = cast_then.app.extensions[KEY], cast_then.alice
    secret = codes.new_totp_secret(lambda letters: letters[3])
    with services.database.platform() as session:
        totp.add_app(
            session=session,
            actor=STAGE,
            at=clock(),
            keys=services.keys,
            person_id=alice.id,
            secret=secret,
            code=TOTP(secret).at(clock()),
        )
    clock.forward(seconds=60)
    code, right, ready = TOTP(secret).at(clock()), [], threading.Barrier(4)

    def use() -> None:
        with services.database.platform() as session:
            ready.wait(10)
            known = {"session": session, "at": clock(), "keys": services.keys, "person_id": alice.id}
            right.append(totp.use_code(**known, code=code))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(right) == [False, False, False, True]


def test_a_recovery_code_stands_in_once_and_guesses_are_slowed_down(cast_then: Cast, clock: Clock) -> None:
    bob = cast_then.bob
    client = password_for(bob)
    _app, recovery = set_up(client, clock)
    fresh = cast_then.app.test_client()
    first_step(fresh, bob)
    assert second_step(fresh, recovery_code=recovery[0].upper().replace("-", " ")).status_code == 303
    assert "9 left" in fresh.get("/profile/security").text
    again = cast_then.app.test_client()
    first_step(again, bob)
    answers = [second_step(again, recovery_code=recovery[0]).status_code for _ in range(12)]
    assert answers[0] == 422
    assert answers[-1] == 429, "guessing is slowed down as for passwords"

    page = client.get("/profile/security")
    made = send(client, form_of(page.text, "/recovery-codes"))
    assert made.status_code == 201
    file = send(client, form_of(made.text, "/recovery-codes/file"), codes=[recovery[1], *_codes_in(made.text)[1:]])
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert recovery[1] not in file.text, "only codes that are hers are written"
    assert all(code in file.text for code in _codes_in(made.text)[1:])
    gone = send(client, form_of(client.get("/profile/security").text, "/app/removal"))
    assert gone.status_code == 303
    assert first_step(cast_then.app.test_client(), bob).headers["Location"] != "/sign-in/second-step"
    assert told(cast_then.app, bob.email) == ["app_added", "app_removed", "recovery_code_used", "recovery_codes_made"]


def test_a_second_app_takes_the_place_of_the_first_and_the_page_says_so(cast_then: Cast, clock: Clock) -> None:
    client = password_for(cast_then.dave)
    assert "You have an app already" not in client.get("/profile/security/app").text
    former, _codes = set_up(client, clock)
    page = client.get("/profile/security/app")
    assert "You have an app already" in page.text
    assert "the codes of the former one open nothing any more" in page.text
    newer = TOTP(re.findall(r'id="secret">([A-Z2-7 ]+)<', page.text)[0].replace(" ", ""))
    assert send(client, form_of(page.text, "/profile/security/app"), code=newer.at(clock())).status_code == 303
    clock.forward(seconds=30)
    fresh = cast_then.app.test_client()
    first_step(fresh, cast_then.dave)
    assert second_step(fresh, code=former.at(clock())).status_code == 422
    assert second_step(fresh, code=newer.at(clock())).status_code == 303
    assert told(cast_then.app, cast_then.dave.email) == ["app_added", "app_added"]


def _codes_in(html: str) -> list[str]:
    return re.findall(r"<code class=\"mono\">([a-z0-9-]{27})</code>", html)


def test_a_code_of_the_app_confirms_who_it_is(cast_then: Cast, clock: Clock) -> None:
    client = password_for(cast_then.alice)
    app, _codes = set_up(client, clock)
    clock.forward(minutes=11)
    asked = client.get("/profile/security/app")
    assert asked.headers["Location"] == "/confirmation?next=/profile/security/app"
    form = form_of(client.get(asked.headers["Location"]).text, "/confirmation")
    fields = {**form.fields, "confirm_password": "", "confirm_code": app.at(clock())}
    assert client.post("/confirmation", data=fields, headers=HERE).headers["Location"] == "/profile/security/app"
    assert client.get("/profile/security/app").status_code == 200
    assert client.post("/confirmation", data=fields, headers=HERE).status_code == 422, "the code has been used"


def test_what_was_typed_when_the_session_ended_survives_the_second_step(cast_then: Cast, clock: Clock) -> None:
    client = password_for(cast_then.alice)
    app, _codes = set_up(client, clock)
    path = f"/t/{cast_then.acme.slug}/accounts"
    form = form_of(client.get(f"{path}/new").text, "/accounts")
    clock.forward(hours=2)
    late = send(client, form, name="Typed before the end")
    assert late.status_code == 401
    half = send(client, form_of(late.text, "/sign-in"), email=cast_then.alice.email, password=PASSWORD)
    assert "Second step" in half.text
    asked = send(client, form_of(half.text, "/second-step"), code=app.at(clock()))
    assert form_of(asked.text, "/accounts").fields["name"] == "Typed before the end"


def test_every_other_session_ends_at_once_in_every_process(cast_then: Cast, app: Flask, clock: Clock) -> None:
    client = password_for(cast_then.alice)
    other = app.test_client()
    assert first_step(other, cast_then.alice).status_code == 303
    assert other.get("/profile").status_code == 200
    assert send(client, form_of(client.get("/profile/security").text, "/sessions/revocation")).status_code == 303
    assert other.get("/profile").status_code == 303, "another process, at its next request"
    assert client.get("/profile").status_code == 200
