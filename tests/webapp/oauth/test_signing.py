"""Forged access tokens: whatever is not exactly ours, signed by our key, for this workspace and now, is none."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from joserfc import jws
from joserfc.jwk import OKPKey, RSAKey
from sqlalchemy import text

from tests.cast import Cast
from webapp.kernel.clock import utc_now
from webapp.kernel.ids import new_id
from webapp.oauth.rules import KEY_SIGNS, KEY_VERIFIES, audience, claims_for
from webapp.oauth.signing import Signer
from webapp.web.state import KEY

ISSUER = "http://localhost"
AT = utc_now()
PERSON, TENANT = new_id(), new_id()
RSA, OKP = RSAKey.generate_key(2048), OKPKey.generate_key("Ed25519")


def write(data: Any) -> str:
    """Write a part of a token."""
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(**more: Any) -> dict[str, Any]:
    """Return what a good token says; None leaves a claim out."""
    told = claims_for(
        issuer=ISSUER,
        at=AT,
        token_id="t",
        subject=PERSON,
        tenant_id=TENANT,
        client_id="app_0",
        scope="ledger:read",
        grant=str(new_id()),
    )
    return {name: value for name, value in (told | more).items() if value is not None}


class Bench:
    """Our keys, and hands that forge with what everybody can read."""

    def __init__(self, app: Flask) -> None:
        self.database, self.signer = app.extensions[KEY].database, Signer()

    def sign(self, alg: str = "RS256", at: datetime = AT, **more: Any) -> str:
        with self.database.platform() as session:
            return self.signer.sign(session, claims(**more), alg=alg, at=at)

    def holds(self, token: str, at: datetime = AT) -> bool:
        with self.database.platform() as session:
            return self.signer.verify(session, token, issuer=ISSUER, at=at) is not None

    def kid(self, alg: str) -> str:
        with self.database.platform() as session:
            return next(one["kid"] for one in self.signer.published(session, at=AT)["keys"] if one["alg"] == alg)

    def public(self, alg: str) -> dict[str, Any]:
        with self.database.platform() as session:
            return next(one for one in self.signer.published(session, at=AT)["keys"] if one["alg"] == alg)

    def forged(self, mark: Callable[[bytes], bytes], **header: Any) -> str:
        """Write a token with any header and any signature; None leaves a member of the header out."""
        told = {"alg": "RS256", "typ": "at+jwt", "kid": self.kid("RS256")} | header
        said = f"{write({name: one for name, one in told.items() if one is not None})}.{write(claims())}"
        return f"{said}.{write(mark(said.encode()))}"


@pytest.fixture(scope="module")
def bench(app: Flask) -> Bench:
    return Bench(app)


@pytest.mark.parametrize("alg", ["RS256", "EdDSA"])
def test_what_our_key_signed_holds_for_fifteen_minutes_at_another_process_too(bench: Bench, alg: str) -> None:
    token = bench.sign(alg)
    assert bench.holds(token)
    other = Signer()
    with bench.database.platform() as session:
        found = other.verify(session, token, issuer=ISSUER, at=AT)
    assert found is not None
    assert (found.subject, found.tenant_id, found.scopes) == (PERSON, TENANT, frozenset({"ledger:read"}))
    assert bench.holds(token, AT + timedelta(minutes=14))
    assert not bench.holds(token, AT + timedelta(minutes=15))
    assert not bench.holds(token, AT - timedelta(minutes=1))


WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "another audience": {"aud": audience(ISSUER, new_id())},
    "several audiences": {"aud": [audience(ISSUER, TENANT), "x"]},
    "no audience": {"aud": None},
    "another workspace than its audience": {"workspace": str(new_id())},
    "another issuer": {"iss": "https://evil.example"},
    "an end that is no number": {"exp": "9999999999"},
    "an end that is a float": {"exp": 9999999999.5},
    "an end that is true": {"exp": True},
    "no end": {"exp": None},
    "expired": {"exp": int(AT.timestamp()) - 1},
    "from the future": {"iat": int(AT.timestamp()) + 60},
    "no subject": {"sub": None},
    "a subject that is no id": {"sub": "alice"},
    "a scope that is a list": {"scope": ["ledger:read"]},
}


@pytest.mark.parametrize("what", WRONG_CLAIMS)
def test_what_our_key_signed_for_something_else_does_not_hold(bench: Bench, what: str) -> None:
    assert not bench.holds(bench.sign(**WRONG_CLAIMS[what]))


def test_no_token_chooses_how_it_is_verified(bench: Bench) -> None:
    """RFC 8725, 2.1 and 3.1: none, the public key as a secret, another algorithm, a key of its own."""
    public = bench.public("RS256")
    key = RSAKey.import_key(public)
    secrets = (key.as_pem(private=False), key.as_der(private=False), json.dumps(public).encode(), public["n"].encode())
    forged = [
        bench.forged(lambda _said: b"", alg="none"),
        bench.forged(lambda _said: b"x", alg="none"),
        bench.forged(lambda _said: b"x", alg="None"),
        *(
            bench.forged(lambda said, one=one: hmac.digest(one, said, "sha256"), alg="HS256")  # type: ignore[misc]
            for one in secrets
        ),
        *(bench.forged(lambda said, one=one: hmac.digest(one, said, "sha256")) for one in secrets),  # type: ignore[misc]
    ]
    for alg, other in (("RS256", RSA), ("PS256", RSA), ("RS512", RSA)):
        for more in (
            {},
            {"jwk": other.as_dict(private=False)},
            {"jku": "https://evil.example/keys"},
            {"x5u": "https://e/"},
        ):
            header = {"alg": alg, "typ": "at+jwt", "kid": bench.kid("RS256"), **more}
            said = f"{write(header)}.{write(claims())}"
            forged.append(
                jws.serialize_compact({"alg": alg, "kid": header["kid"]}, json.dumps(claims()), other, algorithms=[alg])
            )
            forged.append(f"{said}.{forged[-1].split('.')[2]}")
    assert [one for one in forged if bench.holds(one)] == []


def test_a_key_is_of_one_algorithm_and_known_here(bench: Bench) -> None:
    good = bench.sign("RS256").split(".")
    for header in (
        {"alg": "EdDSA", "typ": "at+jwt", "kid": bench.kid("RS256")},
        {"alg": "RS256", "typ": "at+jwt", "kid": bench.kid("EdDSA")},
        {"alg": "RS256", "typ": "at+jwt", "kid": "0" * 43},
        {"alg": "RS256", "typ": "at+jwt", "kid": "../../etc/passwd"},
        {"alg": "RS256", "typ": "at+jwt", "kid": ["a"]},
        {"alg": "RS256", "typ": "at+jwt"},
        {"alg": "RS256", "typ": "JWT", "kid": bench.kid("RS256")},
        {"alg": "RS256", "kid": bench.kid("RS256")},
        {"alg": "RS256", "typ": "at+jwt", "kid": bench.kid("RS256"), "crit": ["exp"]},
        {"alg": "RS256", "typ": "at+jwt", "kid": bench.kid("RS256"), "b64": False},
    ):
        assert not bench.holds(f"{write(header)}.{good[1]}.{good[2]}"), header


def test_one_token_has_one_spelling(bench: Bench) -> None:
    """What Wycheproof's JWS vectors try: padding, spaces, missing and further parts, loose bits, changed bytes."""
    token = bench.sign("EdDSA")
    head, body, mark = token.split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    loose = alphabet[alphabet.index(mark[-1]) ^ 1]
    twice = write(b'{"alg":"EdDSA","alg":"EdDSA","typ":"at+jwt","kid":"' + bench.kid("EdDSA").encode() + b'"}')
    spellings = [
        *(f"{token}{end}" for end in ("=", "==", "\n", ".", f".{mark}", "\x00", "!")),
        *(f"{start}{token}" for start in (" ", ".", "=")),
        *(f"{head}.{body}.{end}" for end in ("", mark[:-1] + loose, mark[:-2], mark + "AA", write(bytes(64)))),
        *(
            f"{start}.{body}.{mark}"
            for start in ("", head + "=", twice, body, *map(write, (b"[]", b"null", b"{" * 900)))
        ),
        *(f"{head}.{middle}.{mark}" for middle in ("", head, write(claims(scope="ledger:write")))),
        *(f"{head}.{body}", "a.b.c", "..", "", "x" * 10_000, "é.é.é"),
    ]
    assert bench.holds(token)
    assert [one for one in spellings if one != token and bench.holds(one)] == []


def test_keys_are_sealed_give_way_and_verify_until_their_last_token_has_ended(app: Flask) -> None:
    bench, later = Bench(app), AT + timedelta(days=400)
    token = bench.sign("EdDSA", at=later, iat=int(later.timestamp()), exp=int(later.timestamp()) + 900)
    after = later + KEY_SIGNS
    newer = bench.sign("EdDSA", at=after)
    kids = [json.loads(header_of(one))["kid"] for one in (token, newer)]
    assert kids[0] != kids[1]
    assert bench.holds(token, later + timedelta(minutes=10))
    with bench.database.platform() as session:
        published = {one["kid"] for one in Signer().published(session, at=after)["keys"]}
        assert set(kids) <= published
        gone = {one["kid"] for one in Signer().published(session, at=later + KEY_VERIFIES)["keys"]}
        assert kids[0] not in gone
        private = session.scalar(text("SELECT private FROM oauth_key WHERE kid = :kid"), {"kid": kids[1]})
        assert b"\x06\x03+ep" not in bytes(private), "the key lies open: an identifier of Ed25519 was found"
        session.execute(text("DELETE FROM oauth_key WHERE created_at > :at"), {"at": AT + timedelta(days=1)})


def header_of(token: str) -> bytes:
    """Return the header of a token."""
    head = token.split(".", maxsplit=1)[0]
    return urlsafe_b64decode(head + "=" * (-len(head) % 4))


def test_the_door_believes_no_token_of_another_workspace_or_of_nothing(cast: Cast) -> None:
    def ask(slug: str, subject: UUID, tenant: UUID, grant: str, client: str) -> int:
        told = claims_for(
            issuer=ISSUER,
            at=utc_now(),
            token_id="t",
            subject=subject,
            tenant_id=tenant,
            client_id=client,
            scope="ledger:read",
            grant=grant,
        )
        with cast.app.extensions[KEY].database.platform() as session:
            token = Signer().sign(session, told, alg="RS256", at=utc_now())
        headers = {"Authorization": f"Bearer {token}"}
        status: int = cast.app.test_client().get(f"/api/v1/t/{slug}/accounts", headers=headers).status_code
        return status

    acme, bravo, alice = cast.acme, cast.bravo, cast.alice
    own = alice.token.split("_")[2]
    # Signed by our own key, but of no grant, of a personal token, of somebody else's workspace: nothing stands behind.
    assert ask(acme.slug, alice.id, acme.ref.id, str(new_id()), "app_0") == 401
    assert ask(acme.slug, alice.id, acme.ref.id, own, "app_0") == 401
    assert ask(acme.slug, alice.id, acme.ref.id, own, str(alice.id)) == 401
    assert ask(bravo.slug, alice.id, bravo.ref.id, own, str(alice.id)) == 401
