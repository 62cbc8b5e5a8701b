"""What waits for a category: the newest such entries, what each probably is, and accepting that in place."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from tenants.money.accounts import queries as accounts
from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.rules import CATEGORIES
from tenants.money.imports import suggestions
from tenants.money.ledger import changes
from tenants.money.ledger import queries as ledger
from tenants.money.ledger.bulk import BulkChange
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound

SHOWN_MAX = 5
"""Entries that the card shows; the others are a click away."""
LOOKED_AT_MAX = 20
WORDS_MAX = 200

_WAITING = text("""
    SELECT p.entry_id, p.day, -p.amount, p.currency, e.counterparty, e.description
    FROM account a CROSS JOIN LATERAL (
        SELECT entry_id, day, amount, currency FROM posting WHERE account_id = a.id
        ORDER BY day DESC, entry_id DESC LIMIT :looked_at
    ) AS p JOIN entry e ON e.id = p.entry_id
    WHERE a.purpose = 'to_categorise' AND e.closed_at IS NULL
        AND (SELECT count(*) FROM posting o WHERE o.entry_id = p.entry_id) = 2
    ORDER BY p.day DESC, p.entry_id DESC LIMIT :shown
""")
_COUNT = text("""
    SELECT coalesce(sum(b.postings), 0)::bigint FROM account a JOIN account_balance b ON b.account_id = a.id
    WHERE a.purpose = 'to_categorise'
""")
_LEARNED = text("SELECT word, category_id, seen FROM category_word WHERE word = any (:words) AND seen > 0 LIMIT :most")


class NotWaiting(Conflict):
    """The entry has its category, is split or closed: there is nothing to accept."""

    code = "not_to_review"
    message = N_("The entry does not wait for a category any more.")


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry without a category; `amount` is what the account of the money gained, in minor units."""

    entry_id: int
    day: date
    amount: int
    currency: str
    counterparty: str
    description: str
    category_id: int | None
    percent: int | None


def count(*, session: Session) -> int:
    """Return how many postings wait for a category."""
    return int(session.execute(_COUNT).scalar_one())


def waiting(*, session: Session) -> list[Waiting]:
    """Return the newest entries that wait for a category, each with what was learned of such (at most 5)."""
    rows = session.execute(_WAITING, {"looked_at": LOOKED_AT_MAX, "shown": SHOWN_MAX}).all()
    if not rows:
        return []
    suggester = _suggester(session, [(row[4], row[5]) for row in rows])
    found = []
    for row in rows:
        category_id, percent = suggester.suggest(row[4], row[5], row[3]) or (None, None)
        found.append(Waiting(*row, category_id, percent))
    return found


def accept(*, session: Session, actor: Actor, at: datetime, change_id: UUID, entry_id: int, category_id: int) -> None:
    """Give an entry its category, which is learned like every change; undone by the change's id.

    Raises NotFound, NotWaiting, Invalid (category_id), PeriodClosed, AccountClosed.
    """
    entry = ledger.entry(session=session, entry_id=entry_id)
    if entry is None:
        raise NotFound
    known = accounts.accounts_by_id(session=session, ids={*(p.account_id for p in entry.postings), category_id})
    if category_id not in known:
        raise Invalid(errors=(FieldError("category_id", "unknown", N_("There is no such account.")),))
    if not any(known[posting.account_id].purpose == "to_categorise" for posting in entry.postings):
        raise NotWaiting
    change = BulkChange(category_id=category_id)
    outcome = changes.change_entries(
        session=session, actor=actor, at=at, change_id=change_id, ids=[entry_id], change=change
    )
    if not outcome.changed:
        raise NotWaiting


def _suggester(session: Session, texts: list[tuple[str, str]]) -> suggestions.Suggester:
    """Return what was learned of the words of these texts alone: the card does not wait for all that is known."""
    categories = accounts.accounts(session=session, kinds=[kind.value for kind in CATEGORIES])
    currencies = {one.id: one.currency for one in categories if _may_be(one)}
    words = {word[:100] for pair in texts for word in suggestions.terms(*pair)}
    asked = ["", *sorted(words)[:WORDS_MAX]]
    counts: dict[str, dict[int, int]] = defaultdict(dict)
    for word, category_id, seen in session.execute(_LEARNED, {"words": asked, "most": suggestions.VOCABULARY_MAX}):
        counts[word][category_id] = seen
    return suggestions.Suggester(dict(counts), currencies)


def _may_be(category: AccountView) -> bool:
    return category.closed_on is None and category.purpose is None
