"""Tokens among many: what works is always seen, and can be revoked."""

from sqlalchemy import text

from tests.cast import Cast
from webapp.web.state import KEY

_MADE_AND_REVOKED = text("""
    INSERT INTO token (id, secret_hash, tenant_id, person_id, name, scopes, created_at, expires_at, revoked_at)
    SELECT substr(md5(CAST(:tenant AS text) || n), 1, 16), sha256('x'), :tenant, :person, 'Gone',
        '{ledger:read}', now() + n * interval '1 second', now() + interval '9 days', now()
    FROM generate_series(1, 1200) AS n
""")


def test_a_token_that_works_is_seen_and_revoked_behind_any_number_of_newer_ones(cast: Cast) -> None:
    made = cast.bob.api("POST", "/tokens", json={"name": "Hidden", "scopes": ["ledger:read"]}).json
    with cast.app.extensions[KEY].database.platform() as session:
        session.execute(_MADE_AND_REVOKED, {"tenant": cast.acme.ref.id, "person": cast.bob.id})

    assert "Hidden" in cast.alice.browser().get(f"/t/{cast.acme.slug}/tokens").text
    listed, cursor = [], None
    while cursor is not None or not listed:
        answer = cast.alice.api("GET", "/tokens", query_string={"limit": 500} | ({"cursor": cursor} if cursor else {}))
        listed += [token["id"] for token in answer.json["data"]]
        cursor = answer.json["next_cursor"]
    assert made["id"] in listed
    assert cast.alice.api("GET", f"/tokens/{made['id']}").json["state"] == "active"
    assert cast.alice.api("POST", f"/tokens/{made['id']}/revocation").json["state"] == "revoked"


def test_every_token_of_a_removed_member_is_revoked_however_many_there_were(cast: Cast) -> None:
    made = cast.bob.api("POST", "/tokens", json={"name": "Hidden", "scopes": ["ledger:read"]}).json
    with cast.app.extensions[KEY].database.platform() as session:
        session.execute(_MADE_AND_REVOKED, {"tenant": cast.acme.ref.id, "person": cast.bob.id})

    assert cast.alice.api("DELETE", f"/members/{cast.bob.id}").status_code == 204

    assert cast.alice.api("GET", f"/tokens/{made['id']}").json["state"] == "revoked"
