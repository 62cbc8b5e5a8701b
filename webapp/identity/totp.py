"""Acts on the app that makes codes, on a transaction bound to the platform."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.identity.codes import matching_step
from webapp.identity.models import Totp
from webapp.identity.notices import tell
from webapp.identity.recovery import drop_codes_of_nothing
from webapp.kernel.actor import Actor
from webapp.kernel.crypto import KeyRing, of_person
from webapp.kernel.errors import N_, FieldError, Invalid, NotFound

COLUMN = "totp.secret_sealed"


def add_app(
    *, session: Session, actor: Actor, at: datetime, keys: KeyRing, person_id: UUID, secret: str, code: str
) -> None:
    """Let an app make codes from now on, once it has made the right one; an app before it makes none any more.

    Raises Invalid (code).
    """
    step = matching_step(secret, code, at=at)
    if step is None:
        text = N_("This is not the code that the app shows now. Check that its clock is right, then type the newest.")
        raise Invalid(errors=(FieldError("code", "code", text),))
    sealed = keys.seal(secret.encode(), context=of_person(COLUMN, person_id))
    values = {"secret_sealed": sealed, "last_step": step, "created_at": at}
    query = upsert(Totp).values(person_id=person_id, **values)
    session.execute(query.on_conflict_do_update(index_elements=["person_id"], set_=values))
    record(session=session, actor=actor, at=at, action="app.added", object_type="person", object_id=person_id)
    tell(session=session, actor=actor, at=at, person_id=person_id, kind="app_added", params={})


def use_code(*, session: Session, at: datetime, keys: KeyRing, person_id: UUID, code: str) -> bool:
    """Use a code of the person's app up and tell whether it was right.

    A code counts once: the row remembers the newest 30 seconds that were used, also for two requests at a time.
    """
    sealed = session.scalar(select(Totp.secret_sealed).where(Totp.person_id == person_id))
    if sealed is None:
        return False
    secret = keys.open(sealed, context=of_person(COLUMN, person_id)).decode()
    step = matching_step(secret, code, at=at)
    if step is None:
        return False
    query = update(Totp).where(Totp.person_id == person_id, Totp.last_step < step).values(last_step=step)
    result: CursorResult[Any] = session.execute(query)  # type: ignore[assignment]
    return result.rowcount == 1


def remove_app(*, session: Session, actor: Actor, at: datetime, person_id: UUID) -> None:
    """Let the app's codes open nothing any more.

    Raises NotFound.
    """
    result: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        delete(Totp).where(Totp.person_id == person_id),
    )
    if result.rowcount == 0:
        raise NotFound
    drop_codes_of_nothing(session=session, person_id=person_id)
    record(session=session, actor=actor, at=at, action="app.removed", object_type="person", object_id=person_id)
    tell(session=session, actor=actor, at=at, person_id=person_id, kind="app_removed", params={})
