"""Rotate data keys in steps that can be repeated: each does what is left to do, and nothing twice."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, func, insert, select, tuple_, update
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.jobs.commands import enqueue
from webapp.kernel.actor import Actor
from webapp.kernel.crypto import REFRESH_SECONDS, OpenKeys, ring_of
from webapp.kernel.data_keys import FIRST, PURPOSES, Wrapped
from webapp.kernel.errors import N_, Conflict
from webapp.kernel.sealed import SealedColumn
from webapp.keys import queries
from webapp.keys.models import DataKey
from webapp.keys.queries import BATCH_MAX

RowKey = tuple[Any, ...]
"""A row's primary key."""
ROTATE = "keys.rotate"
RESEAL = "keys.reseal"
RESEAL_AFTER = timedelta(seconds=REFRESH_SECONDS + 5)
"""By then every process seals with the new keys, so that nothing is sealed with an old one behind the job's back."""
RETIRE_AFTER = timedelta(hours=1)
"""A transaction that sealed with an old key may still be open for so long."""


class StillInUse(Conflict):
    """An old key cannot be retired while something is sealed with it, or may be."""

    code = "key_in_use"


def ask_to_rotate(
    *, session: Session, actor: Actor, at: datetime, job_id: UUID, rotation: UUID, master_id: str, data: bool
) -> UUID:
    """Queue a rotation: all data keys wrapped by this master key, and with `data` new data keys everywhere."""
    record(
        session=session,
        actor=actor,
        at=at,
        action="keys.rotated",
        object_type="rotation",
        object_id=rotation,
        difference={"master": (None, master_id), "data": (None, data)},
    )
    arguments = {"rotation": str(rotation), "master": master_id, "data": data}
    return enqueue(session=session, actor=actor, at=at, job_id=job_id, kind=ROTATE, arguments=arguments)


def rewrap_some(*, session: Session, master_id: str, limit: int = BATCH_MAX) -> int:
    """Wrap some data keys by the current master key, if that is `master_id`, and return how many there were.

    Raises StillInUse when this process does not have that master key as its current one.
    """
    ring = ring_of(session)
    current = ring.masters.read_again().current
    if current != master_id:
        raise StillInUse(
            N_("This process knows %(known)s as its current master key, not %(asked)s: restart it with the new keys."),
            known=current,
            asked=master_id,
        )
    rows = session.execute(
        select(DataKey.id, DataKey.tenant_id, DataKey.purpose, DataKey.master_id, DataKey.wrapped)
        .where(DataKey.master_id != master_id, DataKey.retired_at.is_(None))
        .order_by(DataKey.id)
        .limit(limit)
        .with_for_update()
    ).all()
    for row in rows:
        anew = ring.rewrapped(Wrapped(row[0], row[1], row[2], row[3], bytes(row[4])))
        session.execute(
            update(DataKey).where(DataKey.id == row[0]).values(master_id=anew.master_id, wrapped=anew.wrapped)
        )
    return len(rows)


def make_some(*, session: Session, at: datetime, rotation: UUID, limit: int = BATCH_MAX) -> int:
    """Make the new keys of a rotation for some scopes that have none of it yet, and return for how many."""
    found = queries.without_rotation(session=session, rotation=rotation, limit=limit)
    for tenant_id in found:
        for purpose in PURPOSES:
            made = ring_of(session).wrapped_key(tenant_id, purpose)
            session.execute(
                insert(DataKey).values(
                    tenant_id=tenant_id,
                    purpose=purpose,
                    rotation=rotation,
                    master_id=made.master_id,
                    wrapped=made.wrapped,
                    made_at=at,
                )
            )
    return len(found)


def make_for(*, session: Session, tenant_id: UUID, at: datetime) -> OpenKeys:
    """Make the first data keys of a workspace in the transaction that makes it, as the owner; return them open."""
    ring, made = ring_of(session), OpenKeys()
    for purpose in PURPOSES:
        one = ring.wrapped_key(tenant_id, purpose)
        values = {"tenant_id": tenant_id, "purpose": purpose, "rotation": FIRST, "made_at": at}
        values |= {"master_id": one.master_id, "wrapped": one.wrapped}
        number = session.execute(insert(DataKey).values(values).returning(DataKey.id)).scalar_one()
        made.keep(number, purpose, ring.unwrap(one))
    return made


def reseal_some(
    *,
    session: Session,
    column: SealedColumn,
    tenant_id: UUID | None,
    old: Collection[int],
    after: RowKey | None = None,
    limit: int = BATCH_MAX,
) -> list[RowKey]:
    """Seal some values of a column anew that an old key sealed, with their marks; return the keys of their rows.

    Who goes on `after` the last of them reads the table once, not once for each call.
    """
    ring, table = ring_of(session), column.table
    some = _sealed_by(column, old).limit(min(limit, column.at_once)).with_for_update()
    if after is not None:
        some = some.where(tuple_(*table.primary_key) > after)
    rows = session.execute(some).mappings().all()
    for row in rows:
        context = column.context_of(row, tenant_id)
        plain = ring.open(bytes(row[column.name]), context=context)
        values: dict[str, Any] = {column.name: ring.seal(plain, context=context)}
        if column.blind:
            values[column.blind] = ring.blind(
                column.said(plain.decode()), context=column.mark_context_of(row, tenant_id)
            )
        own = [key == row[key.name] for key in table.primary_key]
        session.execute(update(table).where(*own).values(**values))
    return [tuple(row[key.name] for key in table.primary_key) for row in rows]


def left_under(*, session: Session, column: SealedColumn, old: Collection[int]) -> bool:
    """Tell whether anything in a column is still sealed by one of these keys."""
    return session.execute(_sealed_by(column, old).limit(1)).first() is not None


def _sealed_by(column: SealedColumn, old: Collection[int]) -> Select[Any]:
    table = column.table
    # A sealed value begins with its version and the id of its key (kernel.crypto).
    key = func.substring(table.c[column.name], 2, 4)
    query = select(table).where(key.in_(bindparam("old", [one.to_bytes(4) for one in old], expanding=True)))
    return query.order_by(*table.primary_key)


def retire(*, session: Session, actor: Actor, at: datetime, old: Collection[int], is_left: Callable[[], bool]) -> int:
    """Empty old data keys for good, with the marks' keys of their time, and return how many there were.

    Raises StillInUse when something is sealed by them, or they were replaced less than an hour ago.
    """
    scopes = [one for one in queries.scopes(session=session) if set(one.old) & set(old)]
    if any(one.made_at > at - RETIRE_AFTER for one in scopes):
        raise StillInUse(N_("The keys were rotated less than an hour ago: somebody may still write with the old ones."))
    if is_left():
        raise StillInUse(N_("Something is still sealed by an old key: wait for the job, or run: comptoir keys rotate"))
    retired = 0
    for one in scopes:
        newest = select(func.max(DataKey.id)).where(
            DataKey.tenant_id.is_not_distinct_from(one.tenant_id), DataKey.purpose == "blind"
        )
        result = session.execute(
            update(DataKey)
            .where(
                DataKey.tenant_id.is_not_distinct_from(one.tenant_id),
                DataKey.retired_at.is_(None),
                DataKey.id != one.current,
                DataKey.id != newest.scalar_subquery(),
            )
            .values(wrapped=b"", retired_at=at)
            .returning(DataKey.id)
        )
        retired += len(result.all())
    if retired:
        record(
            session=session,
            actor=actor,
            at=at,
            action="keys.retired",
            object_type="rotation",
            object_id=max(old),
            difference={"keys": (None, retired)},
        )
    return retired
