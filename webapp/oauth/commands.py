"""Acts of the authorization server, on a transaction bound to the platform."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.identity.rules import hash_secret
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid, NotFound
from webapp.oauth import queries
from webapp.oauth.models import OauthClient, OauthGrant, OauthRefresh
from webapp.oauth.queries import GrantView
from webapp.oauth.rules import CODE_LIFE, GRANT_LIFE, client_errors

# A client comes with every token that it renews, many at once: ready texts cost a tenth of building the expressions.
_LOCK_FAMILY = text("""
    SELECT g.revoked_at, g.expires_at, g.id, g.client_id, g.tenant_id, g.person_id, g.scopes, g.redirect_uri,
        g.code_challenge, g.expires_at
    FROM platform.oauth_grant g
    WHERE g.id = (SELECT r.grant_id FROM platform.oauth_refresh r WHERE r.secret_hash = :secret_hash)
        AND g.client_id = :client_id
    FOR UPDATE
""")
_SPEND = text("""
    UPDATE platform.oauth_refresh SET used_at = :at WHERE secret_hash = :secret_hash AND used_at IS NULL
    RETURNING grant_id
""")
_TOUCH = text("UPDATE platform.oauth_grant SET used_at = :at WHERE id = :grant_id")


def register_client(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    client_id: str,
    tenant_id: UUID,
    secret: str | None,
    name: str,
    redirect_uris: tuple[str, ...],
    scopes: frozenset[str],
    known_scopes: tuple[str, ...],
    alg: str,
) -> None:
    """Register a client of a workspace; without a secret it is public.

    Raises Invalid (name, redirect_uris, scopes, alg).
    """
    errors = client_errors(name=name, redirect_uris=redirect_uris, scopes=scopes, known_scopes=known_scopes, alg=alg)
    if errors:
        raise Invalid(errors=tuple(errors))
    session.execute(
        insert(OauthClient).values(
            id=client_id,
            tenant_id=tenant_id,
            name=name.strip(),
            secret_hash=None if secret is None else hash_secret(secret),
            redirect_uris=list(redirect_uris),
            scopes=sorted(scopes),
            alg=alg,
            created_at=at,
            created_by=actor.person_id,
        ),
    )
    _note(session, actor, at, "oauth.client_registered", "oauth_client", client_id)


def disable_client(*, session: Session, actor: Actor, at: datetime, tenant_id: UUID, client_id: str) -> None:
    """Disable a client for good; every token of it is refused from the next call on.

    Raises NotFound (also when it is disabled already).
    """
    done = session.execute(
        update(OauthClient)
        .where(OauthClient.id == client_id, OauthClient.tenant_id == tenant_id, OauthClient.disabled_at.is_(None))
        .values(disabled_at=at)
        .returning(OauthClient.id),
    ).first()
    if done is None:
        raise NotFound
    session.execute(
        update(OauthGrant)
        .where(OauthGrant.client_id == client_id, OauthGrant.revoked_at.is_(None))
        .values(revoked_at=at),
    )
    _note(session, actor, at, "oauth.client_disabled", "oauth_client", client_id)


def give_grant(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    grant_id: UUID,
    code: str,
    client_id: str,
    tenant_id: UUID,
    person_id: UUID,
    scopes: frozenset[str],
    redirect_uri: str,
    code_challenge: str,
) -> None:
    """Keep what a person consented to, with the code by which the client comes for it within a minute."""
    session.execute(
        insert(OauthGrant).values(
            id=grant_id,
            client_id=client_id,
            tenant_id=tenant_id,
            person_id=person_id,
            scopes=sorted(scopes),
            code_hash=hash_secret(code),
            code_expires_at=at + CODE_LIFE,
            redirect_uri=redirect_uri,
            code_challenge=code_challenge,
            created_at=at,
            expires_at=at + GRANT_LIFE,
        ),
    )
    _note(session, actor, at, "oauth.granted", "oauth_grant", grant_id)


def use_code(*, session: Session, at: datetime, code: str, client_id: str) -> tuple[GrantView | None, UUID | None]:
    """Use an authorization code up: its grant, or None; and the grant whose code was used before, if it was.

    The row is locked, so that of two who come at once one is the second (RFC 9700, 4.5: whoever is second, revoke).
    """
    row = session.execute(
        select(OauthGrant.id, OauthGrant.code_used_at, OauthGrant.code_expires_at)
        .where(OauthGrant.code_hash == hash_secret(code), OauthGrant.client_id == client_id)
        .with_for_update(),
    ).first()
    if row is None or row[2] <= at:
        return None, None
    if row[1] is not None:
        return None, row[0]
    session.execute(update(OauthGrant).where(OauthGrant.id == row[0]).values(code_used_at=at, used_at=at))
    return queries.grant(session=session, grant_id=row[0]), None


def add_refresh(*, session: Session, at: datetime, grant_id: UUID, secret: str) -> None:
    """Give a family its next refresh token."""
    session.execute(insert(OauthRefresh).values(secret_hash=hash_secret(secret), grant_id=grant_id, created_at=at))


def spend_refresh(
    *, session: Session, at: datetime, secret: str, client_id: str
) -> tuple[GrantView | None, UUID | None]:
    """Use a refresh token up: its grant, or None; and the grant whose token was used before, if it was.

    The family's row is locked first, always, so that nobody waits for anybody in a ring (RFC 9700, 4.14).
    """
    told = {"secret_hash": hash_secret(secret), "client_id": client_id, "at": at}
    family = session.execute(_LOCK_FAMILY, told).first()
    if family is None or family[0] is not None or family[1] <= at:
        return None, None
    found = GrantView(*family[2:])
    if session.execute(_SPEND, told).first() is None:
        return None, found.id
    session.execute(_TOUCH, {"grant_id": found.id, "at": at})
    return found, None


def family_of(*, session: Session, secret: str, client_id: str) -> UUID | None:
    """Return the grant of a refresh token of this client, used up or not."""
    query = (
        select(OauthRefresh.grant_id)
        .join(OauthGrant, OauthGrant.id == OauthRefresh.grant_id)
        .where(OauthRefresh.secret_hash == hash_secret(secret), OauthGrant.client_id == client_id)
    )
    return session.scalar(query)


def revoke_grant(*, session: Session, actor: Actor, at: datetime, grant_id: UUID, why: str) -> UUID | None:
    """End a grant with every token of it; return whose it was, or None when it had ended before."""
    row = session.execute(
        update(OauthGrant)
        .where(OauthGrant.id == grant_id, OauthGrant.revoked_at.is_(None))
        .values(revoked_at=at)
        .returning(OauthGrant.person_id),
    ).first()
    if row is None:
        return None
    _note(session, actor, at, "oauth.revoked", "oauth_grant", grant_id, why=why)
    person_id: UUID = row[0]
    return person_id


def end_program(*, session: Session, actor: Actor, at: datetime, person_id: UUID, client_id: str | None) -> None:
    """End every grant that a person gave to a program, or to all of them (None).

    Raises NotFound when a named program has none that lives.
    """
    of_client = () if client_id is None else (OauthGrant.client_id == client_id,)
    ended = session.execute(
        update(OauthGrant)
        .where(OauthGrant.person_id == person_id, OauthGrant.revoked_at.is_(None), *of_client)
        .values(revoked_at=at)
        .returning(OauthGrant.id),
    ).all()
    if not ended and client_id is not None:
        raise NotFound
    for row in ended:
        _note(session, actor, at, "oauth.revoked", "oauth_grant", row[0], why="by its person")


def _note(session: Session, actor: Actor, at: datetime, action: str, kind: str, key: Any, **said: str) -> None:
    difference = {name: (None, value) for name, value in said.items()}
    record(
        session=session,
        actor=actor,
        at=at,
        action=action,
        object_type=kind,
        object_id=key,
        difference=difference,  # type: ignore[arg-type] # a dict of pairs
    )


def lock_keys(*, session: Session) -> None:
    """Let two processes that find no key wait for each other."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('oauth_key', 0))"))
