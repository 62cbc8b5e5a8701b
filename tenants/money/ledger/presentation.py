"""Entries as JSON: written, and read into drafts."""

from typing import Any

from flask import g

from tenants.money.ledger.queries import EntryView, PostingView
from tenants.money.ledger.rules import EntryDraft, PostingDraft
from tenants.money.ledger.shapes import EntryIn
from tenants.schemas import minor_in, money_errors, money_out
from webapp.kernel.errors import Invalid
from webapp.kernel.money import MoneyError


def entry_out(entry: EntryView) -> dict[str, Any]:
    """Write an entry for JSON."""
    plain = (
        "id",
        "description",
        "counterparty",
        "note",
        "version",
        "closed_because",
        "reverses_id",
        "import_id",
        "rate",
    )
    return {
        **{name: getattr(entry, name) for name in plain},
        "date": entry.day.isoformat(),
        "tags": list(entry.tags),
        "state": "open" if entry.closed_at is None else "closed",
        "created_at": entry.created_at.isoformat(),
        "created_by": str(entry.created_by),
        "postings": [
            {
                "position": p.position,
                "account_id": p.account_id,
                **money_out(p.amount, p.currency),
                "memo": p.memo,
                "cleared": p.cleared,
            }
            for p in entry.postings
        ],
    }


def posted_out(entry_id: int, draft: EntryDraft) -> dict[str, Any]:
    """Write the entry that was just booked, without reading it again."""
    lines = tuple(
        PostingView(n, p.account_id, p.minor, p.currency, p.memo, cleared=False)
        for n, p in enumerate(draft.postings, 1)
    )
    return entry_out(
        EntryView(
            id=entry_id,
            day=draft.day,
            description=draft.description,
            counterparty=draft.counterparty,
            note=draft.note,
            tags=draft.tags,
            version=1,
            created_at=g.at,
            created_by=g.actor.person_id,
            changed_at=None,
            import_id=None,
            reverses_id=None,
            rate=draft.rate,
            closed_at=None,
            closed_because=None,
            postings=lines,
        )
    )


def draft_in(body: EntryIn, lead: str = "") -> EntryDraft:
    """Read an entry of JSON.

    Raises Invalid (postings/N/amount, postings/N/currency).
    """
    postings, errors = [], []
    for index, line in enumerate(body.postings):
        try:
            minor = minor_in(line.amount, line.currency)
        except MoneyError as error:
            errors.append(money_errors(f"{lead}postings/{index}/", error))
            continue
        postings.append(PostingDraft(line.account_id, minor, line.currency, line.memo))
    if errors:
        raise Invalid(errors=tuple(errors))
    tags = tuple(sorted(set(body.tags)))
    return EntryDraft(body.date, body.description, tuple(postings), body.counterparty, body.note, body.rate, tags)
