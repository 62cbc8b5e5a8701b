"""Changes: one act over many entries, in one transaction, and its undoing. The earlier versions are the journal."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.queries import AccountView
from tenants.money.ledger import news, queries
from tenants.money.ledger.commands import (
    account_errors,
    changed,
    content_of,
    draft_of,
    insert_postings,
    judged_by_the_end,
    kept_content,
)
from tenants.money.ledger.models import Entry, EntryVersion, Posting
from tenants.money.ledger.queries import EntryView
from tenants.money.ledger.refusals import book_rules
from tenants.money.ledger.register import MATCHING_MAX, any_of
from tenants.money.ledger.rows import entry_row
from tenants.money.ledger.rules import EntryDraft, PostingDraft, draft_errors, still_cleared, tag_errors
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound


class TooManyEntries(Conflict):
    """One act changes so many entries at most."""

    code = "too_many_entries"
    message = N_("At most %(maximum)s entries can be changed at once. Narrow the search first.")


class ChangedSince(Conflict):
    """An entry of the act was changed, closed or deleted after it."""

    code = "changed_since"
    message = N_("This cannot be undone any more: something was changed in %(count)s of the entries since.")


@dataclass(frozen=True, slots=True)
class BulkChange:
    """What to set in every entry of an act; None leaves a thing as it is."""

    category_id: int | None = None
    account_id: int | None = None
    counterparty: str | None = None
    day: date | None = None
    note: str | None = None
    cleared: bool | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    delete: bool = False

    def said(self) -> dict[str, Any]:
        """Return what is set, as JSON."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in values.items()
            if value not in {None, False, ()} or (name == "cleared" and value is False)
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an act did: entries changed, and entries left as they are by reason (closed, split, currency, same)."""

    changed: int
    left: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Plan:
    before: EntryView
    draft: EntryDraft | None
    """None deletes the entry."""
    cleared: frozenset[int] = frozenset()


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
        planned = _planned(entry, change, accounts)
        if isinstance(planned, str):
            left[planned] += 1
        else:
            plans.append(planned)
    _apply(session, actor, at, change_id, plans)
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
            plans.append(_Plan(now, draft, frozenset(row.content.get("cleared", []))))
    if newer:
        raise ChangedSince(count=newer)
    _apply(session, actor, at, undo_id, plans)
    _put_back(session, at, restored)
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


def draft_from(content: Mapping[str, Any]) -> EntryDraft:
    """Return the draft that a kept version describes."""
    return EntryDraft(
        day=date.fromisoformat(content["day"]),
        description=content["description"],
        counterparty=content["counterparty"],
        note=content["note"],
        rate=content["rate"],
        tags=tuple(content.get("tags", ())),
        postings=tuple(
            PostingDraft(p["account_id"], p["amount"], p["currency"], p["memo"]) for p in content["postings"]
        ),
    )


def _planned(entry: EntryView, change: BulkChange, accounts: Mapping[int, AccountView]) -> _Plan | str:
    """Return what happens to one entry, or the reason why it is left."""
    if entry.closed_at is not None:
        return "closed"
    if change.delete:
        return _Plan(entry, None)
    row = entry_row(entry, accounts)
    postings = list(draft_of(entry).postings)
    for account_id, position in (
        (change.category_id, row.other.position if row.other else None),
        (change.account_id, row.own.position if row.shape != "split" else None),
    ):
        if account_id is None:
            continue
        if position is None:
            return "split"
        if accounts[account_id].currency != postings[position - 1].currency:
            return "currency"
        postings[position - 1] = replace(postings[position - 1], account_id=account_id)
    draft = replace(
        draft_of(entry),
        postings=tuple(postings),
        tags=tuple(sorted({*entry.tags, *change.add_tags} - {*change.remove_tags})),
        **{name: value for name in ("counterparty", "day", "note") if (value := getattr(change, name)) is not None},
    )
    marked = frozenset(p.position for p in entry.postings if p.cleared)
    cleared = frozenset(still_cleared(entry.postings, draft.postings))
    if change.cleared is not None:
        cleared = cleared | {row.own.position} if change.cleared else frozenset()
    if draft == draft_of(entry) and cleared == marked:
        return "same"
    return _Plan(entry, draft, cleared)


def _lock(session: Session, ids: Collection[int]) -> list[EntryView]:
    """Lock entries in the order of their ids, so that two acts never wait for each other in a ring."""
    session.execute(select(Entry.id).where(Entry.id == any_of(sorted(ids))).order_by(Entry.id).with_for_update())
    return queries.entries_by_id(session=session, ids=sorted(ids))


def _account_ids(entries: Sequence[EntryView], change: BulkChange) -> set[int]:
    asked = {one for one in (change.category_id, change.account_id) if one is not None}
    return asked | {posting.account_id for entry in entries for posting in entry.postings}


def _last_version(session: Session, entry_id: int) -> int | None:
    query = select(EntryVersion.version).where(EntryVersion.entry_id == entry_id)
    return session.scalar(query.order_by(EntryVersion.version.desc()).limit(1))


_KEEP = text("""
    INSERT INTO entry_version (entry_id, version, content, change_id, replaced_at, replaced_by, deleted)
    SELECT entry_id, version, CAST(content AS jsonb), :change_id, :at, :by, deleted
    FROM unnest(CAST(:ids AS bigint[]), CAST(:versions AS integer[]), CAST(:contents AS text[]),
        CAST(:deleted AS boolean[])) AS d (entry_id, version, content, deleted)
""")
_UPDATE = text("""
    UPDATE entry SET day = d.day, description = d.description, counterparty = d.counterparty, note = d.note,
        rate = d.rate, tags = string_to_array(d.tags, ','), version = version + 1, changed_at = :at
    FROM unnest(CAST(:ids AS bigint[]), CAST(:days AS date[]), CAST(:descriptions AS text[]),
        CAST(:counterparties AS text[]), CAST(:notes AS text[]), CAST(:rates AS text[]), CAST(:tags AS text[]))
        AS d (id, day, description, counterparty, note, rate, tags)
    WHERE entry.id = d.id
""")
_MARK = text("""
    UPDATE posting SET cleared = (posting.position = any (CAST(string_to_array(d.positions, ',') AS smallint[])))
    FROM unnest(CAST(:ids AS bigint[]), CAST(:positions AS text[])) AS d (id, positions)
    WHERE posting.entry_id = d.id
        AND cleared <> (posting.position = any (CAST(string_to_array(d.positions, ',') AS smallint[])))
""")
_RESTORE = text("""
    INSERT INTO entry (id, version, created_at, created_by, import_id, changed_at, day, description, counterparty, note,
        rate, tags)
    SELECT id, version, CAST(created_at AS timestamptz), CAST(created_by AS uuid), import_id, :at, day, description,
        counterparty, note, rate, string_to_array(tags, ',')
    FROM unnest(CAST(:ids AS bigint[]), CAST(:versions AS integer[]), CAST(:made AS text[]), CAST(:makers AS text[]),
        CAST(:imports AS bigint[]), CAST(:days AS date[]), CAST(:descriptions AS text[]),
        CAST(:counterparties AS text[]), CAST(:notes AS text[]), CAST(:rates AS text[]), CAST(:tags AS text[]))
        AS d (id, version, created_at, created_by, import_id, day, description, counterparty, note, rate, tags)
""")


def _apply(session: Session, actor: Actor, at: datetime, change_id: UUID, plans: Sequence[_Plan]) -> None:
    """Keep what the entries say and change them, each step one statement for all."""
    if not plans:
        return
    kept = [plan for plan in plans if plan.draft is not None]
    drafts = [plan.draft for plan in kept if plan.draft is not None]
    errors = [error for draft in drafts for error in draft_errors(draft)]
    if errors := errors or account_errors(session, drafts, prefix=False):
        raise Invalid(errors=tuple(errors[:100]))
    gone = [plan.before.id for plan in plans if plan.draft is None]
    moved = [plan for plan in kept if plan.draft is not None and _moves(plan.before, plan.draft)]
    touched = {line.account_id for plan in plans for line in plan.before.postings}
    touched |= {line.account_id for draft in drafts for line in draft.postings}
    with book_rules(), judged_by_the_end(session, touched):
        session.execute(
            _KEEP,
            {
                "at": at,
                "by": actor.person_id,
                "change_id": change_id,
                "ids": [plan.before.id for plan in plans],
                "versions": [plan.before.version for plan in plans],
                "contents": [json.dumps(kept_content(plan.before)) for plan in plans],
                "deleted": [plan.draft is None for plan in plans],
            },
        )
        replaced = [plan.before.id for plan in moved] + gone
        if replaced:
            session.execute(delete(Posting).where(Posting.entry_id == any_of(replaced)))
        if gone:
            session.execute(delete(Entry).where(Entry.id == any_of(gone)))
        if kept:
            session.execute(_UPDATE, {"at": at, "ids": [plan.before.id for plan in kept], **_columns(drafts)})
        if moved:
            insert_postings(
                session,
                [(plan.before.id, plan.draft.day, plan.draft.postings) for plan in moved if plan.draft is not None],
            )
        if kept:
            session.execute(
                _MARK,
                {
                    "ids": [plan.before.id for plan in kept],
                    "positions": [",".join(map(str, sorted(plan.cleared))) for plan in kept],
                },
            )
    news.tell(session, [changed(plan.before, plan.draft) for plan in plans])


def _moves(before: EntryView, draft: EntryDraft) -> bool:
    return draft.day != before.day or content_of(draft)["postings"] != content_of(draft_of(before))["postings"]


def _columns(drafts: Sequence[EntryDraft]) -> dict[str, list[Any]]:
    return {
        "days": [draft.day for draft in drafts],
        "descriptions": [draft.description for draft in drafts],
        "counterparties": [draft.counterparty for draft in drafts],
        "notes": [draft.note for draft in drafts],
        "rates": [draft.rate for draft in drafts],
        # No tag holds a comma.
        "tags": [",".join(draft.tags) or None for draft in drafts],
    }


def _put_back(session: Session, at: datetime, gone: Sequence[tuple[int, int, dict[str, Any], EntryDraft]]) -> None:
    """Store deleted entries again under their ids."""
    if not gone:
        return
    with book_rules():
        session.execute(
            _RESTORE,
            {
                "at": at,
                "ids": [key for key, _, _, _ in gone],
                "versions": [version for _, version, _, _ in gone],
                "made": [content["created_at"] for _, _, content, _ in gone],
                "makers": [content["created_by"] for _, _, content, _ in gone],
                "imports": [content.get("import_id") for _, _, content, _ in gone],
                **_columns([draft for _, _, _, draft in gone]),
            },
        )
        insert_postings(
            session,
            [(key, draft.day, draft.postings) for key, _, _, draft in gone],
            cleared={(key, position) for key, _, content, _ in gone for position in content.get("cleared", [])},
        )
    news.tell(
        session,
        [
            news.Changed(key, version - 1, content.get("import_id") is not None, None, draft)
            for key, version, content, draft in gone
        ],
    )
