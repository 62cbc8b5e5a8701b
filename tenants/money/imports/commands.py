"""Acts of people on an import: map, publish, undo, cancel, retry. The long work is done by jobs."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from tenants.money.imports.models import Import, ImportRow, ImportText
from tenants.money.imports.readers.mapping import Mapping
from tenants.money.imports.refusals import NotNow, Undecided
from tenants.money.imports.rules import (
    CANCELLABLE,
    MAPPABLE,
    WORKING,
    State,
)
from tenants.money.ledger.booking import limits_at_the_end
from tenants.money.ledger.refusals import book_rules
from webapp.audit.commands import record
from webapp.jobs import commands as job_commands
from webapp.kernel.actor import Actor
from webapp.kernel.db import bound_tenant, on_platform
from webapp.kernel.errors import NotFound

QUEUE: Literal["imports"] = "imports"


def start(session: Session, actor: Actor, at: datetime, job_id: UUID, kind: str, import_id: int) -> None:
    """Let a job go on with an import; the caller records the act."""
    job_commands.enqueue(
        session=session, actor=actor, at=at, job_id=job_id, kind=kind, arguments={"import_id": import_id}, queue=QUEUE
    )


_LONG = text("SET LOCAL statement_timeout = '15min'")
_FRESH_PLANS = text("SET LOCAL plan_cache_mode = force_custom_plan")


def prepare_long_work(session: Session, *, fresh_plans: bool = False) -> None:
    """Let one transaction of a job take long; with `fresh_plans` plan its statements for the tables as they are now.

    Not for statements that fire checks of foreign keys: each check of each row would be planned anew.
    """
    session.execute(_LONG)
    if fresh_plans:
        session.execute(_FRESH_PLANS)


@contextmanager
def judged_at_the_end(session: Session) -> Iterator[None]:
    """Book in several statements what is one act: limits of accounts hold at its end, not between its statements.

    Raises what the books refuse.
    """
    with book_rules(), limits_at_the_end(session):
        yield


def lock(session: Session, import_id: int) -> Import:
    """Lock an import's row and return it. Raises NotFound."""
    found = session.execute(select(Import).where(Import.id == import_id).with_for_update()).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def locked_in(session: Session, import_id: int, states: Collection[State]) -> Import:
    """Lock an import that is in one of these states and return it. Raises NotFound, NotNow."""
    found = lock(session, import_id)
    if found.state not in states:
        raise NotNow(state=found.state)
    return found


def set_state(session: Session, import_id: int, at: datetime, state: State, **values: Any) -> None:
    """Move an import to a state."""
    session.execute(update(Import).where(Import.id == import_id).values(state=state.value, changed_at=at, **values))


def drop_rows(session: Session, import_id: int) -> None:
    """Forget the rows of an import that is not in the books, with what they said."""
    for table in (ImportRow, ImportText):
        session.execute(delete(table).where(table.import_id == import_id))


def choose_mapping(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    new_id: Callable[[], UUID],
    import_id: int,
    mapping: Mapping | None,
    encoding: str | None = None,
) -> None:
    """Read the file (again) as a person says: by a mapping, which the check remembers, or in another encoding only.

    Raises NotFound, NotNow.
    """
    found = locked_in(session, import_id, MAPPABLE)
    written = None if mapping is None else mapping.to_dict() | {"doubts": []}
    before, job_id = found.mapping, new_id()
    chosen = mapping.encoding if mapping is not None else encoding
    set_state(
        session,
        import_id,
        at,
        State.RECEIVED,
        job_id=job_id,
        mapping=written,
        error_code=None,
        error_params={},
        mapping_by="person",
        encoding=chosen,
    )
    start(session, actor, at, job_id, "imports.check", import_id)
    record(
        session=session,
        actor=actor,
        at=at,
        action="import.mapped",
        object_type="import",
        object_id=import_id,
        difference={"mapping": (before, written), "encoding": (found.encoding, chosen)},
    )


def request_publication(
    *, session: Session, actor: Actor, at: datetime, new_id: Callable[[], UUID], import_id: int
) -> None:
    """Start booking the new rows. Raises NotFound, NotNow, Undecided."""
    found = locked_in(session, import_id, {State.REVIEW})
    if found.rows_doubtful:
        raise Undecided(count=found.rows_doubtful)
    job_id = new_id()
    set_state(session, import_id, at, State.PUBLISHING, job_id=job_id, error_code=None, error_params={})
    start(session, actor, at, job_id, "imports.publish", import_id)


def request_reversal(
    *, session: Session, actor: Actor, at: datetime, new_id: Callable[[], UUID], import_id: int
) -> None:
    """Start taking a published import back out of the books. Raises NotFound, NotNow."""
    locked_in(session, import_id, {State.PUBLISHED})
    job_id = new_id()
    set_state(session, import_id, at, State.REVERSING, job_id=job_id, error_code=None, error_params={})
    start(session, actor, at, job_id, "imports.reverse", import_id)


def cancel(*, session: Session, actor: Actor, at: datetime, import_id: int) -> None:
    """Give an import up before it is in the books; a job that runs stops at its next beat.

    Raises NotFound, NotNow.
    """
    state, job_id = _state_of(session, import_id)
    if state == State.PUBLISHING:
        # The publishing job holds the row until it is through: ask it to stop; it may be quicker.
        _stop_job(session, at, job_id)
    elif state not in CANCELLABLE:
        raise NotNow(state=state)
    else:
        locked_in(session, import_id, CANCELLABLE)
        if state in WORKING:
            _stop_job(session, at, job_id)
        drop_rows(session, import_id)
        set_state(session, import_id, at, State.CANCELLED)
    record(
        session=session,
        actor=actor,
        at=at,
        action="import.cancelled",
        object_type="import",
        object_id=import_id,
        difference={"state": (state, State.CANCELLED.value)},
    )


def _state_of(session: Session, import_id: int) -> tuple[str, UUID | None]:
    row = session.execute(select(Import.state, Import.job_id).where(Import.id == import_id)).first()
    if row is None:
        raise NotFound
    return row[0], row[1]


def _stop_job(session: Session, at: datetime, job_id: UUID | None) -> None:
    tenant = bound_tenant(session)
    if job_id is not None:
        with on_platform(session):
            try:
                job_commands.cancel(session=session, job_id=job_id, tenant_id=tenant.id, at=at)
            except (job_commands.JobOver, NotFound):
                return


def retry(*, session: Session, actor: Actor, at: datetime, import_id: int) -> None:
    """Give the job of an import that was given up three more attempts. Raises NotFound, NotNow."""
    state, job_id = _state_of(session, import_id)
    if state not in WORKING or job_id is None:
        raise NotNow(state=state)
    tenant = bound_tenant(session)
    with on_platform(session):
        job_commands.retry(session=session, job_id=job_id, tenant_id=tenant.id, at=at)
    record(session=session, actor=actor, at=at, action="import.retried", object_type="import", object_id=import_id)
