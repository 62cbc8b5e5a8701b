"""The first operator, one-time links, the profile, the list of sessions, a new password."""

import secrets
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from flask import Flask

from tests.cast import STAGE, Cast
from tests.hands import Clock, submit
from webapp.access.permissions import Role
from webapp.identity import links, passwords, people, sessions
from webapp.tenancy import commands as tenancy
from webapp.web.state import KEY

PASSWORD = "a sentence that is easy to keep"


def link(app: Flask, purpose: str, person_id: object = None) -> str:
    """Make a one-time link and return its secret."""
    secret = secrets.token_urlsafe(32)
    with app.extensions[KEY].database.platform() as session:
        links.make_link(session=session, at=datetime.now(UTC), secret=secret, purpose=purpose, person_id=person_id)  # type: ignore[arg-type]
    return secret


def test_the_first_operators_link_makes_one_operator_once(app: Flask) -> None:
    path, client = f"/first-operator/{link(app, 'first_operator')}", app.test_client()
    short = submit(client, path, path, {"name": "Olga", "email": "o@example.org", "password": "fourteen chars"})
    assert short.status_code == 422
    assert 'value="o@example.org"' in short.get_data(as_text=True)
    email = f"op-{uuid4().hex[:8]}@example.org"
    made = submit(client, path, path, {"name": "Olga", "email": email, "password": PASSWORD})
    assert made.status_code == 303
    assert client.get("/platform").status_code == 200
    assert app.test_client().get(path).status_code == 410
    again = submit(app.test_client(), "/sign-in", path, {"name": "X", "email": "x@example.org", "password": PASSWORD})
    assert again.status_code == 410


def test_an_operator_who_is_added_otherwise_ends_the_first_operators_link(app: Flask) -> None:
    path = f"/first-operator/{link(app, 'first_operator')}"
    assert app.test_client().get(path).status_code == 200
    with app.extensions[KEY].database.platform() as session:
        people.add_person(
            session=session,
            actor=STAGE,
            at=datetime.now(UTC),
            person_id=uuid4(),
            email=f"op-{uuid4().hex[:8]}@example.org",
            name="Olga",
            password=None,
            is_operator=True,
        )
    assert app.test_client().get(path).status_code == 410


def test_looking_at_a_sign_in_link_does_not_use_it_up(cast: Cast, app: Flask) -> None:
    path, client = f"/sign-in/{link(app, 'sign_in', cast.bob.id)}", app.test_client()
    for _ in range(2):
        assert client.get(path).status_code == 200
    used = submit(client, path, path)
    assert (used.status_code, used.headers["Location"]) == (303, f"/t/{cast.acme.slug}/"), "there is one place to go to"
    assert cast.bob.email in client.get("/profile").get_data(as_text=True)
    assert submit(app.test_client(), "/sign-in", path).status_code == 410
    shown = app.test_client().get(path)
    assert shown.status_code == 410
    assert "comptoir person link --email" in shown.text


def test_a_link_that_was_never_made_is_not_offered(app: Flask) -> None:
    assert app.test_client().get("/sign-in/invented").status_code == 410


def test_who_has_several_workspaces_or_a_suspended_one_chooses(cast: Cast, app: Flask) -> None:
    path = f"/sign-in/{link(app, 'sign_in', cast.bob.id)}"
    with app.extensions[KEY].database.platform() as session:
        tenancy.add_member(
            session=session,
            actor=STAGE,
            at=datetime.now(UTC),
            tenant_id=cast.bravo.ref.id,
            person_id=cast.bob.id,
            role=Role.MEMBER,
        )
    assert submit(app.test_client(), path, path).headers["Location"] == "/"
    path = f"/sign-in/{link(app, 'sign_in', cast.carol.id)}"
    with app.extensions[KEY].database.platform() as session:
        tenancy.set_suspended(session=session, actor=STAGE, at=datetime.now(UTC), slug=cast.acme.slug, suspended=True)
    assert submit(app.test_client(), path, path).headers["Location"] == "/"


def test_a_password_leads_to_the_only_workspace_unless_one_was_headed_elsewhere(cast: Cast, app: Flask) -> None:
    with app.extensions[KEY].database.platform() as session:
        passwords.set_password(
            session=session,
            actor=STAGE,
            at=datetime.now(UTC),
            person_id=cast.bob.id,
            email=cast.bob.email,
            password=PASSWORD,
        )
    typed = {"email": cast.bob.email, "password": PASSWORD}
    assert submit(app.test_client(), "/sign-in", "/sign-in", typed).headers["Location"] == f"/t/{cast.acme.slug}/"
    typed["next"] = "/profile"
    assert submit(app.test_client(), "/sign-in", "/sign-in", typed).headers["Location"] == "/profile"


def test_a_link_is_dead_after_a_day(still: Flask, clock: Clock, cast: Cast) -> None:
    path, client = f"/sign-in/{link(still, 'sign_in', cast.bob.id)}", still.test_client()
    clock.forward(hours=25)
    assert submit(client, "/sign-in", path).status_code == 410


def test_the_profile_changes_language_theme_and_density(cast: Cast) -> None:
    saved = cast.bob.post("/profile", {"name": "Bob B.", "language": "ar", "theme": "dark", "density": "compact"})
    assert saved.status_code == 303
    page = cast.bob.browser().get("/profile").get_data(as_text=True)
    assert '<html lang="ar" dir="rtl" data-theme="dark" data-density="compact">' in page


def test_a_profile_that_cannot_be_is_given_back_with_its_error(cast: Cast) -> None:
    page = cast.bob.post("/profile", {"name": " ", "language": "xx", "theme": "dark"})
    assert page.status_code == 422
    assert "A name has 1 to 200 characters." in page.get_data(as_text=True)


def test_a_session_elsewhere_is_seen_and_ended(cast: Cast, app: Flask) -> None:
    other, secret, session_id = app.test_client(), secrets.token_urlsafe(32), uuid4()
    with app.extensions[KEY].database.platform() as session:
        sessions.open_session(
            session=session,
            actor=STAGE,
            at=datetime.now(UTC),
            session_id=session_id,
            secret=secret,
            person_id=cast.bob.id,
            life=timedelta(days=1),
            user_agent="Firefox",
        )
    other.set_cookie("comptoir", secret)
    assert other.get("/profile").status_code == 200
    assert str(session_id) in cast.bob.browser().get("/profile/sessions").get_data(as_text=True)
    assert cast.alice.post(f"/profile/sessions/{session_id}/revocation").status_code == 404
    assert cast.bob.post(f"/profile/sessions/{session_id}/revocation").status_code == 303
    assert other.get("/profile").status_code == 303
    assert cast.bob.browser().get("/profile").status_code == 200


def test_a_new_password_ends_every_other_session(cast: Cast, app: Flask) -> None:
    client, other = cast.bob.browser(), cast.bob.browser()
    weak = submit(client, "/profile/password", "/profile/password", {"password": "short"})
    assert weak.status_code == 422
    done = submit(client, "/profile/password", "/profile/password", {"password": PASSWORD})
    assert done.status_code == 303
    assert client.get("/profile").status_code == 200
    assert other.get("/profile").status_code == 303
    path = "/profile/password"
    wrong = submit(client, path, path, {"current": "not this", "password": PASSWORD + "!"})
    assert wrong.status_code == 422
    right = submit(client, path, path, {"current": PASSWORD, "password": PASSWORD + "!"})
    assert right.status_code == 303
    fresh = app.test_client()
    data = {"email": cast.bob.email, "password": PASSWORD + "!"}
    assert submit(fresh, "/sign-in", "/sign-in", data).status_code == 303
