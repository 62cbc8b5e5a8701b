"""What a person teaches by correcting entries: the category of a counterparty is learned, and the former one forgotten.

Every entry counts once, as long as it is in the books: from its publication if a statement brought it, from the first
change by a person if not. An entry with several categories teaches none.
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.rules import CATEGORIES
from tenants.money.imports import suggestions
from tenants.money.ledger.news import Changed
from tenants.money.ledger.rules import EntryDraft

NAME = "imports.learning"


def learn_from_changes(session: Session, changes: Sequence[Changed]) -> None:
    """Count what changed entries say now, and take back what they said before."""
    drafts = [draft for one in changes for draft in (one.before, one.after) if draft is not None]
    ids = {posting.account_id for draft in drafts for posting in draft.postings}
    accounts = account_queries.accounts_by_id(session=session, ids=ids)
    categories = {key for key, one in accounts.items() if one.kind in CATEGORIES and one.purpose is None}
    examples = []
    for one in changes:
        if one.before is not None and (one.is_imported or one.version > 1):
            examples += _examples(one.before, categories, -1)
        if one.after is not None:
            examples += _examples(one.after, categories, 1)
    suggestions.learn(session=session, examples=examples)


def _examples(draft: EntryDraft, categories: set[int], often: int) -> list[tuple[str, str, int, int]]:
    said = {posting.account_id for posting in draft.postings} & categories
    return [(draft.counterparty, draft.description, category, often) for category in said] if len(said) == 1 else []
