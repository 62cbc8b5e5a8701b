"""Workspaces: mine, a new one, the demonstration's end, and the door that an invitation opens."""

import re
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from tests.cast import Cast
from tests.hands import letters, link_in, submit, work
from webapp.settings import Settings
from webapp.tenancy import jobs
from webapp.tenancy.provisioning import remove_tenant
from webapp.tenancy.rules import slug_of
from webapp.web.state import KEY

PASSWORD = "a sentence that is easy to keep"


def slug() -> str:
    """Return a short name that nobody has."""
    return f"w{uuid4().hex[:12]}"


def test_the_list_holds_my_workspaces_with_my_role_and_no_others(cast: Cast) -> None:
    page = cast.bob.browser().get("/").get_data(as_text=True)
    assert f'href="/t/{cast.acme.slug}/"' in page
    assert "Member" in page
    assert cast.bravo.slug not in page


def test_an_operator_makes_a_workspace_through_a_job_and_walks_in(
    cast: Cast, settings: Settings, owner: Engine
) -> None:
    name = slug()
    form = {"name": "Atelier", "slug": name, "base_currency": "TND", "owner_email": cast.olga.email}
    asked = cast.olga.post("/workspaces", form)
    assert asked.status_code == 303
    making = asked.headers["Location"]
    waiting = cast.olga.browser().get(making).get_data(as_text=True)
    assert "every 1s" in waiting
    work(settings, "tenancy.create")
    ready = cast.olga.browser().get(making).get_data(as_text=True)
    assert "every 1s" not in ready
    assert "Its books are kept apart" in ready
    assert "schema" not in ready, "a word of ours, and not of who keeps books"
    assert f'href="/t/{name}/"' in ready
    assert cast.olga.browser().get(f"/t/{name}/").status_code == 200
    assert cast.alice.browser().get(f"/t/{name}/").status_code == 404
    remove_tenant(owner, slug=name)


def test_a_workspace_for_somebody_new_sends_them_an_invitation_as_owner(
    cast: Cast, settings: Settings, owner: Engine, app: Flask
) -> None:
    name, email = slug(), f"new-{uuid4().hex[:8]}@example.org"
    cast.olga.post("/workspaces", {"name": "Far", "slug": name, "base_currency": "EUR", "owner_email": email})
    work(settings, "tenancy.create", "mail.send")
    path, client = link_in(letters(settings, email)[0]), app.test_client()
    assert submit(client, path, path, {"name": "Nia", "password": PASSWORD}).headers["Location"] == f"/t/{name}/"
    assert "/invitations" in client.get(f"/t/{name}/members").get_data(as_text=True)
    remove_tenant(owner, slug=name)


def test_a_making_that_died_half_way_goes_on(
    cast: Cast, settings: Settings, owner: Engine, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = slug()
    cast.olga.post(
        "/workspaces", {"name": "Half", "slug": name, "base_currency": "EUR", "owner_email": cast.olga.email}
    )
    with monkeypatch.context() as broken:
        broken.setattr(jobs.commands, "add_member", lambda **_: 1 / 0)
        work(settings, "tenancy.create")
    with app.extensions[KEY].database.platform() as session:
        session.execute(
            text(
                "UPDATE job SET state = 'queued', attempts = 0, available_at = created_at"
                " WHERE kind = 'tenancy.create' AND state <> 'done'"
            )
        )
    work(settings, "tenancy.create")
    assert cast.olga.browser().get(f"/t/{name}/").status_code == 200
    remove_tenant(owner, slug=name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "Not A Slug"),
        ("name", " "),
        ("base_currency", "XXXX"),
        ("owner_email", "nobody"),
        ("slug", "acme"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(cast: Cast, field: str, value: str) -> None:
    form = {"name": "N", "slug": slug(), "base_currency": "EUR", "owner_email": "a@example.org"}
    form[field] = cast.acme.slug if value == "acme" else value
    page = cast.olga.post("/workspaces", form)
    assert page.status_code == 422
    assert f'id="f-{field}-error"' in page.get_data(as_text=True)


def test_a_short_name_is_made_from_the_name_where_none_is_given(cast: Cast) -> None:
    form = {"name": "1. Épicerie d’Été & Cie", "slug": " ", "base_currency": "XXXX", "owner_email": "a@example.org"}
    page = cast.olga.post("/workspaces", form).get_data(as_text=True)
    assert 'value="epicerie-d-ete-cie"' in page
    assert 'id="f-slug-error"' not in page
    nameless = cast.olga.post("/workspaces", form | {"name": "نادي"}).get_data(as_text=True)
    assert 'id="f-slug-error"' in nameless
    assert slug_of("a" * 39 + " b") == "a" * 39


def test_the_currency_of_a_new_workspace_is_chosen_from_a_list(cast: Cast) -> None:
    page = cast.olga.browser().get("/workspaces/new").get_data(as_text=True)
    assert re.search(r'<select[^>]*name="base_currency"', page)
    assert '<option value="EUR" selected>' in page


def test_only_operators_make_workspaces_and_others_do_not_learn_of_it(cast: Cast) -> None:
    assert cast.alice.browser().get("/workspaces/new").status_code == 404
    assert cast.alice.post("/workspaces", {"slug": slug()}).status_code == 404
    assert "/workspaces/new" not in cast.alice.browser().get("/").get_data(as_text=True)


def as_demo(cast: Cast) -> None:
    """Mark Acme as the demonstration."""
    with cast.app.extensions[KEY].database.platform() as session:
        session.execute(text("UPDATE tenant SET is_demo = true WHERE id = :id"), {"id": cast.acme.ref.id})


def test_the_demonstration_goes_in_one_action_once_its_name_was_typed(cast: Cast, settings: Settings) -> None:
    as_demo(cast)
    path = f"/workspaces/{cast.acme.slug}/removal"
    refused = cast.alice.post(path, {"slug": "something else"})
    assert refused.status_code == 422
    assert f"Type {cast.acme.slug} to confirm." in refused.get_data(as_text=True)
    assert cast.alice.post(path, {"slug": cast.acme.slug}).status_code == 303
    assert cast.bob.browser().get(f"/t/{cast.acme.slug}/").status_code == 403
    work(settings, "tenancy.remove")
    for answer in (cast.bob.browser().get(f"/t/{cast.acme.slug}/"), cast.bob.api("GET", "/accounts")):
        assert answer.status_code in {401, 404}
    assert cast.mallory.api("GET", "/accounts").status_code == 200
    with cast.app.extensions[KEY].database.platform() as session:
        left = session.execute(
            text("SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = :name"), {"name": cast.acme.ref.schema}
        ).scalar_one()
    assert left == 0


def test_neither_a_member_nor_a_stranger_nor_real_books_can_be_removed(cast: Cast) -> None:
    path = f"/workspaces/{cast.acme.slug}/removal"
    assert cast.alice.post(path, {"slug": cast.acme.slug}).status_code == 404, "only a demonstration goes this way"
    as_demo(cast)
    assert cast.dave.post(path, {"slug": cast.acme.slug}).status_code == 403
    assert cast.mallory.post(path, {"slug": cast.acme.slug}).status_code == 404


def test_a_suspended_workspace_says_so_and_opens_again(cast: Cast) -> None:
    suspension = f"/platform/workspaces/{cast.acme.slug}/suspension"
    assert cast.alice.post(suspension).status_code == 404
    assert cast.olga.post(suspension).status_code == 303
    page = cast.alice.browser().get(f"/t/{cast.acme.slug}/members")
    assert page.status_code == 403
    assert "This workspace is suspended" in page.get_data(as_text=True)
    assert cast.alice.api("GET", "/accounts").json["code"] == "workspace_suspended"
    assert cast.mallory.browser().get(f"/t/{cast.acme.slug}/members").status_code == 404
    assert cast.olga.post(f"/platform/workspaces/{cast.acme.slug}/resumption").status_code == 303
    assert cast.alice.browser().get(f"/t/{cast.acme.slug}/members").status_code == 200


def invited(cast: Cast, settings: Settings, email: str) -> str:
    """Invite an address into Acme and return the path of the link."""
    assert cast.alice.api("POST", "/invitations", json={"email": email, "role": "auditor"}).status_code == 201
    work(settings, "mail.send")
    return link_in(letters(settings, email)[-1])


def test_somebody_new_accepts_with_a_name_and_a_password(cast: Cast, settings: Settings, app: Flask) -> None:
    email = f"new-{uuid4().hex[:8]}@example.org"
    path, client = invited(cast, settings, email), app.test_client()
    assert email in client.get(path).get_data(as_text=True)
    weak = submit(client, path, path, {"name": "Nora", "password": "short"})
    assert weak.status_code == 422
    assert 'value="Nora"' in weak.get_data(as_text=True)
    joined = submit(client, path, path, {"name": "Nora", "password": PASSWORD})
    assert joined.headers["Location"] == f"/t/{cast.acme.slug}/"
    assert client.get(f"/t/{cast.acme.slug}/members").status_code == 200
    assert app.test_client().get(path).status_code == 410
    assert cast.alice.api("GET", "/invitations").json["data"] == []


def test_somebody_known_signs_in_first_and_then_accepts(cast: Cast, settings: Settings, app: Flask) -> None:
    path = invited(cast, settings, cast.mallory.email)
    stranger = app.test_client()
    assert f"/sign-in?next={path}" in stranger.get(path).get_data(as_text=True)
    assert submit(stranger, "/sign-in", path, {"name": "M", "password": PASSWORD}).status_code == 422
    client = cast.mallory.browser()
    assert submit(client, path, path).headers["Location"] == f"/t/{cast.acme.slug}/"
    assert client.get(f"/t/{cast.acme.slug}/members").status_code == 200


def test_an_invitation_for_another_address_cannot_be_taken(cast: Cast, settings: Settings) -> None:
    path = invited(cast, settings, f"other-{uuid4().hex[:8]}@example.org")
    page = cast.mallory.browser().get(path).get_data(as_text=True)
    assert cast.mallory.email in page
    assert cast.mallory.post(path).status_code == 422
    assert cast.mallory.browser().get(f"/t/{cast.acme.slug}/members").status_code == 404


def test_a_withdrawn_invitation_lets_nobody_in(cast: Cast, settings: Settings, app: Flask) -> None:
    path = invited(cast, settings, f"late-{uuid4().hex[:8]}@example.org")
    waiting = cast.alice.api("GET", "/invitations").json["data"][0]["id"]
    assert cast.alice.post(f"/t/{cast.acme.slug}/invitations/{waiting}/revocation").status_code == 303
    assert app.test_client().get(path).status_code == 410
    assert submit(app.test_client(), "/sign-in", path, {"name": "L", "password": PASSWORD}).status_code == 410
