"""Acts on recovery codes, on a transaction bound to the platform."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.identity.codes import recovery_hash
from webapp.identity.factors import factors_of, has_second_factor
from webapp.identity.models import RecoveryCode
from webapp.identity.notices import tell
from webapp.kernel.actor import Actor


def replace_codes(*, session: Session, actor: Actor, at: datetime, person_id: UUID, codes: Sequence[str]) -> None:
    """Keep the hashes of new codes; every code before them opens nothing any more, and of that the person is told."""
    is_anew = _drop_codes(session, person_id)
    rows = [{"person_id": person_id, "code_hash": recovery_hash(person_id, code), "created_at": at} for code in codes]
    session.execute(insert(RecoveryCode), rows)
    record(session=session, actor=actor, at=at, action="recovery_codes.made", object_type="person", object_id=person_id)
    if is_anew:
        tell(session=session, actor=actor, at=at, person_id=person_id, kind="recovery_codes_made", params={})


def use_recovery_code(*, session: Session, actor: Actor, at: datetime, person_id: UUID, code: str) -> bool:
    """Use a code up, whoever is first, and tell whether it was one."""
    result: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        update(RecoveryCode)
        .where(
            RecoveryCode.person_id == person_id,
            RecoveryCode.code_hash == recovery_hash(person_id, code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=at),
    )
    if result.rowcount != 1:
        return False
    record(session=session, actor=actor, at=at, action="recovery_code.used", object_type="person", object_id=person_id)
    told = {"left": factors_of(session=session, person_id=person_id).recovery_codes_left}
    tell(session=session, actor=actor, at=at, person_id=person_id, kind="recovery_code_used", params=told)
    return True


def known_codes(*, session: Session, person_id: UUID, codes: Sequence[str]) -> list[str]:
    """Return those of the codes that are this person's and unused, as they were given."""
    hashes = {recovery_hash(person_id, code): code for code in codes}
    query = select(RecoveryCode.code_hash).where(
        RecoveryCode.person_id == person_id, RecoveryCode.used_at.is_(None), RecoveryCode.code_hash.in_(list(hashes))
    )
    found = set(session.scalars(query))
    return [code for one, code in hashes.items() if one in found]


def drop_codes_of_nothing(*, session: Session, person_id: UUID) -> None:
    """Forget the recovery codes of a person whose last second factor went: they stand in for nothing."""
    if not has_second_factor(session=session, person_id=person_id):
        _drop_codes(session, person_id)


def _drop_codes(session: Session, person_id: UUID) -> bool:
    """Forget every code of a person and tell whether there were any."""
    query = delete(RecoveryCode).where(RecoveryCode.person_id == person_id)
    result: CursorResult[Any] = session.execute(query)  # type: ignore[assignment]
    return result.rowcount > 0
