"""Conditions of a search in SQL: on entries, on the postings of one account, on what belongs to an entry."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, and_, exists, func, literal, or_, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from tenants.money.ledger.models import Entry, Posting
from tenants.money.ledger.rules import FIRST_DAY, LAST_DAY
from tenants.money.ledger.search import AmountRange, Criteria


def posting_conditions(criteria: Criteria) -> list[Any]:
    """Return the conditions on one account's postings: amounts mean this posting, accounts mean the other side."""
    found = [text("true"), *within_days(Posting.day, criteria), *text_and_state(criteria)]
    found += [
        or_(*(is_amount(Posting, one) for one in group)) if group else text("false") for group in criteria.amounts
    ]
    found += [has_account(Posting.entry_id, ids) for ids in criteria.accounts]
    if "cleared" in criteria.states:
        found.append(Posting.cleared)
    if "uncleared" in criteria.states:
        found.append(~Posting.cleared)
    return found


def text_and_state(criteria: Criteria) -> list[Any]:
    """Return the conditions on an entry's words, state and tags."""
    found = [Entry.words.op("@@")(func.to_tsquery(text("'simple'"), words)) for words in criteria.words]
    if "open" in criteria.states:
        found.append(Entry.closed_at.is_(None))
    if "closed" in criteria.states:
        found.append(Entry.closed_at.is_not(None))
    found += [Entry.tags.contains([tag]) for tag in criteria.tags]
    found += [or_(Entry.tags.is_(None), ~Entry.tags.contains([tag])) for tag in criteria.without_tags]
    return found


def within_days(column: Any, criteria: Criteria) -> list[Any]:
    """Return the conditions on a day."""
    found = []
    if criteria.first_day > FIRST_DAY:
        found.append(column >= criteria.first_day)
    if criteria.last_day < LAST_DAY:
        found.append(column <= criteria.last_day)
    return found


def has_mark(entry_id: Any, criteria: Criteria) -> list[Any]:
    """Return the condition on marks: an entry is cleared when one of its postings is."""
    other = aliased(Posting)
    seen = () if criteria.marked_on is None else (other.account_id == any_of(criteria.marked_on),)
    marked = exists().where(other.entry_id == entry_id, other.cleared, *seen)
    marked = marked if "cleared" in criteria.states else ~marked
    return [marked] if criteria.states & {"cleared", "uncleared"} else []


def has_account(entry_id: Any, ids: Sequence[int]) -> Any:
    """Return the condition that an entry has a posting on one of these accounts."""
    other = aliased(Posting)
    return exists().where(other.entry_id == entry_id, other.account_id == any_of(ids))


def has_amount(entry_id: Any, group: Sequence[AmountRange]) -> Any:
    """Return the condition that an entry has a posting of one of these amounts."""
    other = aliased(Posting)
    one_of = or_(*(is_amount(other, one) for one in group)) if group else text("false")
    return exists().where(other.entry_id == entry_id, one_of)


def is_amount(posting: Any, one: AmountRange) -> Any:
    """Return the condition that a posting is of an amount, whatever its sign."""
    size = func.abs(posting.amount)
    within = size == one.low if one.low == one.high else size.between(one.low, one.high)
    return and_(within, posting.currency.in_(one.currencies))


def any_of(ids: Sequence[int]) -> Any:
    """Return the right side of `column = any(…)` for ids of any number, in one parameter."""
    return func.any(literal(list(ids), ARRAY(BigInteger)))
