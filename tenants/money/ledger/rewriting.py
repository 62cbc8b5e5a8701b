"""Many entries are changed, taken out or put back, each step in one statement for all of them."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from tenants.money.ledger import news
from tenants.money.ledger.booking import account_errors, insert_postings, judged_by_the_end
from tenants.money.ledger.bulk import Plan
from tenants.money.ledger.conditions import any_of
from tenants.money.ledger.content import changed, kept_content
from tenants.money.ledger.models import Entry, Posting
from tenants.money.ledger.refusals import book_rules
from tenants.money.ledger.rules import EntryDraft, draft_errors
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid

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


def rewrite(session: Session, actor: Actor, at: datetime, change_id: UUID, plans: Sequence[Plan]) -> None:
    """Keep what the entries say and change them, each step one statement for all."""
    if not plans:
        return
    kept = [plan for plan in plans if plan.draft is not None]
    drafts = [plan.draft for plan in kept if plan.draft is not None]
    errors = [error for draft in drafts for error in draft_errors(draft)]
    if errors := errors or account_errors(session, drafts, prefix=False):
        raise Invalid(errors=tuple(errors[:100]))
    gone = [plan.before.id for plan in plans if plan.draft is None]
    moved = [plan for plan in kept if plan.draft is not None and plan.moves]
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


def put_back(session: Session, at: datetime, gone: Sequence[tuple[int, int, dict[str, Any], EntryDraft]]) -> None:
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
