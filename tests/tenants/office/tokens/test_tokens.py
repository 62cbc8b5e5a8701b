"""API tokens: shown once, narrowed, revoked."""

import re

from sqlalchemy import text

from tests.cast import Cast, Person
from webapp.web.state import KEY


def call(person: Person, token: str, path: str = "/accounts", method: str = "GET", **kwargs: object) -> int:
    """Call the API with another token and return the status."""
    headers = {"Authorization": f"Bearer {token}"}
    return int(person.api(method, path, headers=headers, **kwargs).status_code)


def test_a_token_is_shown_once_and_works(cast: Cast) -> None:
    made = cast.bob.api("POST", "/tokens", json={"name": "Export", "scopes": ["ledger:read"], "days": 7})
    assert made.status_code == 201, made.text
    token = made.json["token"]
    assert re.fullmatch(r"cpt_live_[0-9a-f]{16}_[A-Za-z0-9-]{43}[0-9a-f]{8}", token)
    assert call(cast.bob, token) == 200
    for answer in (cast.bob.api("GET", "/tokens"), cast.bob.api("GET", f"/tokens/{made.json['id']}")):
        assert token.rpartition("_")[2] not in answer.text
    assert cast.bob.api("GET", f"/tokens/{made.json['id']}").json["used_at"] is not None


def test_a_narrowed_token_is_told_the_scope_that_it_lacks(cast: Cast) -> None:
    token = cast.alice.api("POST", "/tokens", json={"name": "Read", "scopes": ["ledger:read"]}).json["token"]
    answer = cast.alice.api("GET", "/members", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert "members:read" in answer.json["detail"]


def test_a_token_makes_none_that_may_more_than_itself(cast: Cast) -> None:
    small = cast.alice.api("POST", "/tokens", json={"name": "Maker", "scopes": ["tokens:write"]}).json["token"]
    body = {"name": "Bigger", "scopes": ["ledger:write"]}
    assert call(cast.alice, small, "/tokens", "POST", json=body) == 422


def test_a_member_makes_no_token_with_scopes_that_the_role_lacks(cast: Cast) -> None:
    answer = cast.bob.api("POST", "/tokens", json={"name": "Grab", "scopes": ["members:write"]})
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/scopes"


def test_members_see_their_own_tokens_and_owners_everybodys(cast: Cast) -> None:
    def owners(person: Person) -> set[str]:
        return {row["person_id"] for row in person.api("GET", "/tokens").json["data"]}

    assert owners(cast.bob) == {str(cast.bob.id)}
    assert owners(cast.carol) == {str(cast.carol.id)}
    assert {str(cast.alice.id), str(cast.bob.id), str(cast.dave.id)} <= owners(cast.dave)


def test_a_member_revokes_their_own_token_and_no_other(cast: Cast) -> None:
    mine = cast.bob.api("POST", "/tokens", json={"name": "Mine", "scopes": ["ledger:read"]}).json
    theirs = cast.alice.api("POST", "/tokens", json={"name": "Hers", "scopes": ["ledger:read"]}).json
    assert cast.bob.api("GET", f"/tokens/{theirs['id']}").status_code == 404
    assert cast.bob.api("POST", f"/tokens/{theirs['id']}/revocation").status_code == 404
    assert call(cast.alice, theirs["token"]) == 200
    assert cast.bob.api("POST", f"/tokens/{mine['id']}/revocation").json["state"] == "revoked"
    assert call(cast.bob, mine["token"]) == 401


def test_an_owner_revokes_anybodys_token_of_this_workspace_only(cast: Cast) -> None:
    theirs = cast.bob.api("POST", "/tokens", json={"name": "Bob's", "scopes": ["ledger:read"]}).json
    assert cast.mallory.api("POST", f"/tokens/{theirs['id']}/revocation").status_code == 404
    assert cast.alice.api("POST", f"/tokens/{theirs['id']}/revocation").status_code == 200
    assert call(cast.bob, theirs["token"]) == 401


def test_an_auditor_makes_no_token(cast: Cast) -> None:
    assert cast.carol.api("POST", "/tokens", json={"name": "X", "scopes": ["ledger:read"]}).status_code == 403


def test_the_page_shows_the_token_in_its_answer_and_never_again(cast: Cast) -> None:
    path = f"/t/{cast.acme.slug}/tokens"
    assert "See accounts, entries and periods" in cast.bob.browser().get(path).text, "what it may is told in words"
    made = cast.bob.post(path, {"name": "Page", "scopes": ["ledger:read"], "days": "30"})
    found = re.search(r"cpt_live_[0-9a-f]{16}_[A-Za-z0-9-]{43}[0-9a-f]{8}", made.get_data(as_text=True))
    assert made.status_code == 201
    assert found is not None
    assert call(cast.bob, found[0]) == 200
    assert found[0] not in cast.bob.browser().get(path).get_data(as_text=True)
    assert made.headers["Cache-Control"] == "no-store"


def test_no_scope_is_ticked_beforehand_and_one_must_be_chosen(cast: Cast) -> None:
    path = f"/t/{cast.acme.slug}/tokens"
    page = cast.bob.browser().get(path).text
    boxes = re.findall(r'<input[^>]*name="scopes"[^>]*>', page)
    assert boxes
    assert [one for one in boxes if "checked" in one] == []
    assert "tick what it needs, at least one" in page
    refused = cast.bob.post(path, {"name": "Nothing", "days": "30"})
    assert refused.status_code == 422
    assert "Choose at least one of the offered scopes." in refused.text


def test_the_page_gives_back_what_was_typed(cast: Cast) -> None:
    page = cast.bob.post(f"/t/{cast.acme.slug}/tokens", {"name": "<b>Odd</b>", "days": "0"})
    assert page.status_code == 422
    assert "&lt;b&gt;Odd&lt;/b&gt;" in page.text
    assert "A token lives 1 to 366 days." in page.text


def test_a_list_without_tokens_says_what_they_are_for(cast: Cast) -> None:
    with cast.app.extensions[KEY].database.platform() as session:
        session.execute(text("DELETE FROM token WHERE tenant_id = :id"), {"id": cast.acme.ref.id})
    page = cast.bob.browser().get(f"/t/{cast.acme.slug}/tokens")
    assert "No token yet" in page.get_data(as_text=True)
    assert "A token lets a program do over the JSON API what you do on these pages" in page.get_data(as_text=True)
    assert 'href="/api/v1/docs"' in page.get_data(as_text=True)


def test_a_page_refuses_in_the_readers_language(cast: Cast) -> None:
    settings = {"name": "Bob", "language": "fr", "theme": "system", "density": "comfortable"}
    assert cast.bob.post("/profile", settings).status_code == 303
    page = cast.bob.post(f"/t/{cast.acme.slug}/tokens", {"name": "X", "days": "0"})
    assert page.status_code == 422
    assert "Un jeton vit de 1 à 366 jours." in page.get_data(as_text=True)
