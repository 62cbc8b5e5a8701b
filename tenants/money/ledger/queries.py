"""Reads of entries and registers; amounts in minor units, debit positive; always bounded."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from tenants.money.ledger.models import Entry, EntryVersion, Posting

HISTORY_MAX = 200
ELSEWHERE = 0
"""In place of the id of an account that is not shown to whoever asks."""


@dataclass(frozen=True, slots=True)
class PostingView:
    """One line of an entry."""

    position: int
    account_id: int
    amount: int
    currency: str
    memo: str
    cleared: bool


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry with its postings in their order."""

    id: int
    day: date
    description: str
    counterparty: str
    note: str
    tags: tuple[str, ...]
    version: int
    created_at: datetime
    created_by: UUID
    changed_at: datetime | None
    import_id: int | None
    reverses_id: int | None
    rate: str | None
    closed_at: datetime | None
    closed_because: str | None
    postings: tuple[PostingView, ...]


@dataclass(frozen=True, slots=True)
class VersionView:
    """What an entry said before a change."""

    version: int
    content: dict[str, Any]
    replaced_at: datetime
    replaced_by: UUID
    deleted: bool


_ENTRY_FIELDS = tuple(name for name in EntryView.__dataclass_fields__ if name != "postings")
_ENTRY = tuple(getattr(Entry, name) for name in _ENTRY_FIELDS)
_TAGS = _ENTRY_FIELDS.index("tags")


def entry(*, session: Session, entry_id: int) -> EntryView | None:
    """Return one entry with its postings."""
    found = entries_by_id(session=session, ids=[entry_id])
    return found[0] if found else None


def entries_by_id(*, session: Session, ids: Collection[int]) -> list[EntryView]:
    """Return the entries of these ids that exist, in the order of `ids`."""
    if not ids:
        return []
    rows = {row[0]: row for row in session.execute(select(*_ENTRY).where(Entry.id.in_(list(ids))))}
    lines = postings_of(session=session, ids=rows.keys())
    return [_view(rows[key], lines[key]) for key in ids if key in rows]


def postings_of(*, session: Session, ids: Collection[int]) -> dict[int, list[PostingView]]:
    """Return the postings of entries, by entry id, in their order."""
    lines: dict[int, list[PostingView]] = defaultdict(list)
    if ids:
        query = (
            select(Posting.entry_id, *(getattr(Posting, name) for name in PostingView.__dataclass_fields__))
            .where(Posting.entry_id.in_(list(ids)))
            .order_by(Posting.entry_id, Posting.position)
        )
        for row in session.execute(query):
            lines[row[0]].append(PostingView(*row[1:]))
    return lines


def entries(
    *,
    session: Session,
    limit: int,
    before: tuple[date, int] | None = None,
) -> list[EntryView]:
    """Return at most `limit` entries, newest day first, after the keyset position `before` (day, id)."""
    query = select(*_ENTRY).order_by(Entry.day.desc(), Entry.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tuple_(Entry.day, Entry.id) < before)
    rows = session.execute(query).all()
    lines = postings_of(session=session, ids=[row[0] for row in rows])
    return [_view(row, lines[row[0]]) for row in rows]


def _view(row: Sequence[Any], lines: Sequence[PostingView]) -> EntryView:
    return EntryView(*row[:_TAGS], tuple(row[_TAGS] or ()), *row[_TAGS + 1 :], tuple(lines))


def reversal_of(*, session: Session, entry_id: int) -> int | None:
    """Return the id of the entry that reverses this one."""
    return session.scalar(select(Entry.id).where(Entry.reverses_id == entry_id))


def history(*, session: Session, entry_id: int) -> list[VersionView]:
    """Return an entry's earlier versions, newest first (at most 200)."""
    rows = session.execute(
        select(*(getattr(EntryVersion, name) for name in VersionView.__dataclass_fields__))
        .where(EntryVersion.entry_id == entry_id)
        .order_by(EntryVersion.version.desc())
        .limit(HISTORY_MAX),
    )
    return [VersionView(*row) for row in rows]
