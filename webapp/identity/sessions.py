"""Acts on the sessions of browsers, on a transaction bound to the platform."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.identity.models import SignInSession
from webapp.identity.rules import SEEN_EVERY, hash_secret
from webapp.kernel.actor import Actor
from webapp.kernel.errors import NotFound


def open_session(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    session_id: UUID,
    secret: str,
    person_id: UUID,
    life: timedelta,
    user_agent: str,
    second_factor: bool = False,
) -> None:
    """Begin a browser's session; `secret` goes into the cookie, its hash into the table.

    A sign-in is a confirmation; `second_factor` says that more than a password or a link was shown.
    """
    session.execute(
        insert(SignInSession).values(
            secret_hash=hash_secret(secret),
            id=session_id,
            person_id=person_id,
            created_at=at,
            seen_at=at,
            expires_at=at + life,
            user_agent=user_agent[:300],
            source_address=actor.source_address,
            seen_address=actor.source_address,
            confirmed_at=at,
            second_factor_at=at if second_factor else None,
        ),
    )
    record(session=session, actor=actor, at=at, action="session.opened", object_type="session", object_id=session_id)


def touch_session(
    *, session: Session, session_id: UUID, seen_at: datetime, seen_address: str, at: datetime, address: str
) -> None:
    """Note that a session is in use and from where: at most once a minute, at once from another address."""
    if at - seen_at >= SEEN_EVERY or address != seen_address:
        query = update(SignInSession).where(SignInSession.id == session_id)
        session.execute(query.values(seen_at=at, seen_address=address))


def confirm_session(
    *, session: Session, actor: Actor, at: datetime, session_id: UUID, secret: str, means: str, second_factor: bool
) -> None:
    """Note that the person has just shown by `means` who they are; the session goes on under a new secret.

    The secret until now opens nothing any more (ASVS 7.2.4). Raises NotFound for a session that has ended meanwhile.
    """
    values: dict[str, Any] = {"secret_hash": hash_secret(secret), "confirmed_at": at, "is_renewal_due": False}
    if second_factor:
        values["second_factor_at"] = at
    _change_living(session, session_id, values)
    record(
        session=session,
        actor=actor,
        at=at,
        action="session.confirmed",
        object_type="session",
        object_id=session_id,
        difference={"means": (None, means)},
    )


def renew_session(*, session: Session, session_id: UUID, secret: str) -> None:
    """Let a session go on under a new secret, after its person may more or less than before.

    Raises NotFound for a session that has ended meanwhile.
    """
    _change_living(session, session_id, {"secret_hash": hash_secret(secret), "is_renewal_due": False})


def ask_for_renewal(*, session: Session, person_id: UUID) -> None:
    """Let every session of a person go on under a new secret from its next page on."""
    session.execute(
        update(SignInSession)
        .where(SignInSession.person_id == person_id, SignInSession.revoked_at.is_(None))
        .values(is_renewal_due=True),
    )


def _change_living(session: Session, session_id: UUID, values: dict[str, Any]) -> None:
    query = update(SignInSession).where(SignInSession.id == session_id, SignInSession.revoked_at.is_(None))
    result: CursorResult[Any] = session.execute(query.values(**values))  # type: ignore[assignment]
    if result.rowcount == 0:
        raise NotFound


def revoke_session(*, session: Session, actor: Actor, at: datetime, person_id: UUID, session_id: UUID) -> None:
    """End one session of a person.

    Raises NotFound.
    """
    result: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        update(SignInSession)
        .where(
            SignInSession.id == session_id,
            SignInSession.person_id == person_id,
            SignInSession.revoked_at.is_(None),
        )
        .values(revoked_at=at),
    )
    if result.rowcount == 0:
        raise NotFound
    record(session=session, actor=actor, at=at, action="session.revoked", object_type="session", object_id=session_id)


def revoke_sessions(*, session: Session, actor: Actor, at: datetime, person_id: UUID, but: UUID | None = None) -> None:
    """End every session of a person, `but` one if named."""
    query = update(SignInSession).where(SignInSession.person_id == person_id, SignInSession.revoked_at.is_(None))
    session.execute((query if but is None else query.where(SignInSession.id != but)).values(revoked_at=at))
    record(session=session, actor=actor, at=at, action="session.revoked_all", object_type="person", object_id=person_id)


def mark_single_sign_on(*, session: Session, session_id: UUID, tenant_id: UUID, is_alone: bool) -> None:
    """Note that a workspace's provider vouched for who sits there; alone, it opens no other workspace."""
    values: dict[str, Any] = {"sso_tenant_ids": func.array_append(SignInSession.sso_tenant_ids, tenant_id)}
    session.execute(
        update(SignInSession)
        .where(SignInSession.id == session_id)
        .values(**values, **({"only_tenant_id": tenant_id} if is_alone else {})),
    )
