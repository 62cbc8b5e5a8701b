"""Acts on people: who they are and how the product looks to them; on a transaction bound to the platform."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from webapp.audit.commands import Difference, record
from webapp.identity import contacts, queries
from webapp.identity.links import spend_first_operator_links, spend_links
from webapp.identity.models import HalfSignIn, Passkey, Person, RecoveryCode, Totp
from webapp.identity.notices import tell
from webapp.identity.passwords import hash_password
from webapp.identity.rules import person_errors, preference_errors
from webapp.identity.sessions import revoke_sessions
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, Conflict, Invalid, NotFound

ERASED_NAME = "Erased person"


class EmailTaken(Conflict):
    """Another person signs in with this address."""

    code = "email_taken"
    message = N_("Another person already signs in with %(email)s.")


def add_person(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    person_id: UUID,
    email: str,
    name: str,
    password: str | None,
    is_operator: bool = False,
    language: str = "en",
) -> UUID:
    """Add a person; without a password they come in by invitation or link only.

    Raises Invalid (email, name, password), EmailTaken.
    """
    email = email.strip()
    if errors := person_errors(email=email, name=name, password=password):
        raise Invalid(errors=tuple(errors))
    if queries.is_taken(session=session, email=email):
        raise EmailTaken(email=email)
    session.execute(
        insert(Person).values(
            id=person_id,
            name_sealed=contacts.sealed_name(session=session, person_id=person_id, name=name),
            password_hash=None if password is None else hash_password(password),
            language=language,
            theme="system",
            density="comfortable",
            is_operator=is_operator,
            created_at=at,
            **contacts.sealed_email(session=session, person_id=person_id, email=email),
        ),
    )
    if is_operator:
        spend_first_operator_links(session, at)
    record(
        session=session,
        actor=actor,
        at=at,
        action="person.added",
        object_type="person",
        object_id=person_id,
        difference={"is_operator": (None, is_operator)},
    )
    return person_id


def change_preferences(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    person_id: UUID,
    name: str,
    language: str,
    theme: str,
    density: str,
) -> None:
    """Change how the product looks to a person, and their name.

    Raises Invalid (name, language, theme, density).
    """
    after = {"name": name, "language": language, "theme": theme, "density": density}
    if errors := preference_errors(**after):
        raise Invalid(errors=tuple(errors))
    before = queries.people(session=session, ids={person_id})[person_id]
    looks = {"language": language, "theme": theme, "density": density}
    kept = {"name_sealed": contacts.sealed_name(session=session, person_id=person_id, name=name), **looks}
    session.execute(update(Person).where(Person.id == person_id).values(**kept))
    difference: Difference = {
        key: (getattr(before, key), value) for key, value in looks.items() if getattr(before, key) != value
    }
    if before.name != name:
        # The trail is never changed, so it says that there is another name, and no name.
        difference["new_name"] = (None, True)
    record(
        session=session,
        actor=actor,
        at=at,
        action="person.preferences_changed",
        object_type="person",
        object_id=person_id,
        difference=difference,
    )


def reset_person(*, session: Session, actor: Actor, at: datetime, person_id: UUID, to: tuple[str, ...]) -> None:
    """Take away everything that opens a person's account: password, second factors, links, every session.

    For who has lost everything; a new link then lets them in to begin anew. `to` are the addresses that are told.
    Raises NotFound.
    """
    known = session.execute(
        update(Person).where(Person.id == person_id).values(password_hash=None).returning(Person.id),
    ).first()
    if known is None:
        raise NotFound
    for table in (Totp, Passkey, RecoveryCode, HalfSignIn):
        session.execute(delete(table).where(table.person_id == person_id))
    spend_links(session=session, at=at, person_id=person_id, purposes=("sign_in", "magic", "reset", "verify"))
    revoke_sessions(session=session, actor=actor, at=at, person_id=person_id)
    record(session=session, actor=actor, at=at, action="person.reset", object_type="person", object_id=person_id)
    for address in to:
        tell(session=session, actor=actor, at=at, person_id=person_id, kind="account_reset", params={}, to=address)


def anonymise_person(*, session: Session, actor: Actor, at: datetime, person_id: UUID) -> None:
    """Leave of a person nothing but their id, by which books and trail stay whole; nobody signs in with it again.

    Raises NotFound.
    """
    known = session.execute(
        update(Person)
        .where(Person.id == person_id)
        .values(
            **contacts.sealed_email(session=session, person_id=person_id, email=f"{person_id.hex}@erased.invalid"),
            name_sealed=contacts.sealed_name(session=session, person_id=person_id, name=ERASED_NAME),
            password_hash=None,
            language="en",
            theme="system",
            density="comfortable",
            is_operator=False,
            disabled_at=at,
            email_verified_at=None,
        )
        .returning(Person.id)
    ).first()
    if known is None:
        raise NotFound
    record(session=session, actor=actor, at=at, action="person.erased", object_type="person", object_id=person_id)
