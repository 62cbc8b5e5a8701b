"""Reads of the authorization server, on a transaction bound to the platform."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from webapp.identity.queries import Bearer, PersonView, person_view
from webapp.oauth.models import OauthClient, OauthGrant, OauthKey
from webapp.oauth.rules import KEY_VERIFIES, Claims

LIST_MAX = 500


@dataclass(frozen=True, slots=True)
class ClientView:
    """A client, without its secret."""

    id: str
    tenant_id: UUID
    name: str
    is_public: bool
    redirect_uris: list[str]
    scopes: list[str]
    alg: str
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class GrantView:
    """What a person granted a client."""

    id: UUID
    client_id: str
    tenant_id: UUID
    person_id: UUID
    scopes: list[str]
    redirect_uri: str
    code_challenge: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ProgramView:
    """A program that a person lets act for them in a workspace; `used_at` is when it last came for a token."""

    client_id: str
    name: str
    workspace: str
    scopes: list[str]
    since: datetime
    used_at: datetime
    expires_at: datetime


_CLIENT = (
    OauthClient.id,
    OauthClient.tenant_id,
    OauthClient.name,
    OauthClient.secret_hash.is_(None),
    OauthClient.redirect_uris,
    OauthClient.scopes,
    OauthClient.alg,
    OauthClient.created_at,
    OauthClient.disabled_at,
)


def clients(*, session: Session, tenant_id: UUID) -> list[ClientView]:
    """Return a workspace's clients, those that work first, newest first (at most 500)."""
    query = (
        select(*_CLIENT)
        .where(OauthClient.tenant_id == tenant_id)
        .order_by(OauthClient.disabled_at.is_not(None), OauthClient.created_at.desc(), OauthClient.id)
        .limit(LIST_MAX)
    )
    return [ClientView(*row) for row in session.execute(query)]


def client(*, session: Session, client_id: str) -> ClientView | None:
    """Return a client, disabled or not."""
    row = session.execute(select(*_CLIENT).where(OauthClient.id == client_id)).first()
    return None if row is None else ClientView(*row)


def client_secret_hash(*, session: Session, client_id: str) -> bytes | None:
    """Return the hash of a client's secret; None of a public one."""
    return session.scalar(select(OauthClient.secret_hash).where(OauthClient.id == client_id))


def grant(*, session: Session, grant_id: UUID) -> GrantView | None:
    """Return a grant that lives."""
    columns = [getattr(OauthGrant, name) for name in GrantView.__dataclass_fields__]
    row = session.execute(select(*columns).where(OauthGrant.id == grant_id, OauthGrant.revoked_at.is_(None))).first()
    return None if row is None else GrantView(*row)


def has_granted(*, session: Session, at: datetime, client_id: str, person_id: UUID, scopes: frozenset[str]) -> bool:
    """Tell whether a person lets a client do all this already."""
    query = select(OauthGrant.id).where(
        OauthGrant.person_id == person_id,
        OauthGrant.client_id == client_id,
        OauthGrant.revoked_at.is_(None),
        OauthGrant.expires_at > at,
        OauthGrant.scopes.contains(sorted(scopes)),
    )
    return session.execute(query.limit(1)).first() is not None


# A program has one grant for every time that it asked; the person sees them as one.
_PROGRAMS = text("""
    SELECT c.id, c.name, t.name, array_agg(DISTINCT scope ORDER BY scope), min(g.created_at), max(g.used_at),
        max(g.expires_at)
    FROM platform.oauth_grant g
        CROSS JOIN unnest(g.scopes) AS scope
        JOIN platform.oauth_client c ON c.id = g.client_id
        JOIN platform.tenant t ON t.id = g.tenant_id
    WHERE g.person_id = :person_id AND g.revoked_at IS NULL AND g.expires_at > :at AND g.code_used_at IS NOT NULL
        AND c.disabled_at IS NULL
    GROUP BY c.id, t.id ORDER BY max(g.used_at) DESC, c.id LIMIT :list_max
""")


def programs(*, session: Session, person_id: UUID, at: datetime) -> list[ProgramView]:
    """Return the programs that act for a person now, the last used first (at most 500)."""
    told = {"person_id": person_id, "at": at, "list_max": LIST_MAX}
    return [ProgramView(*row) for row in session.execute(_PROGRAMS, told)]


_OF_PERSON = text("""
    SELECT p.id, p.email_sealed, p.name_sealed, p.language, p.theme, p.density, p.is_operator
    FROM platform.oauth_grant g
        JOIN platform.oauth_client c ON c.id = g.client_id
        JOIN platform.person p ON p.id = g.person_id
    WHERE g.id = CAST(:grant_id AS uuid) AND g.tenant_id = :tenant_id AND g.person_id = :subject
        AND g.client_id = :client_id AND g.revoked_at IS NULL AND g.expires_at > :at
        AND c.disabled_at IS NULL AND p.disabled_at IS NULL
""")
_OF_MACHINE = text("""
    SELECT t.networks, s.role, s.id, s.name, s.name, 'en', 'system', 'comfortable', false
    FROM platform.token t JOIN platform.service_account s ON s.id = t.service_account_id
    WHERE t.id = :grant_id AND t.tenant_id = :tenant_id AND s.id = :subject
        AND t.revoked_at IS NULL AND t.expires_at > :at AND s.disabled_at IS NULL
""")


def bearer(*, session: Session, claims: Claims, at: datetime) -> Bearer | None:
    """Return who stands behind an access token; None when what it was issued for has ended since."""
    told = {
        "grant_id": claims.grant,
        "tenant_id": claims.tenant_id,
        "subject": claims.subject,
        "client_id": claims.client_id,
        "at": at,
    }
    if claims.client_id == str(claims.subject):
        row = session.execute(_OF_MACHINE, told).first()
        known = None if row is None else (row[0], row[1], PersonView(*row[2:]))
    else:
        row = session.execute(_OF_PERSON, told).first() if _is_uuid(claims.grant) else None
        known = None if row is None else ([], None, person_view(session, row))
    return None if known is None else Bearer(claims.grant, claims.tenant_id, claims.scopes, at, *known)


def _is_uuid(value: str) -> bool:
    try:
        return str(UUID(value)) == value
    except ValueError:
        return False


def public_keys(*, session: Session, at: datetime) -> list[tuple[str, str, str, datetime]]:
    """Return kid, algorithm, public JSON and birth of the keys that verify now, newest first (at most 500)."""
    query = (
        select(OauthKey.kid, OauthKey.alg, OauthKey.public, OauthKey.created_at)
        .where(OauthKey.created_at > at - KEY_VERIFIES)
        .order_by(OauthKey.created_at.desc())
        .limit(LIST_MAX)
    )
    return [tuple(row) for row in session.execute(query)]  # type: ignore[misc]
