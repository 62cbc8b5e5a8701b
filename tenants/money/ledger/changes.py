"""Changes: one act over many entries, in one transaction, and its undoing. The earlier versions are the journal."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tenants.money.accounts import queries as account_queries
from tenants.money.ledger import queries
from tenants.money.ledger.bulk import BulkChange, Plan, planned
from tenants.money.ledger.closing import lock_entries
from tenants.money.ledger.content import draft_from
from tenants.money.ledger.models import EntryVersion
from tenants.money.ledger.queries import EntryView
from tenants.money.ledger.register import MATCHING_MAX
from tenants.money.ledger.rewriting import put_back, rewrite
from tenants.money.ledger.rules import tag_errors
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound

_ONE_UNDOING = text("SELECT pg_advisory_xact_lock(hashtext(:change), hashtext(current_schema()))")


class TooManyEntries(Conflict):
    """One act changes so many entries at most."""

    code = "too_many_entries"
    message = N_("At most %(maximum)s entries can be changed at once. Narrow the search first.")


class ChangedSince(Conflict):
    """An entry of the act was changed, closed or deleted after it."""

    code = "changed_since"
    message = N_("This cannot be undone any more: something was changed in %(count)s of the entries since.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an act did: entries changed, and entries left as they are by reason (closed, split, currency, same)."""

    changed: int
    left: Mapping[str, int] = field(default_factory=dict)


def change_entries(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    change_id: UUID,
    ids: Collection[int],
    change: BulkChange,
) -> Outcome:
    """Apply one change to entries, all or none of those that can take it; the rest is counted by reason.

    Closed entries are left; category and account are left where there is more than one to set (a split) or where
    the currency differs. Raises TooManyEntries, Invalid, PeriodClosed, AccountClosed, OverdraftExceeded.
    """
    ids = set(ids)
    if len(ids) > MATCHING_MAX:
        raise TooManyEntries(maximum=MATCHING_MAX)
    if errors := [*tag_errors("add_tags", change.add_tags), *tag_errors("remove_tags", change.remove_tags)]:
        raise Invalid(errors=tuple(errors))
    entries = _lock(session, ids)
    accounts = account_queries.accounts_by_id(session=session, ids=_account_ids(entries, change))
    for name in ("category_id", "account_id"):
        if getattr(change, name) is not None and getattr(change, name) not in accounts:
            raise Invalid(errors=(FieldError(name, "unknown", N_("There is no such account.")),))
    plans, left = [], Counter[str]()
    for entry in entries:
        found = planned(entry, change, accounts)
        if isinstance(found, str):
            left[found] += 1
        else:
            plans.append(found)
    rewrite(session, actor, at, change_id, plans)
    if plans:
        record(
            session=session,
            actor=actor,
            at=at,
            action="entries.deleted" if change.delete else "entries.changed",
            object_type="change",
            object_id=change_id,
            difference={
                "entries": (None, sorted(plan.before.id for plan in plans)[:1000]),
                "count": (None, len(plans)),
                **{k: (None, v) for k, v in change.said().items()},
            },
        )
    return Outcome(len(plans), dict(left))


def undo_change(*, session: Session, actor: Actor, at: datetime, change_id: UUID, undo_id: UUID) -> int:
    """Put every entry of an act back as it was before and return how many; the undoing is a change of its own.

    Raises NotFound, ChangedSince (nothing is put back), PeriodClosed, AccountClosed, OverdraftExceeded.
    """
    # What was deleted has no row to be locked by; the versions of the act have.
    session.execute(_ONE_UNDOING, {"change": str(change_id)})
    rows = session.execute(
        select(EntryVersion.entry_id, EntryVersion.version, EntryVersion.content, EntryVersion.deleted)
        .where(EntryVersion.change_id == change_id)
        .order_by(EntryVersion.entry_id)
        .limit(MATCHING_MAX + 1),
    ).all()
    if not rows:
        raise NotFound
    present = {entry.id: entry for entry in _lock(session, [row.entry_id for row in rows])}
    plans, restored, newer = [], [], 0
    for row in rows:
        now = present.get(row.entry_id)
        draft = draft_from(row.content)
        if row.deleted:
            restored.append((row.entry_id, row.version + 1, row.content, draft))
            newer += now is not None or _last_version(session, row.entry_id) != row.version
        elif now is None or now.version != row.version + 1 or now.closed_at is not None:
            newer += 1
        else:
            plans.append(Plan(now, draft, frozenset(row.content.get("cleared", []))))
    if newer:
        raise ChangedSince(count=newer)
    rewrite(session, actor, at, undo_id, plans)
    put_back(session, at, restored)
    record(
        session=session,
        actor=actor,
        at=at,
        action="change.undone",
        object_type="change",
        object_id=change_id,
        difference={"count": (None, len(rows)), "undone_by": (None, str(undo_id))},
    )
    return len(rows)


def _lock(session: Session, ids: Collection[int]) -> list[EntryView]:
    """Lock entries in the order of their ids, so that two acts never wait for each other in a ring."""
    lock_entries(session=session, ids=sorted(ids))
    return queries.entries_by_id(session=session, ids=sorted(ids))


def _account_ids(entries: Sequence[EntryView], change: BulkChange) -> set[int]:
    asked = {one for one in (change.category_id, change.account_id) if one is not None}
    return asked | {posting.account_id for entry in entries for posting in entry.postings}


def _last_version(session: Session, entry_id: int) -> int | None:
    query = select(EntryVersion.version).where(EntryVersion.entry_id == entry_id)
    return session.scalar(query.order_by(EntryVersion.version.desc()).limit(1))
