"""Who comes for a token, and what was given before, as authlib asks for them."""

import hmac
from uuid import UUID

from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin
from flask import g, request

from webapp.identity import queries as identity
from webapp.identity.rules import hash_secret, is_within, parse_token
from webapp.oauth import queries
from webapp.oauth.queries import ClientView, GrantView
from webapp.oauth.rules import Claims

BASIC, POST, NONE = "client_secret_basic", "client_secret_post", "none"


class Client(ClientMixin):  # type: ignore[misc] # authlib has no types
    """A registered program, as authlib asks for it."""

    grants = frozenset({"authorization_code", "refresh_token"})

    def __init__(self, view: ClientView) -> None:
        self.view = view
        self.client_id = view.id

    def get_client_id(self) -> str:
        return self.view.id

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, scope: str | None) -> str:
        asked = scope.split() if scope else self.view.scopes
        return " ".join(one for one in asked if one in self.view.scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.view.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        known = queries.client_secret_hash(session=g.db, client_id=self.view.id)
        return known is not None and hmac.compare_digest(known, hash_secret(client_secret))

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == NONE if self.view.is_public else method in {BASIC, POST}

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grants


class Machine(Client):
    """A service account as a confidential client: its id is the client's, any of its tokens is the secret."""

    grants = frozenset({"client_credentials"})

    def __init__(self, account_id: UUID) -> None:
        self.account_id, self.bearer = account_id, None
        self.client_id = str(account_id)

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return False

    def check_client_secret(self, client_secret: str) -> bool:
        parts = parse_token(client_secret)
        if parts is None:
            return False
        found = identity.bearer(session=g.db, token_id=parts.id, secret_hash=parts.secret_hash, at=g.at)
        if found is None or found.machine_role is None or found.person.id != self.account_id:
            return False
        self.bearer = found
        return is_within(request.remote_addr or "", found.networks)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in {BASIC, POST}


def client_of(client_id: str) -> Client | None:
    """Return the client of an id, a program or a service account, and keep the id for this request."""
    g.oauth_client_id = client_id
    view = queries.client(session=g.db, client_id=client_id)
    if view is not None:
        return Client(view) if view.disabled_at is None else None
    try:
        return Machine(UUID(client_id))
    except ValueError:
        return None


class Issued(TokenMixin):  # type: ignore[misc] # authlib has no types
    """A grant, or an access token of one, as authlib asks for it."""

    def __init__(self, grant: GrantView | None = None, claims: Claims | None = None) -> None:
        self.grant, self.claims = grant, claims

    def check_client(self, client: Client) -> bool:
        of = self.grant.client_id if self.grant else self.claims.client_id if self.claims else ""
        return of == client.get_client_id()

    def get_scope(self) -> str:
        return (
            " ".join(self.grant.scopes) if self.grant else " ".join(sorted(self.claims.scopes if self.claims else ()))
        )

    def get_redirect_uri(self) -> str:
        return self.grant.redirect_uri if self.grant else ""

    @property
    def code_challenge(self) -> str:
        return self.grant.code_challenge if self.grant else ""

    @property
    def code_challenge_method(self) -> str:
        return "S256"

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return False
