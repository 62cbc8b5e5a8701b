"""Sign-in through a provider that really runs: out, back, and in as whom it vouches for, and nobody else."""

import hmac
import json
import re
import threading
import time
import warnings
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from sqlalchemy import text
from werkzeug.serving import make_server

from tests import hands
from tests.cast import Cast, Person, newcomer
from tests.webapp.identity.test_interrupted import form_of, send
from webapp.kernel.ids import new_id
from webapp.sso import flows
from webapp.sso.relying import Caller, Flow, ProviderFailed
from webapp.sso.rules import Provider, is_fresh, read_providers
from webapp.web.state import KEY

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@dataclass(slots=True)
class Directory:
    """A provider on loopback, and a way to sign in there."""

    app: Flask
    issuer: str

    def vouch(self, address: str, subject: str) -> str:
        """Sign in at the provider and return where it sends the browser back to."""
        parts = urlsplit(address)
        answer = self.app.test_client().post(
            f"{parts.path}?{parts.query}", data={"sub": subject}, base_url=f"{parts.scheme}://{parts.netloc}"
        )
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]


@pytest.fixture(scope="module")
def directory() -> Iterator[Directory]:
    """Run a provider for this module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import oidc_provider_mock  # noqa: PLC0415 - it warns of itself when it is imported

        provider = oidc_provider_mock.app()
        server = make_server("127.0.0.1", 0, provider, threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Directory(provider, f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture
def known(directory: Directory, app: Flask) -> Iterator[Directory]:
    """Let the installation know the provider."""
    provider = Provider("directory", "oidc", "Directory", directory.issuer, "comptoir", "secret")
    app.extensions[flows.PROVIDERS] = (provider,)
    app.extensions[flows.CALLER] = Caller(directory.issuer)
    yield directory
    app.extensions.pop(flows.PROVIDERS)
    app.extensions.pop(flows.CALLER)


def told(directory: Directory, email: str, *, verified: bool) -> str:
    """Let the provider know a person, and return the subject."""
    subject = new_id().hex
    claims = {"email": email, "email_verified": verified, "name": "Pat"}
    answer = directory.app.test_client().put(f"/users/{subject}", json=claims)
    assert answer.status_code == 204, answer.text
    return subject


def come(client: FlaskClient, directory: Directory, subject: str, start: str) -> Any:
    """Go to the provider from an address of ours and come back."""
    out = client.get(start)
    assert out.status_code == 303, out.text
    asked = parse_qs(urlsplit(out.headers["Location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= asked.keys()
    return client.get(directory.vouch(out.headers["Location"], subject))


def whoami(client: FlaskClient) -> str:
    """Return the profile page, or what is shown instead."""
    return client.get("/profile").text


def test_a_verified_address_links_once_and_the_subject_signs_in_from_then_on(app: Flask, known: Directory) -> None:
    email = newcomer(app, None)
    subject = told(known, email, verified=True)
    assert "Go on with Directory" in app.test_client().get("/sign-in").text
    for _ in range(2):
        client = app.test_client()
        answer = come(client, known, subject, "/sign-in/with/directory?next=/profile")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/profile")
        assert email in whoami(client)
        told_again = {"email": "somebody-else@example.org", "email_verified": True}
        known.app.test_client().put(f"/users/{subject}", json=told_again)
    assert "identity_linked" in hands.told(app, email)


def test_an_address_that_is_not_verified_or_not_known_signs_nobody_in(app: Flask, known: Directory) -> None:
    email = newcomer(app, None)
    for address, verified in ((email, False), (f"nobody-{email}", True)):
        client = app.test_client()
        answer = come(client, known, told(known, address, verified=verified), "/sign-in/with/directory")
        assert answer.status_code == 403
        assert "nobody here has a verified address of yours" in answer.text
        assert client.get("/profile").status_code == 303


def test_a_way_back_that_this_browser_did_not_begin_signs_nobody_in(app: Flask, known: Directory) -> None:
    email = newcomer(app, None)
    subject = told(known, email, verified=True)
    first, second = app.test_client(), app.test_client()
    back = known.vouch(first.get("/sign-in/with/directory").headers["Location"], subject)
    assert app.test_client().get(back).status_code == 400
    second.get("/sign-in/with/directory")
    assert second.get(back).status_code == 400
    assert first.get(back.replace("code=", "code=x")).status_code == 403
    first.get("/sign-in/with/directory")
    assert first.get("/sign-in/callback?code=&state=").status_code == 400
    out = first.get("/sign-in/with/directory?next=//evil.example/")
    answer = first.get(known.vouch(out.headers["Location"], subject))
    assert answer.headers["Location"].startswith("/")
    assert not answer.headers["Location"].startswith("//")
    assert first.get(back).status_code == 400


def set_up(person: Person, directory: Directory, **more: Any) -> Any:
    """Let a workspace use the provider."""
    body = {"name": "Acme", "issuer": directory.issuer, "client_id": "acme", "client_secret": "hush"}
    return person.api("PUT", "/single-sign-on", json=body | more)


def test_a_workspace_that_lets_in_through_its_provider_alone(cast: Cast, known: Directory) -> None:
    place = f"/t/{cast.acme.slug}/"
    assert cast.bob.api("PUT", "/single-sign-on", json={}).status_code in {403, 422}
    assert set_up(cast.alice, known, is_only_way=True).json["is_only_way"] is True
    assert "hush" not in cast.alice.api("GET", "/single-sign-on").text
    with cast.app.extensions[KEY].database.platform() as session:
        query = text("SELECT client_secret FROM sso_provider WHERE tenant_id = :id")
        assert b"hush" not in session.scalar(query, {"id": cast.acme.ref.id})

    bob = cast.bob.browser()
    led = bob.get(place)
    assert (led.status_code, led.headers["Location"].partition("?")[0]) == (303, f"/sign-in/through/{cast.acme.slug}")
    assert cast.bob.post(f"{place}tokens", {"name": "x"}).status_code == 403
    assert cast.bob.api("GET", "/accounts").status_code == 200
    subject = told(known, "unverified@example.org", verified=False)
    assert come(bob, known, subject, led.headers["Location"]).headers["Location"] == place
    assert bob.get(place).status_code == 200
    assert bob.get("/profile").status_code == 200

    dave = cast.dave.browser()
    assert come(dave, known, subject, f"/sign-in/through/{cast.acme.slug}").status_code == 403

    owner = cast.alice.browser()
    assert owner.get(place).status_code == 200
    found = cast.alice.api("GET", "/audit-events", query_string={"action": "sso.bypassed"}).json["data"]
    assert [one["actor"] for one in found] == [cast.alice.email]
    assert cast.alice.api("DELETE", "/single-sign-on").status_code == 204
    assert cast.dave.browser().get(place).status_code == 200


def test_a_workspaces_provider_lets_its_members_into_that_workspace_alone(cast: Cast, known: Directory) -> None:
    """Whoever runs the provider of one workspace must not come in elsewhere in the name of its members."""
    assert set_up(cast.mallory, known).status_code == 200
    start = f"/sign-in/through/{cast.bravo.slug}"
    alice = told(known, cast.alice.email, verified=True)
    client = cast.app.test_client()
    assert come(client, known, alice, start).status_code == 403
    assert client.get("/profile").status_code == 303

    mallory = told(known, cast.mallory.email, verified=True)
    assert come(client, known, mallory, start).status_code == 303
    assert client.get(f"/t/{cast.bravo.slug}/").status_code == 200
    for path in ("/profile", "/profile/password", "/", f"/t/{cast.acme.slug}/"):
        assert client.get(path).status_code in {403, 404}, path
    # What the workspace's provider vouches for means nothing to the installation's.
    other = cast.app.test_client()
    known.app.test_client().put(f"/users/{mallory}", json={"email": "", "email_verified": False})
    assert come(other, known, mallory, "/sign-in/with/directory").status_code == 403


def test_what_a_workspace_enters_reaches_no_inner_address(cast: Cast, known: Directory) -> None:
    assert set_up(cast.alice, replace(known, issuer="http://127.0.0.1:1")).status_code == 200
    answer = cast.app.test_client().get(f"/sign-in/through/{cast.acme.slug}")
    assert answer.status_code == 422
    page = cast.alice.post(f"/t/{cast.acme.slug}/single-sign-on", {"kind": "oidc", "issuer": "gopher://x"})
    assert page.status_code == 422
    assert "beginning with https://" in page.text
    nowhere = cast.alice.post("/sign-in/through", {"workspace": cast.bravo.slug})
    assert nowhere.status_code == 422


KEY_OF_PROVIDER = RSAKey.generate_key(2048, {"kid": "one"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one"})
CLAIMS = {
    "iss": "https://sso.example",
    "sub": "42",
    "aud": "comptoir",
    "exp": int(AT.timestamp()) + 300,
    "iat": int(AT.timestamp()),
    "nonce": "nonce",
}
FORGED = {
    "no signature": {"alg": "none"},
    "another key": {"key": OTHER_KEY},
    "the public key as a secret": {"alg": "HS256"},
    "an unknown key id": {"kid": "two"},
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "somebody"},
    "more audiences without a party": {"aud": ["comptoir", "somebody"]},
    "another party": {"aud": ["comptoir", "somebody"], "azp": "somebody"},
    "expired": {"exp": int(AT.timestamp()) - 3600},
    "from the future": {"iat": int(AT.timestamp()) + 3600},
    "another nonce": {"nonce": "other"},
    "no nonce": {"nonce": None},
    "no subject": {"sub": None},
    "a subject that is no text": {"sub": 42},
}


def identity_token(alg: str = "RS256", key: Any = KEY_OF_PROVIDER, kid: str = "one", **claims: Any) -> str:
    """Write an identity token; None leaves a claim out."""
    body = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    signed = jwt.encode({"alg": "RS256", "kid": kid}, body, key)
    if alg == "RS256":
        return signed
    # What no library would sign: without a signature, or with the public key as a secret that both know.
    head = urlsafe_b64encode(json.dumps({"alg": alg, "kid": kid}).encode()).rstrip(b"=")
    said = head + b"." + signed.split(".")[1].encode()
    mark = hmac.digest(KEY_OF_PROVIDER.as_pem(private=False), said, "sha256") if alg == "HS256" else b""
    return (said + b"." + urlsafe_b64encode(mark).rstrip(b"=")).decode()


def believed(token: str) -> Any:
    """Return what the relying party believes of an identity token."""
    provider = Provider("p", "oidc", "P", "https://sso.example", "comptoir", "secret")
    described = {"issuer": "https://sso.example", "jwks_uri": "https://sso.example/keys"}
    caller = Caller("")
    keys = KeySet([KEY_OF_PROVIDER]).as_dict(private=False)
    # What the provider described of itself, as if it had been read now and again.
    caller._read = lambda *_args, **_kwargs: keys  # type: ignore[method-assign]
    return caller._believed(provider, Flow("s", "nonce", "v"), {"id_token": token}, described, AT)


def test_what_a_provider_signed_is_believed() -> None:
    assert believed(identity_token())["sub"] == "42"


@pytest.mark.parametrize("what", FORGED)
def test_what_it_did_not_sign_for_us_now_is_not(what: str) -> None:
    with pytest.raises(ProviderFailed):
        believed(identity_token(**FORGED[what]))


def test_the_setting_of_providers_is_read_or_refused_with_the_way_out() -> None:
    google = '[{"kind": "google", "client_id": "a", "client_secret": "b"}]'
    assert [(one.key, one.issuer) for one in read_providers(google)] == [("google", "https://accounts.google.com")]
    assert read_providers("") == ()
    for wrong in (
        "{}",
        "nonsense",
        '[{"kind": "oidc"}]',
        google.replace("google", "else"),
        f"[{google[1:-1]},{google[1:]}",
    ):
        with pytest.raises(ValueError, match="COMPTOIR_SIGN_IN_PROVIDERS"):
            read_providers(wrong)


def grown_old(cast: Cast) -> None:
    """Let the last confirmation of everybody be eleven minutes ago."""
    with cast.app.extensions[KEY].database.platform() as session:
        session.execute(text("UPDATE session SET confirmed_at = confirmed_at - interval '11 minutes'"))


def test_who_came_through_a_workspaces_provider_alone_confirms_through_it_and_finds_what_was_typed(
    cast: Cast, known: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set_up(cast.alice, known).status_code == 200
    place, start = f"/t/{cast.acme.slug}", f"/sign-in/through/{cast.acme.slug}"
    subject, client = told(known, cast.alice.email, verified=True), cast.app.test_client()
    assert come(client, known, subject, start).status_code == 303
    grown_old(cast)
    typed = {"name": "Nightly <b>", "days": "30", "scopes": ["ledger:read", "jobs:read"], "networks": "127.0.0.0/8"}
    asked = send(client, form_of(client.get(f"{place}/tokens").text, "/tokens"), **typed)
    assert asked.status_code == 401
    assert "Your password" not in asked.text, "who runs the provider learns nothing of the person's own factors"

    def go_out(page: Any, **more: str) -> Any:
        form = form_of(page.text, "/confirmation")
        form.action = "/confirmation/through"
        return send(client, form, **{"confirm_provider": f"t/{cast.acme.ref.id}"} | more)

    def come_back(out: Any, whom: str) -> Any:
        address = unescape(re.findall(r'content="0; url=([^"]+)"', out.text)[0])
        question = parse_qs(urlsplit(address).query)
        assert (question["prompt"], question["max_age"]) == (["login"], ["0"])
        return client.get(known.vouch(address, whom))

    assert go_out(asked, confirm_provider="directory").status_code == 404
    other = told(known, cast.bob.email, verified=True)
    assert "vouches for another person" in come_back(go_out(asked), other).text
    with monkeypatch.context() as patch:
        patch.setattr(
            "oidc_provider_mock._storage.AuthorizationCode.get_auth_time", lambda _self: int(time.time()) - 600
        )
        stale = come_back(go_out(asked), subject)
        assert (stale.status_code, "did not say that you signed in there just now" in stale.text) == (403, True)
    before = client.get_cookie("comptoir")
    offered = come_back(go_out(asked), subject)
    assert offered.status_code == 200, offered.text
    assert before != client.get_cookie("comptoir"), "the session goes on under a new secret"
    form = form_of(offered.text, "/tokens")
    assert (form.action, form.fields["name"]) == (f"{place}/tokens", typed["name"])
    assert send(client, form, scopes=typed["scopes"]).status_code == 201
    assert [one["name"] for one in cast.alice.api("GET", "/tokens").json["data"]].count(typed["name"]) == 1

    # A page that asks leads back to the page; another session of the person does not profit from this one's way out.
    grown_old(cast)
    page = client.get(f"/confirmation?next={place}/tokens")
    assert page.status_code == 200
    guess = send(client, form_of(page.text, "/confirmation"), confirm_password="a guess")
    assert (guess.status_code, "a sign-in of your own" in guess.text) == (403, True), "no place to guess a password"
    out = go_out(page)
    address = unescape(re.findall(r'content="0; url=([^"]+)"', out.text)[0])
    thief = cast.app.test_client()
    thief.set_cookie("comptoir-flow", client.get_cookie("comptoir-flow").value)
    assert thief.get(known.vouch(address, subject)).status_code == 400
    assert come_back(go_out(page), subject).headers["Location"] == f"{place}/tokens"


def test_who_is_linked_to_a_provider_of_the_installation_confirms_through_it(cast: Cast, known: Directory) -> None:
    subject, client = told(known, cast.bob.email, verified=True), cast.app.test_client()
    assert come(client, known, subject, "/sign-in/with/directory").status_code == 303
    grown_old(cast)
    page = client.get("/confirmation?next=/profile/security/app")
    assert "Confirm through Directory" in page.text
    assert "Confirm through" not in cast.dave.browser().get("/confirmation").text
    form = form_of(page.text, "/confirmation")
    form.action = "/confirmation/through"
    out = send(client, form, confirm_provider="directory")
    address = unescape(re.findall(r'content="0; url=([^"]+)"', out.text)[0])
    assert client.get(known.vouch(address, subject)).headers["Location"] == "/profile/security/app"
    assert client.get("/profile/security/app").status_code == 200


def test_a_sign_in_is_fresh_when_it_was_after_the_way_out() -> None:
    assert [is_fresh(moment, since=1000) for moment in (None, 0, 939, 940, 1000, 1660, 1661, float("nan"))] == (
        [False, False, False, True, True, True, False, False]
    )
