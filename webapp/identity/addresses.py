"""Acts on the address of a person: prove that it is theirs, change it with a yes from both mailboxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.identity import contacts, queries
from webapp.identity.links import MailedLinkSpent, spend_links
from webapp.identity.models import EmailChange, Person
from webapp.identity.notices import tell
from webapp.identity.rules import hash_secret, is_email
from webapp.jobs.commands import enqueue
from webapp.kernel.actor import Actor
from webapp.kernel.crypto import of_person, ring_of
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound

CHANGE_LIFE = timedelta(days=1)
SEND_CHANGE = "identity.send_change"
"""Kind of the job that writes to both mailboxes."""

Side = Literal["old", "new"]


class AddressTaken(Conflict):
    """Somebody else came to sign in with the new address meanwhile."""

    code = "email_taken"
    message = N_("This address cannot be used. Choose another one.")


@dataclass(frozen=True, slots=True)
class Change:
    """A change of address that waits."""

    id: UUID
    person_id: UUID
    old_email: str
    new_email: str
    expires_at: datetime
    old_confirmed_at: datetime | None
    new_confirmed_at: datetime | None


_CHANGE = (
    EmailChange.id,
    EmailChange.person_id,
    EmailChange.old_sealed,
    EmailChange.new_sealed,
    EmailChange.expires_at,
    EmailChange.old_confirmed_at,
    EmailChange.new_confirmed_at,
)


def _context(side: Side, person_id: UUID, change_id: UUID) -> str:
    return f"{of_person(f'email_change.{side}', person_id)}/{change_id}"


def _opened(session: Session, row: Sequence[Any]) -> Change:
    ring, (change_id, person_id, old, new) = ring_of(session), row[:4]
    old = ring.open(bytes(old), context=_context("old", person_id, change_id)).decode()
    new = ring.open(bytes(new), context=_context("new", person_id, change_id)).decode()
    return Change(change_id, person_id, old, new, *row[4:])


def verified_at(*, session: Session, person_id: UUID) -> datetime | None:
    """Return when a person's address was proved to be theirs."""
    return session.scalar(select(Person.email_verified_at).where(Person.id == person_id))


def note_verified(*, session: Session, actor: Actor, at: datetime, person_id: UUID) -> None:
    """Note that a person's address is theirs: a link that was sent there has been used."""
    row = session.execute(
        update(Person)
        .where(Person.id == person_id, Person.email_verified_at.is_(None))
        .values(email_verified_at=at)
        .returning(Person.id),
    ).first()
    if row is not None:
        record(
            session=session,
            actor=actor,
            at=at,
            action="person.email_verified",
            object_type="person",
            object_id=person_id,
        )


def open_change(*, session: Session, at: datetime, person_id: UUID) -> Change | None:
    """Return the change that waits for a person's mailboxes."""
    row = session.execute(
        select(*_CHANGE)
        .where(EmailChange.person_id == person_id, EmailChange.ended_at.is_(None), EmailChange.expires_at > at)
        .order_by(EmailChange.created_at.desc())
        .limit(1),
    ).first()
    return None if row is None else _opened(session, row)


def ask_to_change(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    change_id: UUID,
    job_id: UUID,
    person_id: UUID,
    old: str,
    new: str,
    secrets: tuple[str, str],
) -> None:
    """Ask both mailboxes for their yes, within a day; a change that waits already gives way.

    `secrets` are the last parts of the links to the old and to the new address. Raises Invalid (email). Whether the
    new address is somebody else's is not told: then no mail goes there.
    """
    new = new.strip()
    if not is_email(new):
        raise Invalid(errors=(FieldError("email", "email", N_("This is not an e-mail address.")),))
    if new.casefold() == old.casefold():
        raise Invalid(errors=(FieldError("email", "same", N_("This is your address already.")),))
    _end(session, at, person_id)
    ring = ring_of(session)
    session.execute(
        insert(EmailChange).values(
            id=change_id,
            person_id=person_id,
            old_sealed=ring.seal(old.encode(), context=_context("old", person_id, change_id)),
            new_sealed=ring.seal(new.encode(), context=_context("new", person_id, change_id)),
            old_hash=hash_secret(secrets[0]),
            new_hash=hash_secret(secrets[1]),
            created_at=at,
            expires_at=at + CHANGE_LIFE,
        ),
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="person.email_change_asked",
        object_type="person",
        object_id=person_id,
        difference={"change_id": (None, str(change_id))},
    )
    arguments = {"person_id": str(person_id), "old": old, "new": new, "secrets": list(secrets)}
    enqueue(session=session, actor=actor, at=at, job_id=job_id, kind=SEND_CHANGE, arguments=arguments, queue="mail")


def withdraw_change(*, session: Session, actor: Actor, at: datetime, person_id: UUID) -> None:
    """Keep the present address.

    Raises NotFound when no change waits.
    """
    if not _end(session, at, person_id):
        raise NotFound
    record(
        session=session,
        actor=actor,
        at=at,
        action="person.email_change_withdrawn",
        object_type="person",
        object_id=person_id,
    )


def _end(session: Session, at: datetime, person_id: UUID) -> bool:
    ended = session.execute(
        update(EmailChange)
        .where(EmailChange.person_id == person_id, EmailChange.ended_at.is_(None))
        .values(ended_at=at)
        .returning(EmailChange.id),
    )
    return ended.first() is not None


def change_of_link(*, session: Session, at: datetime, secret: str) -> tuple[Change, Side]:
    """Return the change that a link of a mail belongs to, and which mailbox it went to.

    Raises LinkSpent.
    """
    hashed = hash_secret(secret)
    row = session.execute(
        select(EmailChange.old_hash, *_CHANGE)
        .where(
            (EmailChange.old_hash == hashed) | (EmailChange.new_hash == hashed),
            EmailChange.ended_at.is_(None),
            EmailChange.expires_at > at,
        )
        .with_for_update(),
    ).first()
    if row is None:
        raise MailedLinkSpent
    return _opened(session, row[1:]), "old" if row[0] == hashed else "new"


def confirm_change(*, session: Session, actor: Actor, at: datetime, secret: str) -> Change | None:
    """Say yes for one mailbox; once both have, the address changes. Return the change while it waits for the other.

    Raises LinkSpent, AddressTaken.
    """
    change, side = change_of_link(session=session, at=at, secret=secret)
    column = EmailChange.old_confirmed_at if side == "old" else EmailChange.new_confirmed_at
    session.execute(update(EmailChange).where(EmailChange.id == change.id).values({column: at}))
    record(
        session=session,
        actor=actor,
        at=at,
        action="person.email_change_confirmed",
        object_type="person",
        object_id=change.person_id,
        difference={"mailbox": (None, side), "change_id": (None, str(change.id))},
    )
    if (change.new_confirmed_at if side == "old" else change.old_confirmed_at) is None:
        return change
    _change(session, actor, at, change.person_id, (change.old_email, change.new_email), verified_at=at)
    return None


def replace_address(*, session: Session, actor: Actor, at: datetime, person_id: UUID, old: str, new: str) -> None:
    """Let a person sign in with another address, which is not proved: an operator says so of a mailbox that is lost.

    Raises Invalid (email), AddressTaken.
    """
    if not is_email(new):
        raise Invalid(errors=(FieldError("email", "email", N_("This is not an e-mail address.")),))
    _change(session, actor, at, person_id, (old, new), verified_at=None)


def _change(
    session: Session,
    actor: Actor,
    at: datetime,
    person_id: UUID,
    emails: tuple[str, str],
    *,
    verified_at: datetime | None,
) -> None:
    if queries.is_taken(session=session, email=emails[1]):
        raise AddressTaken
    _end(session, at, person_id)
    kept = contacts.sealed_email(session=session, person_id=person_id, email=emails[1])
    session.execute(update(Person).where(Person.id == person_id).values(**kept, email_verified_at=verified_at))
    # Links that lie in the former mailbox open nothing any more.
    spend_links(session=session, at=at, person_id=person_id, purposes=("magic", "reset", "verify"))
    record(
        session=session,
        actor=actor,
        at=at,
        action="person.email_changed",
        object_type="person",
        object_id=person_id,
    )
    told = {"old": emails[0], "new": emails[1]}
    for to in emails:
        tell(session=session, actor=actor, at=at, person_id=person_id, kind="email_changed", params=told, to=to)
