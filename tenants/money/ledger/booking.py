"""Booking: drafts become entries with their postings, all of them in one statement each."""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.commands import lock_balances
from tenants.money.ledger.content import columns_of
from tenants.money.ledger.refusals import book_rules
from tenants.money.ledger.rules import EntryDraft, PostingDraft, draft_errors
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, FieldError, Invalid

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
        return [book_one(session, actor=actor, at=at, draft=drafts[0])]
    ids = list(session.scalars(_NEXT_IDS, {"count": len(drafts)}))
    rows = [
        {"id": key, **columns_of(draft), "day": draft.day.isoformat()} for key, draft in zip(ids, drafts, strict=True)
    ]
    with book_rules():
        session.execute(_INSERT_ENTRIES, {"at": at, "by": actor.person_id, "rows": json.dumps(rows)})
        insert_postings(session, [(key, draft.day, draft.postings) for key, draft in zip(ids, drafts, strict=True)])
    return ids


def book_one(session: Session, *, actor: Actor, at: datetime, draft: EntryDraft, entry_id: int | None = None) -> int:
    """Store one entry that was checked, under a reserved id if one is given; the caller records the act."""
    values = {
        "id": entry_id,
        "at": at,
        "by": actor.person_id,
        **columns_of(draft),
        "accounts": [posting.account_id for posting in draft.postings],
        "amounts": [posting.minor for posting in draft.postings],
        "currencies": [posting.currency for posting in draft.postings],
        "memos": [posting.memo for posting in draft.postings],
    }
    with book_rules():
        booked: int = session.execute(_INSERT_ONE, values).scalars().first()
    return booked


@contextmanager
def limits_at_the_end(session: Session) -> Iterator[None]:
    """Let an act of several statements pass an overdraft limit between them, but not at its end."""
    session.execute(_LIMITS_LATER)
    yield
    session.execute(_LIMITS_NOW)


@contextmanager
def judged_by_the_end(session: Session, account_ids: Collection[int]) -> Iterator[None]:
    """Let an act take postings out and put others in: an overdraft limit may be passed between, but not at the end.

    The balances of all accounts are locked first, so that two such acts never wait for each other in a ring.
    """
    lock_balances(session=session, account_ids=account_ids)
    with limits_at_the_end(session):
        yield


def insert_postings(
    session: Session,
    lines: Sequence[tuple[int, date, tuple[PostingDraft, ...]]],
    *,
    cleared: Collection[tuple[int, int]] = (),
) -> None:
    """Store the postings of entries (id, day, postings) in one statement; `cleared` has (entry id, position)."""
    rows = [
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
    session.execute(_INSERT_POSTINGS, {"rows": json.dumps(rows)})


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
