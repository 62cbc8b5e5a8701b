"""Acts on the books: post, edit, delete, reverse, close. The database checks every one of them again."""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import Session

from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.commands import lock_balances
from tenants.money.ledger import news, queries
from tenants.money.ledger.models import Entry, EntryVersion, Posting
from tenants.money.ledger.queries import EntryView
from tenants.money.ledger.refusals import EntryClosed, book_rules
from tenants.money.ledger.rules import EntryDraft, PostingDraft, draft_errors, reversed_postings, still_cleared
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound, Stale

BATCH_MAX = 1000


class AlreadyReversed(Conflict):
    """An entry is reversed at most once."""

    code = "already_reversed"
    message = N_("The entry was already reversed, by entry %(reversal_id)s.")


# Rows travel as one JSON text: it is written and read in C, where arrays are put together element by element.
_INSERT_ENTRIES = text("""
    INSERT INTO entry (id, day, description, counterparty, note, rate, tags, created_at, created_by)
    SELECT id, day, description, counterparty, note, rate, tags, :at, :by
    FROM json_to_recordset(CAST(:rows AS json)) AS d
        (id bigint, day date, description text, counterparty text, note text, rate text, tags text[])
""")
_INSERT_POSTINGS = text("""
    INSERT INTO posting (entry_id, position, day, account_id, amount, currency, memo, cleared)
    SELECT entry_id, position, day, account_id, amount, currency, memo, cleared
    FROM json_to_recordset(CAST(:rows AS json)) AS d
        (entry_id bigint, position smallint, day date, account_id bigint, amount bigint, currency text, memo text,
        cleared boolean)
""")
# One entry is the common case: one trip, and the accounts' balances stay locked the shorter.
_INSERT_ONE = text("""
    WITH booked AS (
        INSERT INTO entry (id, day, description, counterparty, note, rate, tags, created_at, created_by)
        VALUES (coalesce(CAST(:id AS bigint), nextval('entry_id_seq')), :day, :description, :counterparty, :note,
            :rate, CAST(:tags AS text[]), :at, :by)
        RETURNING id, day
    )
    INSERT INTO posting (entry_id, position, day, account_id, amount, currency, memo)
    SELECT booked.id, position, booked.day, account_id, amount, currency, memo
    FROM booked, unnest(CAST(:accounts AS bigint[]), CAST(:amounts AS bigint[]), CAST(:currencies AS text[]),
        CAST(:memos AS text[])) WITH ORDINALITY AS d (account_id, amount, currency, memo, position)
    RETURNING entry_id
""")
_LIMITS_LATER = text("SET CONSTRAINTS account_limit DEFERRED")
_LIMITS_NOW = text("SET CONSTRAINTS account_limit IMMEDIATE")
_NEXT_IDS = text("SELECT nextval('entry_id_seq') FROM generate_series(1, :count)")


def reserve_entry_id(*, session: Session) -> int:
    """Return an id that no entry has yet, for an act that must name its entry before it can book it."""
    return session.execute(_NEXT_IDS, {"count": 1}).scalar_one()


def post_entry(*, session: Session, actor: Actor, at: datetime, draft: EntryDraft, entry_id: int | None = None) -> int:
    """Book one entry, under a reserved id if one is given, and return its id.

    Raises Invalid, AccountClosed, PeriodClosed, OverdraftExceeded.
    """
    if errors := list(draft_errors(draft)) or account_errors(session, [draft], prefix=False):
        raise Invalid(errors=tuple(errors))
    entry_id = _insert_one(session, actor=actor, at=at, draft=draft, entry_id=entry_id)
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


def book(
    *, session: Session, actor: Actor, at: datetime, drafts: Sequence[EntryDraft], prefix: bool = False
) -> list[int]:
    """Check drafts and store them with their postings, one statement each; the caller records the act."""
    errors = []
    for index, draft in enumerate(drafts):
        lead = f"{index}/" if prefix else ""
        errors += [FieldError(lead + e.field, e.code, e.message, e.params) for e in draft_errors(draft)]
    errors = errors or account_errors(session, drafts, prefix=prefix)
    if errors:
        raise Invalid(errors=tuple(errors[:100]))
    if len(drafts) == 1:
        return [_insert_one(session, actor=actor, at=at, draft=drafts[0])]
    ids = list(session.scalars(_NEXT_IDS, {"count": len(drafts)}))
    with book_rules():
        session.execute(
            _INSERT_ENTRIES,
            {
                "at": at,
                "by": actor.person_id,
                "rows": json.dumps(
                    [
                        {
                            "id": key,
                            "day": draft.day.isoformat(),
                            "description": draft.description,
                            "counterparty": draft.counterparty,
                            "note": draft.note,
                            "rate": draft.rate,
                            "tags": list(draft.tags) or None,
                        }
                        for key, draft in zip(ids, drafts, strict=True)
                    ]
                ),
            },
        )
        insert_postings(session, [(key, draft.day, draft.postings) for key, draft in zip(ids, drafts, strict=True)])
    return ids


def _insert_one(session: Session, *, actor: Actor, at: datetime, draft: EntryDraft, entry_id: int | None = None) -> int:
    with book_rules():
        booked: int = (
            session.execute(
                _INSERT_ONE,
                {
                    "id": entry_id,
                    "at": at,
                    "by": actor.person_id,
                    "day": draft.day,
                    "description": draft.description,
                    "counterparty": draft.counterparty,
                    "note": draft.note,
                    "rate": draft.rate,
                    "tags": list(draft.tags) or None,
                    "accounts": [posting.account_id for posting in draft.postings],
                    "amounts": [posting.minor for posting in draft.postings],
                    "currencies": [posting.currency for posting in draft.postings],
                    "memos": [posting.memo for posting in draft.postings],
                },
            )
            .scalars()
            .first()
        )
    return booked


@contextmanager
def judged_by_the_end(session: Session, account_ids: Collection[int]) -> Iterator[None]:
    """Let an act take postings out and put others in: an overdraft limit may be passed between, but not at the end.

    The balances of all accounts are locked first, so that two such acts never wait for each other in a ring.
    """
    lock_balances(session=session, account_ids=account_ids)
    session.execute(_LIMITS_LATER)
    yield
    session.execute(_LIMITS_NOW)


def insert_postings(
    session: Session,
    lines: Sequence[tuple[int, date, tuple[PostingDraft, ...]]],
    *,
    cleared: Collection[tuple[int, int]] = (),
) -> None:
    """Store the postings of entries (id, day, postings) in one statement; `cleared` has (entry id, position)."""
    session.execute(
        _INSERT_POSTINGS,
        {
            "rows": json.dumps(
                [
                    {
                        "entry_id": key,
                        "position": n,
                        "day": written,
                        "account_id": p.account_id,
                        "amount": p.minor,
                        "currency": p.currency,
                        "memo": p.memo,
                        "cleared": (key, n) in cleared,
                    }
                    for key, written, postings in ((key, day.isoformat(), postings) for key, day, postings in lines)
                    for n, p in enumerate(postings, 1)
                ]
            )
        },
    )


def account_errors(session: Session, drafts: Sequence[EntryDraft], *, prefix: bool) -> list[FieldError]:
    """Return the postings whose account does not exist or is kept in another currency."""
    ids = {posting.account_id for draft in drafts for posting in draft.postings}
    known = account_queries.currencies_of(session=session, ids=ids)
    errors = []
    for index, draft in enumerate(drafts):
        lead = f"{index}/" if prefix else ""
        for n, posting in enumerate(draft.postings):
            currency = known.get(posting.account_id)
            if currency is None:
                errors.append(FieldError(f"{lead}postings/{n}/account_id", "unknown", N_("There is no such account.")))
            elif currency != posting.currency:
                errors.append(
                    FieldError(
                        f"{lead}postings/{n}/currency",
                        "currency",
                        N_("The account is kept in %(expected)s, not in %(given)s."),
                        {"expected": currency, "given": posting.currency},
                    )
                )
    return errors


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
            .values(
                day=draft.day,
                description=draft.description,
                counterparty=draft.counterparty,
                note=draft.note,
                rate=draft.rate,
                tags=list(draft.tags) or None,
                version=before.version + 1,
                changed_at=at,
            ),
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
    draft = draft_of(before)
    if errors := draft_errors(replace(draft, day=day, description=description or before.description)):
        raise Invalid(errors=errors)
    closed = {"closed_at": at, "closed_by": actor.person_id}
    with book_rules():
        new_id = session.execute(
            insert(Entry)
            .values(
                day=day,
                description=description or before.description,
                counterparty=before.counterparty,
                rate=before.rate,
                tags=list(before.tags) or None,
                created_at=at,
                created_by=actor.person_id,
                reverses_id=entry_id,
            )
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


def kept_content(entry: EntryView) -> dict[str, Any]:
    """Return all that an entry says, so that it can be put back even after it was deleted."""
    return content_of(draft_of(entry)) | {
        "cleared": [posting.position for posting in entry.postings if posting.cleared],
        "created_at": entry.created_at.isoformat(),
        "created_by": str(entry.created_by),
        "import_id": entry.import_id,
    }


def changed(before: EntryView, after: EntryDraft | None) -> news.Changed:
    """Return the news of an entry that was changed, or deleted."""
    return news.Changed(before.id, before.version, before.import_id is not None, draft_of(before), after)


def draft_of(entry: EntryView) -> EntryDraft:
    """Return the draft that would make this entry."""
    return EntryDraft(
        day=entry.day,
        description=entry.description,
        counterparty=entry.counterparty,
        note=entry.note,
        rate=entry.rate,
        tags=entry.tags,
        postings=tuple(PostingDraft(p.account_id, p.amount, p.currency, p.memo) for p in entry.postings),
    )


def content_of(draft: EntryDraft) -> dict[str, Any]:
    """Return a draft as JSON, the form of history and trail; amounts in minor units."""
    return {
        "day": draft.day.isoformat(),
        "description": draft.description,
        "counterparty": draft.counterparty,
        "note": draft.note,
        "rate": draft.rate,
        "tags": list(draft.tags),
        "postings": [
            {"account_id": p.account_id, "amount": p.minor, "currency": p.currency, "memo": p.memo}
            for p in draft.postings
        ],
    }
