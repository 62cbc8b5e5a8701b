"""What an entry says: as a draft, as columns, and as the JSON of history and trail; amounts in minor units."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from tenants.money.ledger.news import Changed
from tenants.money.ledger.queries import EntryView
from tenants.money.ledger.rules import EntryDraft, PostingDraft


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


def kept_content(entry: EntryView) -> dict[str, Any]:
    """Return all that an entry says, so that it can be put back even after it was deleted."""
    return content_of(draft_of(entry)) | {
        "cleared": [posting.position for posting in entry.postings if posting.cleared],
        "created_at": entry.created_at.isoformat(),
        "created_by": str(entry.created_by),
        "import_id": entry.import_id,
    }


def columns_of(draft: EntryDraft) -> dict[str, Any]:
    """Return what a draft writes into the columns of an entry."""
    names = ("day", "description", "counterparty", "note", "rate")
    return {name: getattr(draft, name) for name in names} | {"tags": list(draft.tags) or None}


def changed(before: EntryView, after: EntryDraft | None) -> Changed:
    """Return the news of an entry that was changed, or deleted."""
    return Changed(before.id, before.version, before.import_id is not None, draft_of(before), after)
