"""What a token is given for: a code that a person let a program have, a refresh token, a service account's secret."""

from typing import Any
from uuid import UUID

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from flask import g

from webapp.identity.notices import tell
from webapp.oauth import commands, queries
from webapp.oauth.clients import BASIC, NONE, POST, Client, Issued
from webapp.oauth.queries import ClientView, GrantView
from webapp.tenancy import queries as tenancy
from webapp.web.state import services
from webapp.web.unit import close_unit


class ProofKey(CodeChallenge):  # type: ignore[misc] # authlib has no types
    """PKCE, always, and S256 alone (OAuth 2.1)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)
    DEFAULT_CODE_CHALLENGE_METHOD = "S256"

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("A 'code_challenge' of the method S256 is required.", redirect_uri=redirect_uri)
        super().validate_code_challenge(grant, redirect_uri)


def _reused(grant_id: UUID) -> None:
    """End the family of a code or a refresh token that came twice, and tell the person; this outlives the refusal."""
    grant = queries.grant(session=g.db, grant_id=grant_id)
    person_id = commands.revoke_grant(session=g.db, actor=g.actor, at=g.at, grant_id=grant_id, why="used twice")
    if grant is not None and person_id is not None:
        client = queries.client(session=g.db, client_id=grant.client_id)
        if client is not None:
            _tell(client, person_id, "refresh_token_reused")
    close_unit(commit=True)


def _tell(client: ClientView, person_id: UUID, kind: str) -> None:
    told = {"client": client.name, "workspace": tenancy.tenant_name(session=g.db, tenant_id=client.tenant_id)}
    tell(session=g.db, actor=g.actor, at=g.at, person_id=person_id, kind=kind, params=told)


def _still_may(grant: GrantView | None) -> GrantView | None:
    """Return the grant while its person is enabled and in the workspace."""
    if grant is None:
        return None
    tenant = tenancy.tenant_by_id(session=g.db, tenant_id=grant.tenant_id)
    place = tenant and tenancy.membership(session=g.db, slug=tenant.slug, person_id=grant.person_id)
    return grant if place else None


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc] # authlib has no types
    """Authorization code with PKCE."""

    TOKEN_ENDPOINT_AUTH_METHODS = (BASIC, POST, NONE)

    def save_authorization_code(self, code: str, request: Any) -> None:
        client: Client = request.client
        scopes = frozenset(g.consented)
        who = {"client_id": client.view.id, "person_id": request.user.id}
        is_known = queries.has_granted(session=g.db, at=g.at, scopes=scopes, **who)
        commands.give_grant(
            session=g.db,
            actor=g.actor,
            at=g.at,
            grant_id=services().new_id(),
            code=code,
            tenant_id=client.view.tenant_id,
            scopes=scopes,
            redirect_uri=request.payload.redirect_uri,
            code_challenge=request.payload.data["code_challenge"],
            **who,
        )
        if not is_known:
            _tell(client.view, request.user.id, "program_let_in")

    def query_authorization_code(self, code: str, client: Client) -> Issued | None:
        grant, again = commands.use_code(session=g.db, at=g.at, code=code, client_id=client.client_id)
        if again is not None:
            _reused(again)
        grant = _still_may(grant)
        return None if grant is None else Issued(grant)

    def delete_authorization_code(self, authorization_code: Issued) -> None:
        """Keep it: it was used up when it was read, and a second use must be seen."""

    def authenticate_user(self, authorization_code: Issued) -> GrantView | None:
        return authorization_code.grant


class RefreshGrant(RefreshTokenGrant):  # type: ignore[misc] # authlib has no types
    """Refresh tokens that work once."""

    TOKEN_ENDPOINT_AUTH_METHODS = (BASIC, POST, NONE)
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Issued | None:
        client_id = self.request.client.client_id
        grant, again = commands.spend_refresh(session=g.db, at=g.at, secret=refresh_token, client_id=client_id)
        if again is not None:
            _reused(again)
        grant = _still_may(grant)
        return None if grant is None else Issued(grant)

    def authenticate_user(self, refresh_token: Issued) -> GrantView | None:
        return refresh_token.grant

    def revoke_old_credential(self, refresh_token: Issued) -> None:
        """Nothing is left to do: it was used up when it was read."""


class MachineGrant(ClientCredentialsGrant):  # type: ignore[misc] # authlib has no types
    """Client credentials, for service accounts."""

    TOKEN_ENDPOINT_AUTH_METHODS = (BASIC, POST)

    def validate_token_request(self) -> None:
        super().validate_token_request()
        client = self.request.client
        asked = frozenset((self.request.payload.scope or "").split())
        if not asked <= client.bearer.scopes:
            raise InvalidScopeError
