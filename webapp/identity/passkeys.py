"""Acts on passkeys (WebAuthn level 2), on a transaction bound to the platform.

A passkey shows two factors at once: the device, and by its PIN, finger or face whose it is (user verification).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.identity.factors import PASSKEYS_MAX
from webapp.identity.models import Passkey, PasskeyChallenge, Person
from webapp.identity.notices import tell
from webapp.identity.recovery import drop_codes_of_nothing
from webapp.identity.rules import is_name
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, Conflict, DomainError, FieldError, Invalid, NotFound

CHALLENGE_LIFE = timedelta(minutes=10)
NAME_LENGTH_MAX = 100
ANSWER_LENGTH_MAX = 16 * 1024


class PasskeyRefused(DomainError):
    """The answer of a passkey does not hold; which part of it is in the log, not in the answer."""

    code = "passkey_refused"
    title = N_("The passkey was refused")
    message = N_("This passkey was not accepted. Try again, or use another way.")


class PasskeyCopied(PasskeyRefused):
    """A passkey counts its uses; a count that does not grow says that there are two of it."""

    code = "passkey_copied"
    message = N_("This passkey was refused: there may be a copy of it. Sign in another way, remove it, add a new one.")


class TooManyPasskeys(Conflict):
    """A person has as many passkeys as one may have."""

    code = "too_many_passkeys"
    message = N_("You have %(maximum)s passkeys already. Remove one first.")


@dataclass(frozen=True, slots=True)
class Site:
    """Where passkeys are used: the name that they are bound to, and the address that the browser must say."""

    name: str
    origin: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a browser sent: the credential as it was read, and the challenge that it says it answers."""

    credential: Any
    challenge: bytes


def read_answer(text: str, *, is_new: bool = False) -> Answer:
    """Read the answer of a passkey, or (`is_new`) a passkey that was made.

    Raises PasskeyRefused.
    """
    from webauthn.helpers import (  # noqa: PLC0415 costs a start time
        parse_authentication_credential_json,
        parse_client_data_json,
        parse_registration_credential_json,
    )
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415 costs a start time

    if len(text) > ANSWER_LENGTH_MAX:
        raise PasskeyRefused
    read = parse_registration_credential_json if is_new else parse_authentication_credential_json
    try:
        credential = read(text)
        challenge = parse_client_data_json(credential.response.client_data_json).challenge
    except (WebAuthnException, ValueError, TypeError, KeyError) as error:
        raise PasskeyRefused from error
    return Answer(credential, challenge)


def keep_challenge(*, session: Session, at: datetime, challenge: bytes, purpose: str, person_id: UUID | None) -> None:
    """Remember for ten minutes what a passkey is asked to sign; what was never answered goes."""
    session.execute(delete(PasskeyChallenge).where(PasskeyChallenge.expires_at < at))
    session.execute(
        insert(PasskeyChallenge).values(
            challenge_hash=sha256(challenge).digest(),
            purpose=purpose,
            person_id=person_id,
            expires_at=at + CHALLENGE_LIFE,
        ),
    )


def take_challenge(*, session: Session, at: datetime, answer: Answer, purpose: str, person_id: UUID | None) -> None:
    """Use a challenge up, whoever is first; commit before the answer is looked at, so that it counts once.

    Raises PasskeyRefused for one that was never given for this, is too old or was answered.
    """
    whose = PasskeyChallenge.person_id.is_(None) if person_id is None else PasskeyChallenge.person_id == person_id
    result: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        delete(PasskeyChallenge).where(
            PasskeyChallenge.challenge_hash == sha256(answer.challenge).digest(),
            PasskeyChallenge.purpose == purpose,
            PasskeyChallenge.expires_at > at,
            whose,
        ),
    )
    if result.rowcount != 1:
        raise PasskeyRefused


def add_passkey(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    passkey_id: UUID,
    person_id: UUID,
    name: str,
    answer: Answer,
    site: Site,
) -> None:
    """Keep a passkey that the person has just made; its challenge was used up before.

    Raises PasskeyRefused, Invalid (name), TooManyPasskeys.
    """
    from webauthn import verify_registration_response  # noqa: PLC0415 costs a start time
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415 costs a start time

    _check_name(name)
    count = session.scalar(select(func.count()).select_from(Passkey).where(Passkey.person_id == person_id)) or 0
    if count >= PASSKEYS_MAX:
        raise TooManyPasskeys(maximum=PASSKEYS_MAX)
    try:
        made = verify_registration_response(
            credential=answer.credential,
            expected_challenge=answer.challenge,
            expected_rp_id=site.name,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError) as error:
        raise PasskeyRefused from error
    known = session.execute(select(Passkey.id).where(Passkey.credential_id == made.credential_id)).first()
    if known is not None:
        raise PasskeyRefused
    session.execute(
        insert(Passkey).values(
            id=passkey_id,
            person_id=person_id,
            credential_id=made.credential_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            name=name,
            is_synced=made.credential_backed_up,
            created_at=at,
        ),
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="passkey.added",
        object_type="passkey",
        object_id=passkey_id,
        difference={"name": (None, name)},
    )
    tell(session=session, actor=actor, at=at, person_id=person_id, kind="passkey_added", params={"passkey": name})


def use_passkey(
    *, session: Session, actor: Actor, at: datetime, answer: Answer, site: Site, person_id: UUID | None = None
) -> UUID:
    """Return whose passkey answered, which must be `person_id`'s if named; its challenge was used up before.

    Raises PasskeyRefused; PasskeyCopied when its count did not grow, and then the mark and its event are to be
    committed: a passkey of which there are two opens nothing any more.
    """
    from webauthn import verify_authentication_response  # noqa: PLC0415 costs a start time
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415 costs a start time

    found = session.execute(
        select(Passkey.id, Passkey.person_id, Passkey.public_key, Passkey.sign_count, Passkey.copied_at)
        .join(Person, Person.id == Passkey.person_id)
        .where(Passkey.credential_id == answer.credential.raw_id, Person.disabled_at.is_(None))
        .with_for_update(of=Passkey),
    ).first()
    handle = answer.credential.response.user_handle
    if (
        found is None
        or found.person_id != (person_id or found.person_id)
        or (handle is not None and handle != found.person_id.bytes)
    ):
        raise PasskeyRefused
    try:
        shown = verify_authentication_response(
            credential=answer.credential,
            expected_challenge=answer.challenge,
            expected_rp_id=site.name,
            expected_origin=site.origin,
            credential_public_key=found.public_key,
            # The library would refuse a count that did not grow without a word; it is looked at below.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError) as error:
        raise PasskeyRefused from error
    counts = shown.new_sign_count > 0 or found.sign_count > 0
    if found.copied_at is not None or (counts and shown.new_sign_count <= found.sign_count):
        _mark_copied(session, actor, at, found.id, (found.sign_count, shown.new_sign_count))
        raise PasskeyCopied
    values = {"sign_count": shown.new_sign_count, "used_at": at, "is_synced": shown.credential_backed_up}
    session.execute(update(Passkey).where(Passkey.id == found.id).values(**values))
    whose: UUID = found.person_id
    return whose


def _mark_copied(session: Session, actor: Actor, at: datetime, passkey_id: UUID, counts: tuple[int, int]) -> None:
    session.execute(
        update(Passkey).where(Passkey.id == passkey_id).values(copied_at=func.coalesce(Passkey.copied_at, at))
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="passkey.copied",
        object_type="passkey",
        object_id=passkey_id,
        difference={"sign_count": counts},
    )


def rename_passkey(
    *, session: Session, actor: Actor, at: datetime, person_id: UUID, passkey_id: UUID, name: str
) -> None:
    """Give a passkey another name.

    Raises Invalid (name), NotFound.
    """
    _check_name(name)
    mine = (Passkey.id == passkey_id, Passkey.person_id == person_id)
    before = session.scalar(select(Passkey.name).where(*mine).with_for_update())
    if before is None:
        raise NotFound
    session.execute(update(Passkey).where(*mine).values(name=name))
    record(
        session=session,
        actor=actor,
        at=at,
        action="passkey.renamed",
        object_type="passkey",
        object_id=passkey_id,
        difference={"name": (before, name)},
    )


def remove_passkey(*, session: Session, actor: Actor, at: datetime, person_id: UUID, passkey_id: UUID) -> None:
    """Let a passkey open nothing any more.

    Raises NotFound.
    """
    name = session.scalar(
        delete(Passkey).where(Passkey.id == passkey_id, Passkey.person_id == person_id).returning(Passkey.name),
    )
    if name is None:
        raise NotFound
    drop_codes_of_nothing(session=session, person_id=person_id)
    record(session=session, actor=actor, at=at, action="passkey.removed", object_type="passkey", object_id=passkey_id)
    tell(session=session, actor=actor, at=at, person_id=person_id, kind="passkey_removed", params={"passkey": name})


def credential_ids(*, session: Session, person_id: UUID) -> list[bytes]:
    """Return what browsers know a person's passkeys by, at most 20."""
    return list(
        session.scalars(select(Passkey.credential_id).where(Passkey.person_id == person_id).limit(PASSKEYS_MAX))
    )


def _check_name(name: str) -> None:
    if not is_name(name, NAME_LENGTH_MAX):
        raise Invalid(errors=(FieldError("name", "length", N_("A name has 1 to 100 characters.")),))
