"""Fill a workspace with the story of the demonstration, through the commands that people use."""

from collections import Counter
from datetime import date, datetime

from sqlalchemy.orm import Session

from tenants.demo.company import ACCOUNTS, DemoEntry, story
from tenants.money.accounts.commands import ensure_purpose_account, open_account
from tenants.money.accounts.rules import CATEGORIES, Purpose
from tenants.money.imports import suggestions
from tenants.money.ledger.commands import post_entries
from tenants.money.ledger.rules import EntryDraft, PostingDraft
from webapp.kernel.actor import Actor

SEED = 20_261_120
UNSORTED_EVERY = 150
"""So many purchases, and one is left to be categorised, as in life."""


def tell_story(*, session: Session, actor: Actor, at: datetime, today: date, seed: int = SEED) -> int:
    """Open the accounts, post 24 months of entries, teach their categories and return the number of entries.

    The session is bound to the workspace.
    """
    ids: dict[str, int] = {}
    currencies: dict[str, str] = {}
    for key, draft in ACCOUNTS.items():
        ids[key] = open_account(session=session, actor=actor, at=at, draft=draft).id
        currencies[key] = draft.currency
    to_sort = ensure_purpose_account(session=session, actor=actor, at=at, purpose=Purpose.TO_CATEGORISE, currency="EUR")
    posted, taught = 0, Counter[tuple[str, int]]()
    for month in story(seed, today):
        drafts = []
        for entry in month:
            drafts.append(_draft(entry, ids, currencies))
            posted += 1
            if posted % UNSORTED_EVERY == 0 and len(entry.lines) == 2 and entry.lines[1].minor > 0:  # noqa: PLR2004
                drafts[-1] = _unsorted(drafts[-1], to_sort)
            taught.update(_lesson(entry, drafts[-1], ids))
        if drafts:
            post_entries(session=session, actor=actor, at=at, drafts=drafts)
    examples = [(counterparty, "", category, often) for (counterparty, category), often in taught.items()]
    suggestions.learn(session=session, examples=examples)
    return posted


def _lesson(entry: DemoEntry, draft: EntryDraft, ids: dict[str, int]) -> list[tuple[str, int]]:
    """Return what a booked entry says of its counterparty's category: one fact or none."""
    booked = {posting.account_id for posting in draft.postings}
    said = {ids[line.account] for line in entry.lines if ACCOUNTS[line.account].kind in CATEGORIES} & booked
    return [(entry.counterparty, category) for category in said] if entry.counterparty and len(said) == 1 else []


def _draft(entry: DemoEntry, ids: dict[str, int], currencies: dict[str, str]) -> EntryDraft:
    postings = tuple(PostingDraft(ids[line.account], line.minor, currencies[line.account]) for line in entry.lines)
    return EntryDraft(entry.day, entry.description, postings, entry.counterparty, rate=entry.rate)


def _unsorted(draft: EntryDraft, to_sort: int) -> EntryDraft:
    bank, other = draft.postings
    if other.currency != "EUR":
        return draft
    moved = PostingDraft(to_sort, other.minor, other.currency)
    return EntryDraft(draft.day, draft.description, (bank, moved), draft.counterparty)
