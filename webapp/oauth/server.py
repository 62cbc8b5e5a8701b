"""The authorization server: authlib's grants over our tables. Imported only when somebody comes for a token."""

import hmac
from typing import Any
from uuid import UUID

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, InvalidGrantError, InvalidRequestError, InvalidScopeError, TokenMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import current_app, g, request

from webapp.identity import queries as identity
from webapp.identity.notices import tell
from webapp.identity.rules import hash_secret, is_within, parse_token
from webapp.oauth import commands, queries
from webapp.oauth.queries import ClientView, GrantView
from webapp.oauth.recognition import issuer, signer
from webapp.oauth.rules import ACCESS_LIFE, Claims, claims_for
from webapp.tenancy import queries as tenancy
from webapp.web.state import services
from webapp.web.unit import close_unit

BASIC, POST, NONE = "client_secret_basic", "client_secret_post", "none"
EXTENSION = "authorization_server"


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


class Server(AuthorizationServer):  # type: ignore[misc] # authlib has no types
    """Issues access tokens that are signed, and refresh tokens that are kept as hashes."""

    def generate_token(
        self,
        grant_type: str,
        client: Any,
        user: GrantView | None = None,
        scope: str | None = None,
        expires_in: int | None = None,
        include_refresh_token: bool = True,
    ) -> dict[str, Any]:
        if user is None:
            bearer = client.bearer
            scope = scope or " ".join(sorted(bearer.scopes))
            subject, tenant_id, behind, alg = bearer.person.id, bearer.tenant_id, bearer.token_id, "EdDSA"
        else:
            scope = scope or " ".join(user.scopes)
            subject, tenant_id, behind, alg = user.person_id, user.tenant_id, str(user.id), client.view.alg
        claims = claims_for(
            issuer=issuer(),
            at=g.at,
            token_id=services().new_id().hex,
            subject=subject,
            tenant_id=tenant_id,
            client_id=client.client_id,
            scope=scope,
            grant=behind,
        )
        token = {
            "token_type": "Bearer",
            "access_token": signer().sign(g.db, claims, alg=alg, at=g.at),
            "expires_in": int(ACCESS_LIFE.total_seconds()),
            "scope": scope,
        }
        if include_refresh_token and user is not None:
            token["refresh_token"] = services().new_secret()
        return token

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        if "refresh_token" in token:
            commands.add_refresh(session=g.db, at=g.at, grant_id=request.user.id, secret=token["refresh_token"])


class Revocation(RevocationEndpoint):  # type: ignore[misc] # authlib has no types
    """RFC 7009: either token ends the whole grant."""

    CLIENT_AUTH_METHODS = (BASIC, POST, NONE)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Issued | None:
        return _found(token_string, request_client_id())

    def revoke_token(self, token: Issued, request: Any) -> None:
        if token.grant is not None:
            commands.revoke_grant(session=g.db, actor=g.actor, at=g.at, grant_id=token.grant.id, why="by its client")


class Introspection(IntrospectionEndpoint):  # type: ignore[misc] # authlib has no types
    """RFC 7662: a confidential client of the same workspace learns whether an access token holds."""

    CLIENT_AUTH_METHODS = (BASIC, POST)

    def check_permission(self, token: Issued, client: Client, request: Any) -> bool:
        of = client.bearer.tenant_id if isinstance(client, Machine) else client.view.tenant_id
        return token.claims is not None and token.claims.tenant_id == of

    def query_token(self, token_string: str, token_type_hint: str | None) -> Issued | None:
        claims = signer().verify(g.db, token_string, issuer=issuer(), at=g.at)
        alive = claims is not None and queries.bearer(session=g.db, claims=claims, at=g.at)
        return Issued(claims=claims) if alive else None

    def introspect_token(self, token: Issued) -> dict[str, Any]:
        claims = token.claims
        if claims is None:
            return {"active": False}
        return {
            "active": True,
            "sub": str(claims.subject),
            "client_id": claims.client_id,
            "scope": token.get_scope(),
            "token_type": "Bearer",
            "iss": issuer(),
        }


def request_client_id() -> str:
    """Return the id of the client that was authenticated for this request."""
    found: str = g.oauth_client_id
    return found


def _found(text: str, client_id: str) -> Issued | None:
    claims = signer().verify(g.db, text, issuer=issuer(), at=g.at)
    if claims is not None:
        grant = _grant_named(claims.grant)
        return Issued(grant) if grant else None
    grant_id = commands.family_of(session=g.db, secret=text, client_id=client_id)
    grant = grant_id and queries.grant(session=g.db, grant_id=grant_id)
    return Issued(grant) if grant else None


def _grant_named(name: str) -> GrantView | None:
    try:
        return queries.grant(session=g.db, grant_id=UUID(name))
    except ValueError:
        return None


def _client(client_id: str) -> Client | None:
    g.oauth_client_id = client_id
    view = queries.client(session=g.db, client_id=client_id)
    if view is not None:
        return Client(view) if view.disabled_at is None else None
    try:
        return Machine(UUID(client_id))
    except ValueError:
        return None


def server() -> Server:
    """Return the server of the running application, made when it is first needed."""
    if EXTENSION not in current_app.extensions:
        made = Server()
        made.init_app(current_app, query_client=_client)
        made.register_grant(CodeGrant, [ProofKey(required=True)])
        made.register_grant(RefreshGrant)
        made.register_grant(MachineGrant)
        made.register_endpoint(Revocation)
        made.register_endpoint(Introspection)
        current_app.extensions[EXTENSION] = made
    found: Server = current_app.extensions[EXTENSION]
    return found


__all__ = ["InvalidGrantError", "server"]
