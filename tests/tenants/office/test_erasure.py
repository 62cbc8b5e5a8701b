"""An owner lets the workspace be erased: told to all owners, called back by any, then a job and a certificate."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from tests import hands
from tests.cast import Cast, add_person
from tests.webapp.backups.test_restore import Vault, book, books
from webapp import worker
from webapp.access.permissions import Role
from webapp.audit.offline import verify_signature
from webapp.backups import erasures
from webapp.backups.erasing import signed_message
from webapp.clock import plan_backups
from webapp.settings import Settings
from webapp.tenancy import provisioning
from webapp.web.state import KEY


def let_days_pass(settings: Settings, **by: float) -> hands.Clock:
    """Let the clock look for what is due then, as it does each minute."""
    clock = hands.Clock(datetime.now(UTC) + timedelta(**by))
    worker.prepare(settings, clock=clock)
    try:
        plan_backups(settings)
    finally:
        worker.release()
    return clock


def actions(cast: Cast) -> list[str]:
    with cast.acme.begin() as session:
        return list(session.scalars(text("SELECT action FROM audit_event WHERE action LIKE 'workspace.%' ORDER BY id")))


def test_an_owner_asks_for_the_erasure_and_another_calls_it_back(cast: Cast, app: Flask, settings: Settings):
    books(cast)
    second = add_person(cast.acme, Role.OWNER, f"erin-{cast.number}")
    home, place = f"/t/{cast.acme.slug}", f"/t/{cast.acme.slug}/erasure"
    assert cast.dave.browser().get(place).status_code == 403
    assert cast.dave.api("POST", "/erasure", json={"name": "Acme"}).status_code == 403
    assert cast.mallory.browser().get(place).status_code == 404
    shown = cast.alice.browser().get(place).text
    assert "What is lost" in shown and "Take it along first" in shown
    assert f'href="{place}"' in cast.alice.browser().get(f"{home}/exports").text

    refused = cast.alice.post(place, {"name": "Acne"})
    assert refused.status_code == 422 and "This is not the name of the workspace." in refused.text
    assert cast.alice.post(place, {"name": "Acme"}).status_code == 303
    assert cast.alice.post(place, {"name": "Acme"}).status_code == 303, "asked already, which changes nothing"
    for person in (cast.alice, second):
        assert hands.told(app, person.email).count("erasure_asked_for") == 1
    assert "erasure_asked_for" not in hands.told(app, cast.bob.email)
    for person, may in ((second, True), (cast.bob, False)):
        page = person.browser().get(f"{home}/accounts").text
        assert "This workspace is erased on" in page and ("Call it back" in page) is may

    assert cast.bob.post(f"{place}/recall").status_code == 403
    assert second.post(f"{place}/recall").status_code == 303
    assert second.api("POST", "/erasure/recall", json={}).status_code == 409
    assert "This workspace is erased on" not in cast.bob.browser().get(f"{home}/accounts").text
    assert hands.told(app, cast.alice.email).count("erasure_called_back") == 1
    assert actions(cast) == ["workspace.erasure_asked_for", "workspace.erasure_called_back"]

    clock = let_days_pass(settings, days=8)
    assert hands.work(settings, erasures.ERASE, clock=clock) == 0
    assert cast.alice.api("GET", "/erasure").json["erase_at"] is None


@pytest.mark.parametrize(
    "typed",
    ["Club d'echecs de la Tour", "Club d'échecs de la Tour", "Club d’échecs de la Tour \U0001f3f0", None],
)
def test_the_name_is_taken_as_a_keyboard_types_it_and_so_is_the_short_name(cast: Cast, typed: str | None):
    place, name = f"/t/{cast.acme.slug}/erasure", "Club d\u2019échecs de\u00a0la Tour"
    with cast.app.extensions[KEY].database.platform() as session:
        emoji = " \U0001f3f0\ufe0f" if typed and "\U0001f3f0" in typed else ""
        session.execute(
            text("UPDATE tenant SET name = :name WHERE id = :id"), {"name": name + emoji, "id": cast.acme.ref.id}
        )
    answer = cast.alice.post(place, {"name": cast.acme.slug if typed is None else typed})
    assert answer.status_code == (422 if typed and "echecs" in typed else 303), "a letter that is missing is missed"


def test_what_a_workspace_holds_is_counted_only_so_far_and_said_so(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    books(cast)
    held = cast.alice.api("GET", "/erasure").json["holdings"]
    assert held["events"] > held["accounts"] >= 2
    for place in ("webapp.backups.queries", "tenants.office.erasure.pages"):
        monkeypatch.setattr(f"{place}.HOLDINGS_MAX", held["accounts"])
    bounded = cast.alice.api("GET", "/erasure").json["holdings"]
    assert (bounded["accounts"], bounded["events"]) == (held["accounts"], held["accounts"] + 1)
    page = cast.alice.browser().get(f"/t/{cast.acme.slug}/erasure").text
    assert page.count(f"More than {held['accounts']}<") == 1


def test_who_was_not_asked_lately_confirms_who_they_are_first(cast: Cast, owner: Engine):
    with owner.begin() as connection:
        connection.execute(
            text("UPDATE platform.session SET confirmed_at = now() - interval '1 day' WHERE person_id = :id"),
            {"id": cast.alice.id},
        )
    asked = cast.alice.post(f"/t/{cast.acme.slug}/erasure", {"name": "Acme"})
    assert asked.status_code == 401 and cast.alice.api("GET", "/erasure").json["erase_at"] is None


def test_no_token_asks_for_the_erasure_and_any_owners_token_calls_it_back(cast: Cast):
    place = f"/t/{cast.acme.slug}/erasure"
    refused = cast.alice.api("POST", "/erasure", json={"name": "Acme"})
    assert (refused.status_code, refused.json["code"]) == (403, "confirmation_needed")
    assert refused.json["detail"].count(f"http://localhost{place}") == 1
    assert cast.alice.api("GET", "/erasure").json["erase_at"] is None and actions(cast) == []
    assert cast.dave.api("POST", "/erasure", json={"name": "Acme"}).json["code"] == "forbidden"
    assert cast.alice.post(place, {"name": "Acme"}).status_code == 303
    assert cast.alice.api("POST", "/erasure/recall", json={}).json["erase_at"] is None


def test_after_the_days_of_grace_a_job_erases_it_and_its_owners_get_a_certificate(
    cast: Cast, app: Flask, owner: Engine, settings: Settings, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    ids = books(cast)
    assert book(cast, ids) == 201
    assert cast.alice.post(f"/t/{cast.acme.slug}/erasure", {"name": "Acme"}).status_code == 303
    held = cast.alice.api("GET", "/erasure").json["holdings"]
    assert held["entries"] == 2 and held["members"] == 4 and held["accounts"] >= 2
    clock = let_days_pass(settings, days=6, hours=23)
    assert hands.work(settings, erasures.ERASE, clock=clock) == 0
    assert cast.bob.api("GET", "/accounts").status_code == 200

    clock = let_days_pass(settings, days=7, minutes=1)
    assert let_days_pass(settings, days=7, minutes=2)
    assert cast.alice.api("GET", "/accounts").status_code == 403, "nobody gets in any more"

    # Cut off after everything was deleted: a second run ends it, and says what the first one found.
    real, cut = provisioning.remove_tenant, []

    def dies(*args, **kwargs):
        real(*args, **kwargs)
        cut.append(True)
        raise KeyboardInterrupt

    monkeypatch.setattr("webapp.backups.erasing.remove_tenant", dies)
    with pytest.raises(KeyboardInterrupt):
        hands.work(settings, erasures.ERASE, clock=clock)
    assert cut
    monkeypatch.undo()
    with owner.begin() as connection:
        connection.execute(
            text("UPDATE platform.job SET state = 'queued' WHERE kind = :kind"), {"kind": erasures.ERASE}
        )
    assert hands.work(settings, erasures.ERASE, clock=clock) >= 1
    assert cast.alice.browser().get(f"/t/{cast.acme.slug}/accounts").status_code == 404

    (told,) = [
        one.arguments["values"]
        for one in hands.queued(app.extensions[KEY].database, to=cast.alice.email)
        if one.arguments["letter"] == "workspace_erased"
    ]
    assert told["workspace"] == "Acme" and "workspace_erased" not in hands.told(app, cast.dave.email)
    place = f"/erasures/{told['erasure']}"
    page = cast.alice.browser().get(place)
    assert page.status_code == 200 and "Acme is erased" in page.text
    for one in (place, f"{place}/certificate"):
        assert cast.dave.browser().get(one).status_code == 404
    given = cast.alice.browser().get(f"{place}/certificate")
    kept = json.loads(given.data)
    said = json.loads(kept["certificate"])
    vault = Vault(owner, app.extensions[KEY].database, tmp_path)
    message = signed_message(kept["certificate"].encode())
    assert verify_signature(vault.trusted()[kept["key"]], message, bytes.fromhex(kept["signature"]))
    assert said["by"]["id"] == str(cast.alice.id) and said["before"]["rows"]["entry"] == 2
    assert said["after"] == {"schemas": [], "roles": [], "rows": {}}
    with owner.connect() as connection:
        sealed = connection.scalar(
            text("SELECT content_sealed FROM platform.erasure WHERE id = :id"), {"id": UUID(told["erasure"])}
        )
    assert cast.acme.slug.encode() not in bytes(sealed)

    let_days_pass(settings, days=7 + 366)
    with owner.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM platform.erasure")) == 0
