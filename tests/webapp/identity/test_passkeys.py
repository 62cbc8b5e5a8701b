"""Passkeys against the server: what a browser's answer must say, once, from here, from the device itself."""

import json
import re
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from tests.cast import Cast
from tests.hands import submit, told
from tests.webapp.identity.test_interrupted import HERE, form_of, send
from tests.webapp.tenancy.mutation import mutate
from webapp.identity import passkeys
from webapp.web.state import KEY

PRESENT, VERIFIED, SYNCED, NEW = 0x01, 0x04, 0x18, 0x40


@dataclass(slots=True)
class Device:
    """An authenticator in software: one passkey, a counter, and whatever it is told to get wrong."""

    name: str = "localhost"
    origin: str = "http://localhost"
    flags: int = PRESENT | VERIFIED
    count: int = 0
    person_id: bytes = b""
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def register(self, options: Any) -> str:
        """Answer the request for a new passkey."""
        self.person_id = base64url_to_bytes(options["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        named = len(self.credential_id).to_bytes(2, "big") + self.credential_id
        data = self._data(NEW) + bytes(16) + named + cbor2.dumps(public)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        said = self._said("webauthn.create", options)
        return self._written({"clientDataJSON": said, "attestationObject": attestation})

    def answer(self, options: Any, **more: Any) -> str:
        """Sign a challenge."""
        said, data = self._said("webauthn.get", options), self._data(0)
        signature = self.key.sign(data + sha256(said).digest(), ec.ECDSA(SHA256()))
        parts = {"clientDataJSON": said, "authenticatorData": data, "signature": signature}
        return self._written({**parts, "userHandle": self.person_id, **more})

    def _data(self, more: int) -> bytes:
        head = sha256(self.name.encode()).digest() + bytes([self.flags | more])
        return head + self.count.to_bytes(4, "big")

    def _said(self, kind: str, options: Any) -> bytes:
        return json.dumps({"type": kind, "challenge": options["challenge"], "origin": self.origin}).encode()

    def _written(self, response: dict[str, bytes]) -> str:
        known = bytes_to_base64url(self.credential_id)
        texts = {name: bytes_to_base64url(value) for name, value in response.items()}
        return json.dumps({"id": known, "rawId": known, "type": "public-key", "response": texts})


def options(client: FlaskClient, path: str) -> Any:
    """Ask what a passkey is to do, as the script of the page does."""
    page = client.get("/profile", follow_redirects=True).text
    token = re.search(r'data-csrf="([^"]+)"', page)
    assert token
    answer = client.post(path, headers={**HERE, "X-CSRF-Token": token[1], "HX-Request": "true"})
    assert answer.status_code == 200, answer.text
    return answer.json


def add(client: FlaskClient, device: Device, name: str = "My laptop") -> Any:
    """Add a passkey on the security page."""
    asked = options(client, "/profile/security/passkeys/challenge")
    form = form_of(client.get("/profile/security").text, "/profile/security/passkeys")
    return send(client, form, name=name, credential=device.register(asked))


def sign_in(client: FlaskClient, credential: str, target: str = "/profile/security") -> Any:
    """Send a passkey's answer from the sign-in page."""
    return submit(client, "/sign-in", "/sign-in/passkey", {"credential": credential, "next": target}, headers=HERE)


def challenge(client: FlaskClient) -> Any:
    """Return what a passkey is asked when somebody signs in."""
    return options(client, "/passkeys/challenge/sign_in")


def test_a_passkey_alone_signs_in_and_its_answer_counts_once(cast: Cast, app: Flask) -> None:
    client, device = cast.alice.browser(), Device()
    assert add(client, device).status_code == 201, "recovery codes are shown with the first second factor"
    page = client.get("/profile/security").text
    assert "My laptop" in page
    assert "10 left" in page
    visitor = app.test_client()
    given = device.answer(challenge(visitor))
    opened = sign_in(visitor, given)
    assert (opened.status_code, opened.headers["Location"]) == (303, "/profile/security")
    assert "last used" in visitor.get("/profile/security").text
    replayed = sign_in(app.test_client(), given)
    assert (replayed.status_code, "not accepted" in replayed.text) == (422, True)
    assert replayed.headers.getlist("Set-Cookie") == [] or "comptoir=" not in str(replayed.headers)


def test_a_build_that_lets_an_answer_count_twice_turns_red(
    cast: Cast, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch, passkeys.take_challenge, "result.rowcount != 1", "False")
    with pytest.raises(AssertionError):
        test_a_passkey_alone_signs_in_and_its_answer_counts_once(cast, app)


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "http://localhost.evil.example"},
        {"origin": "https://localhost"},
        {"name": "evil.example"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"key": ec.generate_private_key(ec.SECP256R1())},
        {"person_id": UUID(int=7).bytes},
        {"credential_id": b"another one"},
    ],
    ids=["origin", "no TLS", "site", "nobody verified", "nobody present", "signature", "person", "unknown"],
)
def test_an_answer_that_does_not_hold_is_refused(cast: Cast, app: Flask, wrong: dict[str, Any]) -> None:
    device = Device()
    add(cast.alice.browser(), device)
    for name, value in wrong.items():
        setattr(device, name, value)
    visitor = app.test_client()
    assert sign_in(visitor, device.answer(challenge(visitor))).status_code == 422
    assert visitor.get("/profile").status_code == 303


def test_a_passkey_that_cannot_be_kept_is_refused(cast: Cast) -> None:
    client = cast.bob.browser()
    for wrong in (Device(origin="http://evil.example"), Device(name="evil.example"), Device(flags=PRESENT)):
        assert add(client, wrong).status_code == 422
    # A challenge that was given to sign in, or to somebody else, makes no passkey.
    asked = options(client, "/profile/security/passkeys/challenge")
    elsewhere = cast.carol.browser()
    form = form_of(elsewhere.get("/profile/security").text, "/profile/security/passkeys")
    assert send(elsewhere, form, name="x", credential=Device().register(asked)).status_code == 422
    for text_of_nothing in ("", "{}", "[]", "null", '{"id": 1}', "x" * 20_000, '{"id":"a","rawId":"a","response":{}}'):
        assert send(elsewhere, form, name="x", credential=text_of_nothing).status_code == 422
        assert sign_in(cast.app.test_client(), text_of_nothing).status_code == 422


def test_a_passkey_whose_count_goes_back_is_refused_for_good_and_in_the_trail(cast: Cast, app: Flask) -> None:
    client, device = cast.alice.browser(), Device(count=5)
    add(client, device)
    visitor = app.test_client()
    device.count = 6
    assert sign_in(visitor, device.answer(challenge(visitor))).status_code == 303
    copy = app.test_client()
    refused = sign_in(copy, device.answer(challenge(copy)))
    assert (refused.status_code, "there may be a copy" in refused.text) == (422, True)
    device.count = 9
    assert sign_in(copy, device.answer(challenge(copy))).status_code == 422
    assert "there may be a copy" in client.get("/profile/security").text
    with app.extensions[KEY].database.platform() as session:
        query = text(
            "SELECT e.difference FROM audit_event e JOIN passkey p ON p.id::text = e.object_id "
            "WHERE e.action = 'passkey.copied' AND p.person_id = :person ORDER BY e.id"
        )
        found = session.scalars(query, {"person": cast.alice.id}).all()
    assert found[0] == {"sign_count": [6, 6]}


def test_a_passkey_is_renamed_and_removed_by_its_person_only(cast: Cast) -> None:
    client = cast.alice.browser()
    add(client, Device(flags=PRESENT | VERIFIED | SYNCED))
    page = client.get("/profile/security").text
    assert "synchronised" in page
    rename, remove = form_of(page, "/name"), form_of(page, "/removal")
    assert cast.bob.post(rename.action, {"name": "mine now"}).status_code == 404
    assert cast.bob.post(remove.action).status_code == 404
    assert send(client, rename, name=" ").status_code == 422
    assert send(client, rename, name="Büro").status_code == 303
    assert "Büro" in client.get("/profile/security").text
    assert send(client, remove).status_code == 303
    page = client.get("/profile/security").text
    assert "Büro" not in page
    assert "Make new ones" not in page, "recovery codes go with the last second factor"
    assert told(cast.app, cast.alice.email) == ["passkey_added", "passkey_removed"]


def test_a_passkey_confirms_who_it_is_but_not_somebody_elses(cast: Cast) -> None:
    mine, hers = Device(), Device()
    alice, carol = cast.alice.browser(), cast.carol.browser()
    add(alice, mine)
    add(carol, hers)
    with cast.app.extensions[KEY].database.platform() as session:
        session.execute(
            text("UPDATE session SET confirmed_at = confirmed_at - interval '1 hour' WHERE person_id = :p"),
            {"p": cast.alice.id},
        )
    assert alice.get("/profile/security/app").headers["Location"] == "/confirmation?next=/profile/security/app"
    for device, status in ((hers, 422), (mine, 303)):
        form = form_of(alice.get("/confirmation?next=/profile/security/app").text, "/confirmation")
        given = device.answer(options(alice, "/passkeys/challenge/confirmation"))
        assert send(alice, form, confirm_password="", confirm_passkey=given, confirm_code="").status_code == status
    assert alice.get("/profile/security/app").status_code == 200
