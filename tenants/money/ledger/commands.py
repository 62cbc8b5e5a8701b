"""Acts on the books: post, edit, delete, reverse, close. The database checks every one of them again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from tenants.money.ledger import news, queries
from tenants.money.ledger.booking import account_errors, book, book_one, insert_postings, judged_by_the_end
from tenants.money.ledger.content import changed, columns_of, content_of, draft_of, kept_content
from tenants.money.ledger.models import Entry, EntryVersion, Posting
from tenants.money.ledger.queries import EntryView
from tenants.money.ledger.refusals import EntryClosed, book_rules
from tenants.money.ledger.rules import EntryDraft, draft_errors, reversed_postings, still_cleared
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound, Stale

BATCH_MAX = 1000


class AlreadyReversed(Conflict):
    """An entry is reversed at most once."""

    code = "already_reversed"
    message = N_("The entry was already reversed, by entry %(reversal_id)s.")


def post_entry(*, session: Session, actor: Actor, at: datetime, draft: EntryDraft, entry_id: int | None = None) -> int:
    """Book one entry, under a reserved id if one is given, and return its id.

    Raises Invalid, AccountClosed, PeriodClosed, OverdraftExceeded.
    """
    if errors := list(draft_errors(draft)) or account_errors(session, [draft], prefix=False):
        raise Invalid(errors=tuple(errors))
    entry_id = book_one(session, actor=actor, at=at, draft=draft, entry_id=entry_id)
    record(
        session=session,
        actor=actor,
        at=at,
        action="entry.posted",
        object_type="entry",
        object_id=entry_id,
        difference={name: (None, value) for name, value in content_of(draft).items()},
    )
    return entry_id


def post_entries(*, session: Session, actor: Actor, at: datetime, drafts: Sequence[EntryDraft]) -> list[int]:
    """Book up to 1,000 entries, all or none, and return their ids in the order of the drafts.

    Raises as post_entry; the fields of Invalid begin with the draft's index ("3/postings/0/amount").
    """
    if not 1 <= len(drafts) <= BATCH_MAX:
        raise Invalid(
            errors=(FieldError("entries", "count", N_("Send 1 to %(maximum)s entries."), {"maximum": BATCH_MAX}),)
        )
    ids = book(session=session, actor=actor, at=at, drafts=drafts, prefix=True)
    record(
        session=session,
        actor=actor,
        at=at,
        action="entry.batch_posted",
        object_type="entry",
        object_id=f"{ids[0]}-{ids[-1]}",
        difference={"entries": (None, len(ids))},
    )
    return ids


def edit_entry(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    change_id: UUID,
    entry_id: int,
    version: int | None,
    draft: EntryDraft,
) -> int:
    """Change an open entry in place, keep what it said before, and return its new version.

    `version` is the one that was read, None to change whatever it is now; `change_id` joins the entries of one act.
    Raises NotFound, Stale, EntryClosed, PeriodClosed, Invalid, AccountClosed, OverdraftExceeded.
    """
    before = _lock(session, entry_id, version)
    if errors := list(draft_errors(draft)) or account_errors(session, [draft], prefix=False):
        raise Invalid(errors=tuple(errors))
    old, new = content_of(draft_of(before)), content_of(draft)
    difference = {name: (old[name], new[name]) for name in new if old[name] != new[name]}
    if not difference:
        return before.version
    moved = {p.account_id for p in (*before.postings, *draft.postings)}
    with book_rules(), judged_by_the_end(session, moved):
        _keep_version(session, actor=actor, at=at, change_id=change_id, before=before)
        if "postings" in difference:
            session.execute(delete(Posting).where(Posting.entry_id == entry_id))
        session.execute(
            update(Entry)
            .where(Entry.id == entry_id)
            .values(**columns_of(draft), version=before.version + 1, changed_at=at),
        )
        if "postings" in difference:
            kept = still_cleared(before.postings, draft.postings)
            insert_postings(session, [(entry_id, draft.day, draft.postings)], cleared={(entry_id, n) for n in kept})
    record(
        session=session,
        actor=actor,
        at=at,
        action="entry.edited",
        object_type="entry",
        object_id=entry_id,
        difference=difference,
    )
    news.tell(session, [changed(before, draft)])
    return before.version + 1


def delete_entry(
    *, session: Session, actor: Actor, at: datetime, change_id: UUID, entry_id: int, version: int | None
) -> None:
    """Take an open entry out of the books; its history keeps what it said.

    Raises NotFound, Stale, EntryClosed, PeriodClosed.
    """
    before = _lock(session, entry_id, version)
    with book_rules():
        _keep_version(session, actor=actor, at=at, change_id=change_id, before=before, deleted=True)
        session.execute(delete(Posting).where(Posting.entry_id == entry_id))
        session.execute(delete(Entry).where(Entry.id == entry_id))
    record(
        session=session,
        actor=actor,
        at=at,
        action="entry.deleted",
        object_type="entry",
        object_id=entry_id,
        difference={name: (value, None) for name, value in content_of(draft_of(before)).items()},
    )
    news.tell(session, [changed(before, None)])


def reverse_entry(
    *, session: Session, actor: Actor, at: datetime, entry_id: int, day: date, description: str = ""
) -> int:
    """Undo an entry by a new one on `day`; both are closed afterwards. Return the new entry's id.

    Raises NotFound, AlreadyReversed, Invalid (date, description), PeriodClosed, AccountClosed, OverdraftExceeded.
    """
    found = session.scalar(select(Entry.id).where(Entry.id == entry_id).with_for_update())
    before = queries.entry(session=session, entry_id=entry_id) if found is not None else None
    if before is None:
        raise NotFound
    if (reversal_id := queries.reversal_of(session=session, entry_id=entry_id)) is not None:
        raise AlreadyReversed(reversal_id=reversal_id)
    said = draft_of(before)
    draft = replace(said, day=day, description=description or said.description, note="")
    if errors := draft_errors(draft):
        raise Invalid(errors=errors)
    closed = {"closed_at": at, "closed_by": actor.person_id}
    with book_rules():
        new_id = session.execute(
            insert(Entry)
            .values(**columns_of(draft), created_at=at, created_by=actor.person_id, reverses_id=entry_id)
            .returning(Entry.id),
        ).scalar_one()
        insert_postings(session, [(new_id, day, reversed_postings(draft.postings))])
        session.execute(update(Entry).where(Entry.id == new_id).values(closed_because="reversal", **closed))
        if before.closed_at is None:
            session.execute(update(Entry).where(Entry.id == entry_id).values(closed_because="reversed", **closed))
    record(
        session=session,
        actor=actor,
        at=at,
        action="entry.reversed",
        object_type="entry",
        object_id=entry_id,
        difference={"reversed_by": (None, new_id)},
    )
    return new_id


def close_entry(*, session: Session, actor: Actor, at: datetime, entry_id: int, because: str = "locked") -> None:
    """Close an entry for good: `locked` by hand or `reconciled`.

    Raises NotFound, EntryClosed.
    """
    _lock(session, entry_id, None)
    with book_rules():
        session.execute(
            update(Entry)
            .where(Entry.id == entry_id)
            .values(closed_at=at, closed_by=actor.person_id, closed_because=because),
        )
    record(session=session, actor=actor, at=at, action=f"entry.{because}", object_type="entry", object_id=entry_id)


def set_cleared(*, session: Session, actor: Actor, at: datetime, entry_id: int, position: int, cleared: bool) -> None:
    """Mark a posting of an open entry as seen on the bank's statement, or not.

    Raises NotFound, EntryClosed, PeriodClosed.
    """
    _lock(session, entry_id, None)
    with book_rules():
        found = session.execute(
            update(Posting)
            .where(Posting.entry_id == entry_id, Posting.position == position)
            .values(cleared=cleared)
            .returning(Posting.entry_id),
        ).first()
    if found is None:
        raise NotFound
    record(
        session=session,
        actor=actor,
        at=at,
        action="entry.cleared",
        object_type="entry",
        object_id=entry_id,
        difference={f"postings/{position}/cleared": (not cleared, cleared)},
    )


def _lock(session: Session, entry_id: int, version: int | None) -> EntryView:
    found = session.scalar(select(Entry.id).where(Entry.id == entry_id).with_for_update())
    before = queries.entry(session=session, entry_id=entry_id) if found is not None else None
    if before is None:
        raise NotFound
    if before.closed_at is not None:
        raise EntryClosed
    if version is not None and version != before.version:
        raise Stale
    return before


def _keep_version(
    session: Session, *, actor: Actor, at: datetime, change_id: UUID, before: EntryView, deleted: bool = False
) -> None:
    session.execute(
        insert(EntryVersion).values(
            entry_id=before.id,
            version=before.version,
            content=kept_content(before),
            change_id=change_id,
            replaced_at=at,
            replaced_by=actor.person_id,
            deleted=deleted,
        ),
    )
