"""Acts on the sessions of browsers, on a transaction bound to the platform."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, update
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
) -> None:
    """Begin a browser's session; `secret` goes into the cookie, its hash into the table."""
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
        ),
    )
    record(session=session, actor=actor, at=at, action="session.opened", object_type="session", object_id=session_id)


def touch_session(*, session: Session, session_id: UUID, seen_at: datetime, at: datetime) -> None:
    """Note that a session is in use, at most once a minute."""
    if at - seen_at >= SEEN_EVERY:
        session.execute(update(SignInSession).where(SignInSession.id == session_id).values(seen_at=at))


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


def revoke_sessions(*, session: Session, actor: Actor, at: datetime, person_id: UUID) -> None:
    """End every session of a person."""
    session.execute(
        update(SignInSession)
        .where(SignInSession.person_id == person_id, SignInSession.revoked_at.is_(None))
        .values(revoked_at=at),
    )
    record(session=session, actor=actor, at=at, action="session.revoked_all", object_type="person", object_id=person_id)
