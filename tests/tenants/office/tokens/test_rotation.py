"""Tokens that work from named networks only, and tokens that get a new secret while the old one still works."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from tests.cast import Cast, Person
from tests.webapp.tenancy.mutation import mutate
from webapp.identity import door
from webapp.identity.rules import is_within, narrows, network


def make(person: Person, **body: Any) -> Any:
    """Make a token and return the answer."""
    return person.api("POST", "/tokens", json={"name": "Export", "scopes": ["ledger:read", "tokens:write"], **body})


def call(person: Person, token: str, path: str = "/accounts", method: str = "GET", **kwargs: Any) -> Any:
    """Call the API with another token."""
    return person.api(method, path, headers={"Authorization": f"Bearer {token}"}, **kwargs)


def from_(person: Person, token: str, address: str) -> Any:
    """Call the API from an address."""
    return call(person, token, environ_overrides={"REMOTE_ADDR": address})


def test_a_token_works_from_its_networks_alone_and_says_why_not_from_elsewhere(cast: Cast) -> None:
    made = make(cast.bob, networks=["192.0.2.7/24", "2001:db8::/32"], scopes=["ledger:read"])
    assert made.status_code == 201, made.text
    assert made.json["networks"] == ["192.0.2.0/24", "2001:db8::/32"]
    token = made.json["token"]
    for address in ("192.0.2.200", "2001:db8::1", "::ffff:192.0.2.9"):
        assert from_(cast.bob, token, address).status_code == 200, address
    for address in ("127.0.0.1", "192.0.3.1", "2001:db9::1", "::ffff:198.51.100.1", ""):
        answer = from_(cast.bob, token, address)
        assert answer.status_code == 403, address
        assert answer.json["code"] == "token_network"
        assert f"does not work from {address}" in answer.json["detail"]
    used = cast.bob.api("GET", f"/tokens/{made.json['id']}").json["used_at"]
    assert used is not None


def test_a_build_that_lets_a_token_in_from_anywhere_turns_red(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch, door.recognise_token, "not is_within(", "False and is_within(")
    with pytest.raises(AssertionError):
        test_a_token_works_from_its_networks_alone_and_says_why_not_from_elsewhere(cast)


@pytest.mark.parametrize("networks", [["here"], ["192.0.2.0/33"], ["fe80::1%eth0"], [""], ["192.0.2.0/24; DROP"]])
def test_what_is_no_network_is_told_at_its_field(cast: Cast, networks: list[str]) -> None:
    answer = make(cast.bob, networks=networks)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/networks"


def test_a_token_names_at_most_twenty_networks(cast: Cast) -> None:
    assert make(cast.bob, networks=[f"10.0.{n}.0/24" for n in range(20)], scopes=["ledger:read"]).status_code == 201
    assert make(cast.bob, networks=[f"10.0.{n}.0/24" for n in range(21)]).status_code == 422


def test_networks_are_read_in_their_usual_form() -> None:
    assert network(" 192.0.2.9/24 ") == "192.0.2.0/24"
    assert network("192.0.2.9") == "192.0.2.9/32"
    assert network("2001:DB8::1/32") == "2001:db8::/32"
    assert network("nowhere") is None
    assert is_within("anything", [])
    assert not is_within("", ["0.0.0.0/0"])
    assert narrows(["10.1.0.0/16"], ["10.0.0.0/8"])
    assert not narrows([], ["10.0.0.0/8"])
    assert not narrows(["10.1.0.0/16", "2001:db8::/32"], ["10.0.0.0/8"])
    assert narrows([], [])


def test_a_token_bound_to_a_network_makes_none_that_works_elsewhere(cast: Cast) -> None:
    maker = make(cast.bob, networks=["127.0.0.0/8"]).json["token"]
    body = {"name": "Wider", "scopes": ["ledger:read"]}
    wider = call(cast.bob, maker, "/tokens", "POST", json=body)
    assert (wider.status_code, wider.json["code"]) == (403, "token_too_wide")
    narrower = call(cast.bob, maker, "/tokens", "POST", json=body | {"networks": ["127.0.0.1"]})
    assert narrower.status_code == 201
    assert [row["name"] for row in cast.bob.api("GET", "/tokens").json["data"]].count("Wider") == 1


def test_a_rotated_token_has_a_new_secret_and_the_old_one_works_for_a_while(cast: Cast, owner: Engine) -> None:
    made = make(cast.bob, days=30).json
    rotated = cast.bob.api("POST", f"/tokens/{made['id']}/rotation", json={"overlap_hours": 2})
    assert rotated.status_code == 201, rotated.text
    assert rotated.json["id"] == made["id"]
    assert rotated.json["token"] != made["token"]
    assert re.fullmatch(r"cpt_live_[0-9a-f]{16}_[A-Za-z0-9-]{43}[0-9a-f]{8}", rotated.json["token"])
    left = datetime.fromisoformat(rotated.json["former_until"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=59) < left <= timedelta(hours=2)
    life = datetime.fromisoformat(rotated.json["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < life <= timedelta(days=30)
    assert call(cast.bob, made["token"]).status_code == 200
    assert call(cast.bob, rotated.json["token"]).status_code == 200
    assert rotated.json["token"].rpartition("_")[2] not in cast.bob.api("GET", f"/tokens/{made['id']}").text
    with owner.begin() as connection:
        query = "UPDATE platform.token SET former_until = now() - interval '1 second' WHERE id = :id"
        connection.execute(text(query), {"id": made["id"]})
    assert call(cast.bob, made["token"]).status_code == 401
    assert call(cast.bob, rotated.json["token"]).status_code == 200


def test_without_an_overlap_the_old_secret_ends_at_once(cast: Cast) -> None:
    made = make(cast.bob).json
    new = cast.bob.api("POST", f"/tokens/{made['id']}/rotation", json={"overlap_hours": 0}).json["token"]
    assert call(cast.bob, made["token"]).status_code == 401
    assert call(cast.bob, new).status_code == 200


def test_a_second_rotation_ends_the_secret_before_the_last(cast: Cast) -> None:
    made = make(cast.bob).json
    first, second = (cast.bob.api("POST", f"/tokens/{made['id']}/rotation", json={}).json["token"] for _ in range(2))
    assert [call(cast.bob, token).status_code for token in (made["token"], first, second)] == [401, 200, 200]


def test_an_old_secret_never_outlives_the_day_on_which_it_would_have_expired(cast: Cast, owner: Engine) -> None:
    made = make(cast.bob, days=1).json
    answer = cast.bob.api("POST", f"/tokens/{made['id']}/rotation", json={"overlap_hours": 168}).json
    assert answer["former_until"] == made["expires_at"]


def test_revoking_ends_both_secrets(cast: Cast) -> None:
    made = make(cast.bob).json
    new = cast.bob.api("POST", f"/tokens/{made['id']}/rotation", json={}).json["token"]
    assert cast.bob.api("POST", f"/tokens/{made['id']}/revocation").status_code == 200
    assert [call(cast.bob, token).status_code for token in (made["token"], new)] == [401, 401]
    assert cast.bob.api("POST", f"/tokens/{made['id']}/rotation", json={}).status_code == 404


def test_only_its_person_gets_a_new_secret_of_a_token(cast: Cast) -> None:
    made = make(cast.bob).json
    for other in (cast.alice, cast.dave, cast.carol, cast.mallory):
        answer = other.api("POST", f"/tokens/{made['id']}/rotation", json={})
        assert answer.status_code in {403, 404}
        assert "token" not in answer.json
    assert call(cast.bob, made["token"]).status_code == 200


def test_a_narrow_token_gets_no_secret_of_a_wider_one(cast: Cast) -> None:
    wide = make(cast.alice, scopes=["ledger:write", "tokens:write"]).json
    small = make(cast.alice, scopes=["tokens:write"]).json
    refused = call(cast.alice, small["token"], f"/tokens/{wide['id']}/rotation", "POST", json={})
    assert (refused.status_code, refused.json["code"]) == (403, "token_too_wide")
    itself = call(cast.alice, small["token"], f"/tokens/{small['id']}/rotation", "POST", json={})
    assert itself.status_code == 201


@pytest.mark.parametrize("hours", [-1, 169, "many"])
def test_an_overlap_is_at_most_a_week(cast: Cast, hours: object) -> None:
    made = make(cast.bob).json
    assert cast.bob.api("POST", f"/tokens/{made['id']}/rotation", json={"overlap_hours": hours}).status_code == 422


def test_the_page_rotates_and_shows_the_new_secret_once(cast: Cast, app: Flask) -> None:
    made = make(cast.bob, networks=["127.0.0.0/8"]).json
    path = f"/t/{cast.acme.slug}/tokens"
    listed = cast.bob.browser().get(path).get_data(as_text=True)
    assert "Only from 127.0.0.0/8" in listed
    assert f"{path}/{made['id']}/rotation" in listed
    assert f"{path}/{made['id']}/rotation" not in cast.alice.browser().get(path).get_data(as_text=True)
    shown = cast.bob.post(f"{path}/{made['id']}/rotation")
    assert shown.status_code == 201
    assert "The old secret works until" in shown.text
    (token,) = set(re.findall(r"cpt_live_[0-9a-f]{16}_[A-Za-z0-9-]{51}", shown.text))
    assert call(cast.bob, token).status_code == 200
    assert call(cast.bob, made["token"]).status_code == 200
    assert token not in cast.bob.browser().get(path).get_data(as_text=True)


def test_the_page_takes_networks_and_tells_what_is_none(cast: Cast) -> None:
    path = f"/t/{cast.acme.slug}/tokens"
    typed = {"name": "Office", "scopes": "ledger:read", "days": "30", "networks": "192.0.2.0/24, there"}
    answer = cast.bob.post(path, typed)
    assert answer.status_code == 422
    assert "there is no network" in answer.text
    assert 'value="192.0.2.0/24, there"' in answer.text
    assert cast.bob.post(path, typed | {"networks": "192.0.2.0/24, 2001:db8::/32"}).status_code == 201


def test_a_rotation_is_in_both_trails(cast: Cast, owner: Engine) -> None:
    made = make(cast.bob).json
    cast.bob.api("POST", f"/tokens/{made['id']}/rotation", json={})
    with cast.acme.begin() as session:
        query = "SELECT actor_id FROM audit_event WHERE action = 'token.rotated' AND object_id = :id"
        assert session.scalars(text(query), {"id": made["id"]}).all() == [cast.bob.id]
    with owner.connect() as connection:
        query = "SELECT count(*) FROM platform.audit_event WHERE action = 'token.rotated' AND object_id = :id"
        assert connection.scalar(text(query), {"id": made["id"]}) == 1
