"""Sign-ins that are half done: the first factor was right, the second is asked for; on the platform's tables."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from webapp.identity import contacts
from webapp.identity.models import HalfSignIn, Person
from webapp.identity.rules import hash_secret

LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Halfway:
    """Who has shown the first factor, and where they are headed."""

    person_id: UUID
    email: str
    target: str


def begin_halfway(*, session: Session, at: datetime, secret: str, person_id: UUID, target: str) -> None:
    """Remember for ten minutes that this browser showed the first factor; those that are over go."""
    session.execute(delete(HalfSignIn).where(HalfSignIn.expires_at < at))
    session.execute(
        insert(HalfSignIn).values(
            secret_hash=hash_secret(secret), person_id=person_id, target=target, created_at=at, expires_at=at + LIFE
        ),
    )


def halfway_of(*, session: Session, at: datetime, secret: str) -> Halfway | None:
    """Return who is half signed in with this secret; None if nobody is, or not any more."""
    row = session.execute(
        select(HalfSignIn.person_id, Person.email_sealed, HalfSignIn.target)
        .join(Person, Person.id == HalfSignIn.person_id)
        .where(HalfSignIn.secret_hash == hash_secret(secret), HalfSignIn.expires_at > at, Person.disabled_at.is_(None)),
    ).first()
    if row is None:
        return None
    return Halfway(row[0], contacts.opened_email(session=session, person_id=row[0], kept=row[1]), row[2])


def end_halfway(*, session: Session, secret: str) -> None:
    """Let the half sign-in be over: it was completed, or given up."""
    session.execute(delete(HalfSignIn).where(HalfSignIn.secret_hash == hash_secret(secret)))
