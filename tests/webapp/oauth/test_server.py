"""OAuth 2.1 for programs of others: consent, code with PKCE, tokens that are signed, refresh tokens that work once."""

import re
import secrets
import threading
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask
from joserfc import jws
from joserfc.jwk import KeySet
from sqlalchemy import text

from tests.cast import Cast, Person
from tests.hands import submit, told
from webapp.identity.rules import hash_secret
from webapp.kernel.clock import utc_now
from webapp.kernel.ids import new_id
from webapp.oauth import commands
from webapp.oauth.rules import is_redirect_uri
from webapp.web.state import KEY

BACK = "https://reports.example/callback"
WIDE = ["ledger:read", "ledger:write", "members:read"]


@dataclass(slots=True)
class Program:
    """A program of somebody else: it knows its id and secret, and speaks to the token endpoint."""

    app: Flask
    client_id: str
    secret: str | None
    verifier: str = "v" * 64

    def address(self, **more: str) -> str:
        """Return where it sends a person."""
        challenge = urlsafe_b64encode(sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": BACK,
            "scope": "ledger:read members:read",
            "state": "a state",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return "/oauth/authorize?" + urlencode({key: value for key, value in (asked | more).items() if value})

    def code(self, person: Person, *, scopes: tuple[str, ...] = ("ledger:read",), **more: str) -> str:
        """Let a person consent and return the code."""
        answer = person.post(self.address(**more), {"answer": "yes", "scopes": list(scopes)})
        assert answer.status_code == 200, answer.text
        onward = parse_qs(urlsplit(onward_of(answer.text)).query)
        assert onward["state"] == ["a state"]
        return onward["code"][0]

    def ask(self, path: str = "token", **form: str) -> Any:
        """Post to the server as this program."""
        auth = (self.client_id, self.secret) if self.secret else None
        form = form if self.secret else {"client_id": self.client_id, **form}
        return self.app.test_client().post(f"/api/oauth/{path}", data=form, auth=auth)

    def exchange(self, code: str, **more: str) -> Any:
        """Exchange a code."""
        sent = {"code": code, "redirect_uri": BACK, "code_verifier": self.verifier} | more
        return self.ask(grant_type="authorization_code", **sent)

    def refresh(self, token: str, **more: str) -> Any:
        """Exchange a refresh token."""
        return self.ask(grant_type="refresh_token", refresh_token=token, **more)


def onward_of(html: str) -> str:
    """Return where the page after a consent leads."""
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', html)
    assert found, html
    return found[1].replace("&amp;", "&")


def register(cast: Cast, *, person: Person | None = None, **more: Any) -> Program:
    """Register a program."""
    body = {"name": "Reports", "redirect_uris": [BACK], "scopes": WIDE} | more
    made = (person or cast.alice).api("POST", "/applications", json=body)
    assert made.status_code == 201, made.text
    return Program(cast.app, made.json["client_id"], made.json["client_secret"])


def call(app: Flask, slug: str, token: str, path: str = "/accounts", method: str = "GET", **kwargs: Any) -> Any:
    """Call the API of a workspace with an access token."""
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": new_id().hex}
    return app.test_client().open(f"/api/v1/t/{slug}{path}", method=method, headers=headers, **kwargs)


@pytest.mark.parametrize("alg", ["RS256", "EdDSA"])
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_a_program_acts_for_who_consented_within_what_they_allowed(cast: Cast, alg: str) -> None:
    program, slug = register(cast, alg=alg), cast.acme.slug
    page = cast.bob.browser().get(program.address())
    assert "Allow Reports?" in page.text
    assert "ledger:write" not in page.text
    given = program.exchange(program.code(cast.bob))
    assert given.status_code == 200, given.text
    token = given.json
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 900, "ledger:read")

    # What another library reads with the published keys: RFC 9068.
    keys = KeySet.import_key_set(cast.app.test_client().get("/api/oauth/jwks").json)
    signed = jws.deserialize_compact(token["access_token"], keys, algorithms=[alg])
    assert signed.headers()["typ"] == "at+jwt"
    assert '"d"' not in cast.app.test_client().get("/api/oauth/jwks").text

    assert call(cast.app, slug, token["access_token"]).status_code == 200
    refused = call(cast.app, slug, token["access_token"], "/members")
    assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    body = {"name": "x", "kind": "asset", "currency": "EUR"}
    assert call(cast.app, slug, token["access_token"], method="POST", json=body).status_code == 403
    assert call(cast.app, cast.bravo.slug, token["access_token"]).status_code == 404
    assert program.ask("introspection", token=token["access_token"]).json["scope"] == "ledger:read"

    assert cast.alice.api("DELETE", f"/members/{cast.bob.id}").status_code == 204
    assert call(cast.app, slug, token["access_token"]).status_code == 404
    assert program.refresh(token["refresh_token"]).json["error"] == "invalid_grant"


def test_a_refresh_token_works_once_and_its_second_use_ends_the_family_and_is_told(cast: Cast) -> None:
    program, slug = register(cast), cast.acme.slug
    first = program.exchange(program.code(cast.bob)).json
    second = program.refresh(first["refresh_token"])
    assert second.status_code == 200, second.text
    assert second.json["refresh_token"] != first["refresh_token"]
    wider = program.refresh(second.json["refresh_token"], scope="ledger:read members:read")
    assert wider.json["error"] == "invalid_scope"
    other = register(cast)
    assert other.refresh(second.json["refresh_token"]).json["error"] == "invalid_grant"
    assert call(cast.app, slug, second.json["access_token"]).status_code == 200

    assert program.refresh(first["refresh_token"]).json["error"] == "invalid_grant"
    for gone in (first, second.json):
        assert call(cast.app, slug, gone["access_token"]).status_code == 401
    assert program.refresh(second.json["refresh_token"]).json["error"] == "invalid_grant"
    with cast.app.extensions[KEY].database.platform() as session:
        assert told(cast.app, cast.bob.email).count("refresh_token_reused") == 1
        assert first["refresh_token"].encode() not in session.scalar(
            text("SELECT secret_hash FROM oauth_refresh LIMIT 1")
        )


def test_a_code_works_once_for_its_program_its_address_and_its_proof(cast: Cast) -> None:
    program, slug = register(cast), cast.acme.slug
    code = program.code(cast.bob)
    for wrong in (
        program.exchange(code, code_verifier="w" * 64),
        program.exchange(code, code_verifier=""),
        program.exchange(code, redirect_uri=BACK + "/"),
        register(cast).exchange(code),
        Program(cast.app, program.client_id, "not-the-secret").exchange(code),
        Program(cast.app, program.client_id, None).exchange(code),
        program.exchange("x" + code),
    ):
        assert wrong.status_code in {400, 401}, wrong.text
    given = program.exchange(code)
    assert given.status_code == 200, given.text
    assert program.exchange(code).json["error"] == "invalid_grant"
    assert call(cast.app, slug, given.json["access_token"]).status_code == 401, (
        "a code that came twice ends what it gave"
    )


WRONG = [
    {"redirect_uri": BACK + "/more"},
    {"redirect_uri": BACK.replace("https", "http")},
    {"redirect_uri": "https://reports.example.evil.example/callback"},
    {"redirect_uri": "https://evil.example/"},
    {"redirect_uri": ""},
    {"client_id": "app_" + "0" * 24},
    {"response_type": "token"},
    {"code_challenge_method": "plain"},
    {"code_challenge_method": ""},
    {"code_challenge": ""},
    {"scope": "workspace:write"},
]


def test_a_request_that_does_not_hold_sends_nobody_anywhere(cast: Cast) -> None:
    program, browser = register(cast), cast.bob.browser()
    answers = [browser.get(program.address(**wrong)) for wrong in WRONG]
    answers.append(cast.bob.post(program.address(**WRONG[0]), {"answer": "yes", "scopes": "ledger:read"}))
    for answer in answers:
        assert answer.status_code == 400
        assert "Location" not in answer.headers
        assert "refresh" not in re.findall(r'http-equiv="(\w+)"', answer.text)


def test_only_members_consent_and_a_refusal_gives_no_code(cast: Cast) -> None:
    program = register(cast)
    assert cast.mallory.browser().get(program.address()).status_code == 400
    assert (
        cast.app.test_client().get(program.address()).headers["Location"].startswith("/sign-in?next=/oauth/authorize")
    )
    refused = cast.bob.post(program.address(), {"answer": "no", "scopes": "ledger:read"})
    onward = parse_qs(urlsplit(onward_of(refused.text)).query)
    assert onward["error"] == ["access_denied"]
    assert "code" not in onward
    assert cast.bob.post(program.address(), {"answer": "yes"}).status_code == 422
    # The auditor's role narrows what can be asked for at all.
    assert "members:read" in cast.carol.browser().get(program.address(scope="ledger:write members:read")).text
    assert cast.carol.browser().get(program.address(scope="ledger:write")).status_code == 400
    # Who came around the only way into the workspace lets no program in either.
    with cast.app.extensions[KEY].database.platform() as session:
        session.execute(text("UPDATE tenant SET sso_only = true WHERE id = :id"), {"id": cast.acme.ref.id})
    assert "single sign-on" in cast.bob.browser().get(program.address()).text
    assert cast.bob.post(program.address(), {"answer": "yes", "scopes": "ledger:read"}).status_code == 400


def test_a_public_program_has_no_secret_and_needs_its_proof(cast: Cast) -> None:
    program = register(cast, is_public=True, redirect_uris=[BACK, "http://127.0.0.1:4711/callback"])
    assert program.secret is None
    given = program.exchange(program.code(cast.bob))
    assert given.status_code == 200, given.text
    assert program.refresh(given.json["refresh_token"]).status_code == 200
    assert program.ask("introspection", token=given.json["access_token"]).status_code == 401
    assert program.ask("revocation", token=given.json["access_token"]).status_code == 200
    assert call(cast.app, cast.acme.slug, given.json["access_token"]).status_code == 401


def test_people_see_the_programs_that_act_for_them_and_end_one_for_themselves_alone(cast: Cast) -> None:
    program, other, slug = register(cast), register(cast, name="Other"), cast.acme.slug
    first, again = (program.exchange(program.code(cast.bob)).json for _ in range(2))
    wider = program.exchange(program.code(cast.bob, scopes=("ledger:read", "members:read"))).json
    for_dave = program.exchange(program.code(cast.dave)).json
    other.exchange(other.code(cast.bob))
    other.code(cast.carol)
    assert told(cast.app, cast.bob.email) == ["program_let_in"] * 3, "told of what is new, not of every sign-in"

    bob = cast.bob.browser()
    page = bob.get("/profile/programs").text
    assert page.count(f"/profile/programs/{program.client_id}/end") == 1, "one program is one, however often it asked"
    assert "See members" in page and "Acme" in page
    assert "No program acts for you." in cast.carol.browser().get("/profile/programs").text, "the code was not fetched"
    path = f"/profile/programs/{program.client_id}/end"
    assert submit(cast.carol.browser(), "/profile", path).status_code == 404
    assert submit(bob, "/profile/programs", path).status_code == 303
    for gone in (first, again, wider):
        assert call(cast.app, slug, gone["access_token"]).status_code == 401
        assert program.refresh(gone["refresh_token"]).json["error"] == "invalid_grant"
    assert call(cast.app, slug, for_dave["access_token"]).status_code == 200
    page = bob.get("/profile/programs").text
    assert program.client_id not in page and other.client_id in page
    assert submit(bob, "/profile/programs", path).status_code == 404
    with cast.app.extensions[KEY].database.platform() as session:
        query = text("SELECT count(*) FROM audit_event WHERE action = 'oauth.revoked' AND actor_id = :who")
        assert session.scalar(query, {"who": cast.bob.id}) == 3


def test_revocation_and_disabling_end_everything_at_once(cast: Cast) -> None:
    program, slug = register(cast), cast.acme.slug
    one = program.exchange(program.code(cast.bob)).json
    other = program.exchange(program.code(cast.dave)).json
    assert register(cast).ask("revocation", token=one["refresh_token"]).status_code in {200, 400, 401}
    assert call(cast.app, slug, one["access_token"]).status_code == 200
    assert program.ask("revocation", token=one["refresh_token"]).status_code == 200
    assert call(cast.app, slug, one["access_token"]).status_code == 401
    assert program.ask("introspection", token=one["access_token"]).json == {"active": False}
    elsewhere = register(cast, person=cast.mallory)
    assert elsewhere.ask("introspection", token=other["access_token"]).json == {"active": False}
    assert call(cast.app, slug, other["access_token"]).status_code == 200
    answer = cast.alice.api("POST", f"/applications/{program.client_id}/disablement")
    assert answer.json["state"] == "disabled"
    assert call(cast.app, slug, other["access_token"]).status_code == 401
    assert program.refresh(other["refresh_token"]).status_code == 401


def test_a_service_account_is_a_client_whose_tokens_are_its_secrets(cast: Cast) -> None:
    account = cast.alice.api("POST", "/service-accounts", json={"name": "Robot", "role": "auditor"}).json["id"]
    body = {"name": "one", "scopes": ["ledger:read", "members:read"], "networks": ["127.0.0.0/8"]}
    secret = cast.alice.api("POST", f"/service-accounts/{account}/tokens", json=body).json["token"]
    robot = Program(cast.app, account, secret)
    given = robot.ask(grant_type="client_credentials", scope="ledger:read")
    assert given.status_code == 200, given.text
    assert "refresh_token" not in given.json
    token = given.json["access_token"]
    assert call(cast.app, cast.acme.slug, token).status_code == 200
    assert call(cast.app, cast.acme.slug, token, "/members").status_code == 403
    moved = call(cast.app, cast.acme.slug, token, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert moved.json["code"] == "token_network"
    assert robot.ask(grant_type="client_credentials", scope="trail:read").json["error"] == "invalid_scope"
    assert Program(cast.app, account, cast.bob.token).ask(grant_type="client_credentials").status_code == 401
    assert register(cast).ask(grant_type="client_credentials").json["error"] == "unauthorized_client"
    assert cast.alice.api("POST", f"/service-accounts/{account}/disablement").status_code == 200
    assert call(cast.app, cast.acme.slug, token).status_code == 401
    assert robot.ask(grant_type="client_credentials").status_code == 401


def test_the_server_describes_itself_and_what_it_says_is_there(cast: Cast) -> None:
    client = cast.app.test_client()
    told = client.get("/.well-known/oauth-authorization-server").json
    assert told["issuer"] == "http://localhost"
    assert told["code_challenge_methods_supported"] == ["S256"]
    for name in ("token_endpoint", "revocation_endpoint", "introspection_endpoint"):
        answer = client.post(urlsplit(told[name]).path, data={})
        assert answer.status_code in {400, 401}, name
        assert answer.json["error"]
    assert client.get(urlsplit(told["jwks_uri"]).path).status_code == 200


LEAKY = (
    *("http://reports.example/", "javascript:alert(1)", "https://a.example/#x", "https://a@b.example/", "/x", ""),
    *(
        "https://*.example/",
        "https://a.example/\\b",
        "https://a.example/ b",
        "app://callback",
        "https:///x",
        "https://é/",
    ),
)


def test_a_program_names_no_address_that_codes_could_leak_to(cast: Cast) -> None:
    assert [uri for uri in LEAKY if is_redirect_uri(uri)] == []
    assert all(map(is_redirect_uri, (BACK, "http://127.0.0.1:4711/x?y=z", "http://[::1]/", "http://localhost")))
    page = cast.alice.post(
        f"/t/{cast.acme.slug}/applications", {"name": "x", "redirect_uris": LEAKY[0], "scopes": "ledger:read"}
    )
    assert page.status_code == 422
    assert "is no address to send people back to" in page.text
    made = cast.alice.post(
        f"/t/{cast.acme.slug}/applications", {"name": "x", "redirect_uris": BACK, "scopes": "ledger:read"}
    )
    assert made.status_code == 201
    assert "app_" in made.text


ROUNDS, RACERS = 200, 2


def test_of_those_who_race_for_a_refresh_token_one_has_a_successor_and_nobody_waits_in_a_ring(cast: Cast) -> None:
    """Race in plain SQL: exactly one successor of each token, and every loser sees that it was used."""
    program, database, at = register(cast), cast.app.extensions[KEY].database, utc_now()
    grants, tokens = [new_id() for _ in range(RACERS)], {}
    with database.platform() as session:
        for grant_id in grants:
            commands.give_grant(
                session=session,
                actor=cast.bob.actor,
                at=at,
                grant_id=grant_id,
                code=secrets.token_hex(16),
                client_id=program.client_id,
                tenant_id=cast.acme.ref.id,
                person_id=cast.bob.id,
                scopes=frozenset({"ledger:read"}),
                redirect_uri=BACK,
                code_challenge="x" * 43,
            )
        rows = [(new_id().hex, grants[number % RACERS]) for number in range(ROUNDS)]
        insert = text(
            "INSERT INTO oauth_refresh (secret_hash, grant_id, created_at) "
            "SELECT h, g, :at FROM unnest(CAST(:hashes AS bytea[]), CAST(:grants AS uuid[])) AS t (h, g)"
        )
        hashes = [hash_secret(secret) for secret, _grant in rows]
        session.execute(insert, {"at": at, "hashes": hashes, "grants": [one for _secret, one in rows]})
        tokens = dict.fromkeys((secret for secret, _grant in rows), 0)
    lost: list[Any] = []
    lock = threading.Lock()

    def race(step: int) -> None:
        order = list(tokens) if step % 2 else list(reversed(tokens))
        for start in range(0, len(order), 50):
            with database.platform() as session:
                # Families in one order, as every request does with its one: what is tried is the token.
                for secret in sorted(order[start : start + 50], key=lambda one: grants.index(of[one])):
                    won, again = commands.spend_refresh(
                        session=session, at=at, secret=secret, client_id=program.client_id
                    )
                    with lock:
                        tokens[secret] += won is not None
                        lost.extend([again] if won is None else [])

    of = dict(rows)
    threads = [threading.Thread(target=race, args=(step,)) for step in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(tokens.values()) == {1}
    assert len(lost) == ROUNDS * (RACERS - 1)
    assert None not in lost
