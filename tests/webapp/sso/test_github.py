"""Sign-in through GitHub, which speaks OAuth 2.0 without OpenID: against a stand-in of its calls on loopback."""

import secrets
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask, jsonify, redirect, request
from werkzeug.serving import make_server

from tests.cast import newcomer
from webapp.sso import flows
from webapp.sso.relying import Caller
from webapp.sso.rules import read_providers

CLIENT, SECRET = "Iv1.comptoir", "hush"


@dataclass(slots=True)
class Hub:
    """What a server of GitHub does: one person is signed in there, and agrees to everything."""

    issuer: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    mails: Any = field(default_factory=list)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)

    def serve(self) -> Flask:
        """Return it as an application (docs.github.com, authorizing OAuth apps)."""
        hub = Flask("hub")

        @hub.get("/login/oauth/authorize")
        def authorize() -> Any:
            asked = request.args
            assert (asked["client_id"], asked["scope"]) == (CLIENT, "read:user user:email")
            assert (asked["code_challenge_method"], "nonce" in asked) == ("S256", False)
            code = secrets.token_hex(10)
            self.codes[code] = (asked["code_challenge"], asked["redirect_uri"])
            return redirect(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

        @hub.post("/login/oauth/access_token")
        def access_token() -> Any:
            assert request.headers["Accept"] == "application/json", "it answers a form otherwise"
            sent = request.form
            challenge, back = self.codes.pop(sent["code"], ("", ""))
            proof = urlsafe_b64encode(sha256(sent["code_verifier"].encode()).digest()).rstrip(b"=").decode()
            is_right = (sent["client_id"], sent["client_secret"], sent["redirect_uri"]) == (CLIENT, SECRET, back)
            if not is_right or proof != challenge:
                # It says so with 200.
                return jsonify({"error": "bad_verification_code"})
            self.tokens.add(token := f"gho_{secrets.token_hex(18)}")
            return jsonify({"access_token": token, "scope": "read:user,user:email", "token_type": "bearer"})

        @hub.get("/api/v3/user")
        def user() -> Any:
            return self._told(self.person)

        @hub.get("/api/v3/user/emails")
        def emails() -> Any:
            return self._told(self.mails)

        return hub

    def _told(self, what: Any) -> Any:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        is_known = bearer in self.tokens and request.headers.get("User-Agent")
        return jsonify(what) if is_known else (jsonify({"message": "Bad credentials"}), 401)


@pytest.fixture
def hub(app: Flask) -> Iterator[Hub]:
    """Run the stand-in, and let the installation know it by its setting."""
    made = Hub()
    server = make_server("127.0.0.1", 0, made.serve(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.issuer = f"http://127.0.0.1:{server.server_port}"
    setting = f'[{{"kind": "github", "issuer": "{made.issuer}", "client_id": "{CLIENT}", "client_secret": "{SECRET}"}}]'
    app.extensions[flows.PROVIDERS] = read_providers(setting)
    app.extensions[flows.CALLER] = Caller(made.issuer)
    try:
        yield made
    finally:
        app.extensions.pop(flows.PROVIDERS)
        app.extensions.pop(flows.CALLER)
        server.shutdown()
        thread.join()
        server.server_close()


def come(hub: Hub, client: Any, **changed: str) -> Any:
    """Go there and come back; `changed` is what somebody does to the way back."""
    out = client.get("/sign-in/with/github?next=/profile")
    assert out.headers["Location"].startswith(f"{hub.issuer}/login/oauth/authorize?")
    parts = urlsplit(out.headers["Location"])
    back = hub.serve().test_client().get(f"{parts.path}?{parts.query}").headers["Location"]
    asked = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()} | changed
    return client.get("/sign-in/callback", query_string=asked)


def test_who_github_vouches_for_by_a_primary_verified_address_signs_in_and_its_number_counts_from_then_on(
    app: Flask, hub: Hub
) -> None:
    email = newcomer(app, None)
    hub.person = {"id": 4711, "login": "pat", "name": None}
    hub.mails = [
        {"email": f"other-{email}", "primary": False, "verified": True},
        {"email": email, "primary": True, "verified": True},
    ]
    assert "Go on with GitHub" in app.test_client().get("/sign-in").text
    client = app.test_client()
    answer = come(hub, client)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/profile")
    assert email in client.get("/profile/email").text
    assert "Confirm through" not in client.get("/confirmation").text, "it never says when somebody signed in there"

    hub.mails = []
    again = app.test_client()
    assert come(hub, again).status_code == 303, "the number counts, not the address"
    assert email in again.get("/profile/email").text
    hub.person = {"id": 4712, "login": "pat"}
    assert come(hub, app.test_client()).status_code == 403, "a login can be given to somebody else"


def test_what_does_not_hold_signs_nobody_in(app: Flask, hub: Hub) -> None:
    email = newcomer(app, None)
    hub.person = {"id": 4713, "login": "pat"}
    right = {"email": email, "primary": True, "verified": True}
    for mails in (
        [right | {"verified": False}],
        [right | {"primary": False}],
        [right | {"verified": 1}],
        [right | {"email": 5}],
        ["x"],
        [],
        {},
    ):
        hub.mails = mails
        assert come(hub, app.test_client()).status_code == 403, mails
    hub.mails = [right]
    assert come(hub, app.test_client(), code="another").status_code == 403
    assert come(hub, app.test_client(), state="another").status_code == 400
    first, second = app.test_client(), app.test_client()
    assert second.get("/sign-in/with/github").status_code == 303
    stolen = come(hub, first).request.args
    assert second.get("/sign-in/callback", query_string=stolen).status_code == 400, "bound to the browser that went"
    for person in ({"id": "4713"}, {"id": True}, {"login": "pat"}, []):
        hub.person = person  # type: ignore[assignment] # what it must not answer
        assert come(hub, app.test_client()).status_code == 403, person
