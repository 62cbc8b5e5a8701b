"""Registers: entries or the postings of one account, newest first, narrowed by criteria, page after page by key.

Each question first finds the keys of its rows in the order of an index, so that a page costs the same wherever it lies.
A search first glances at the next rows in that order: what is common is found there. What is rare is then looked up
as a whole by the index of its words or amounts; walking the book for it would cost more the larger the book is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, func, select, text, tuple_, union
from sqlalchemy.orm import Session

from tenants.money.ledger import queries
from tenants.money.ledger.conditions import (
    any_of,
    has_account,
    has_amount,
    has_mark,
    is_amount,
    posting_conditions,
    text_and_state,
    within_days,
)
from tenants.money.ledger.models import Entry, Posting
from tenants.money.ledger.queries import EntryView
from tenants.money.ledger.reach import Key, Reach, ordered
from tenants.money.ledger.search import AmountRange, Criteria

PAGE = 60
"""Rows of one chunk."""
GLANCE = 10_000
"""Rows that a search walks through in their order before it looks up its words and amounts as a whole."""
BRANCHES_MAX = 100
"""Accounts whose postings are each followed by day; of more, the entries are walked and looked into."""
MATCHING_MAX = 10_000
"""Rows that one act changes at most, and up to which matches are counted."""

_CUSTOM_PLANS = text("SET LOCAL plan_cache_mode = force_custom_plan")
"""A search is planned for its own words: one plan for all would scan a million rows for a rare word."""
_WALK = tuple(text(f"SET LOCAL enable_{way} = off") for way in ("bitmapscan", "seqscan"))
_LOOK_UP = tuple(text(f"SET LOCAL enable_{way} = on") for way in ("bitmapscan", "seqscan"))


@dataclass(frozen=True, slots=True)
class Totals:
    """How many rows match and what they come to, by currency in minor units; None when more than can be counted."""

    count: int
    sums: dict[str, int]
    is_more: bool = False


def entry_keys(
    *, session: Session, criteria: Sequence[Criteria], limit: int, beyond: Key | None = None, ascending: bool = False
) -> list[Key]:
    """Return the keys of at most `limit` entries that fit one of the criteria, newest first, past the key `beyond`."""

    def found(reach: Reach) -> list[Key]:
        branches = [one for each in criteria for one in _entry_branches(each, reach)]
        return [Key(*row) for row in session.execute(_merged(branches, limit, ascending=ascending))]

    return _searched(session, criteria, found, (Entry.day, Entry.id), Reach(beyond, limit, ascending))


def posting_keys(
    *,
    session: Session,
    account_id: int,
    criteria: Sequence[Criteria],
    limit: int,
    beyond: Key | None = None,
    ascending: bool = False,
) -> list[Key]:
    """Return the keys of at most `limit` postings of one account, newest first, past the key `beyond`."""
    order = (Posting.day, Posting.entry_id, Posting.position)

    def found(reach: Reach) -> list[Key]:
        branches = [reach.page(_account_postings(account_id, each, *order), order) for each in criteria]
        return [Key(*row) for row in session.execute(_merged(branches, limit, ascending=ascending))]

    return _searched(session, criteria, found, order, Reach(beyond, limit, ascending), Posting.account_id == account_id)


def _searched(
    session: Session,
    criteria: Sequence[Criteria],
    found: Callable[[Reach], list[Key]],
    order: Sequence[Any],
    reach: Reach,
    *where: Any,
) -> list[Key]:
    """Return what is found at a glance at the next rows (of those with `where`), else what is found as a whole."""
    _plan_each(session, criteria)
    if all(each.only_days for each in criteria):
        return found(reach)
    days = [condition for condition in within_days(order[0], criteria[0]) if len(criteria) == 1]
    walk = replace(reach, limit=1).page(select(*order).where(*where, *days), order).offset(GLANCE)
    end = session.execute(walk).first()
    if end is None:
        return found(reach)
    for switch in _WALK:
        session.execute(switch)
    seen = found(replace(reach, until=Key(*end)))
    for switch in _LOOK_UP:
        session.execute(switch)
    return seen if len(seen) == reach.limit else found(replace(reach, is_whole=True))


def entries_of(*, session: Session, keys: Sequence[Key]) -> dict[int, EntryView]:
    """Return the entries of a page by id."""
    ids = list(dict.fromkeys(key.entry_id for key in keys))
    return {one.id: one for one in queries.entries_by_id(session=session, ids=ids)}


def entry_totals(*, session: Session, criteria: Sequence[Criteria], money_ids: Sequence[int]) -> Totals:
    """Return how many entries match and what they add to `money_ids` (accounts that hold or owe money)."""
    ids = matching_ids(session=session, criteria=criteria)
    if len(ids) > MATCHING_MAX:
        return Totals(MATCHING_MAX, {}, is_more=True)
    rows = session.execute(
        select(Posting.currency, func.sum(Posting.amount))
        .where(Posting.entry_id == any_of(ids), Posting.account_id == any_of(money_ids))
        .group_by(Posting.currency),
    )
    return Totals(len(ids), {row[0]: int(row[1]) for row in rows})


def posting_totals(*, session: Session, account_id: int, criteria: Sequence[Criteria]) -> Totals:
    """Return how many postings of an account match and their sum."""
    _plan_each(session, criteria)
    columns = (Posting.entry_id, Posting.position, Posting.amount, Posting.currency)
    branches = [_account_postings(account_id, each, *columns).limit(MATCHING_MAX + 1) for each in criteria]
    some = _joined(branches, MATCHING_MAX + 1).subquery()
    row = session.execute(select(func.count(), func.sum(some.c.amount), func.min(some.c.currency))).one()
    if row[0] > MATCHING_MAX:
        return Totals(MATCHING_MAX, {}, is_more=True)
    return Totals(row[0], {row[2]: int(row[1])} if row[0] else {})


def matching_ids(*, session: Session, criteria: Sequence[Criteria], account_id: int | None = None) -> list[int]:
    """Return the ids of the entries that match in no order, at most one more than MATCHING_MAX."""
    _plan_each(session, criteria)
    most = MATCHING_MAX + 1
    if account_id is None:
        # Without an order the index of the words can be read up to the limit, however often a word occurs.
        reach = Reach(None, most, ascending=False)
        found = [one.order_by(None) for each in criteria for one in _entry_branches(each, reach)]
        rows = session.execute(_joined(found, most))
        return list(dict.fromkeys(row[1] for row in rows))
    some = [_account_postings(account_id, each, Posting.entry_id).limit(most) for each in criteria]
    return list(dict.fromkeys(row[0] for row in session.execute(_joined(some, most))))


def amounts_after(*, session: Session, account_id: int, key: Key) -> int:
    """Return the sum of an account's postings on the key's day that stand after it (newer in the register)."""
    later = tuple_(Posting.entry_id, Posting.position) > (key.entry_id, key.position)
    query = select(func.coalesce(func.sum(Posting.amount), 0)).where(
        Posting.account_id == account_id,
        Posting.day == key.day,
        later,
    )
    return int(session.scalar(query) or 0)


def _account_postings(account_id: int, criteria: Criteria, *columns: Any) -> Select[Any]:
    query = select(*columns).where(Posting.account_id == account_id, *posting_conditions(criteria))
    if text_and_state(criteria):
        query = query.join(Entry, Entry.id == Posting.entry_id)
    return query


def _merged(branches: Sequence[Select[Any]], limit: int, *, ascending: bool) -> Any:
    """Return the first rows of several ordered questions with the same columns."""
    if len(branches) == 1:
        return branches[0]
    query = _joined(branches, limit)
    return ordered(query, *query.selected_columns, ascending=ascending)


def _joined(branches: Sequence[Select[Any]], limit: int) -> Any:
    if len(branches) == 1:
        return branches[0].limit(limit)
    merged = union(*(select(branch.subquery()) for branch in branches)).subquery()
    return select(*merged.c).limit(limit)


def _entry_branches(criteria: Criteria, reach: Reach) -> list[Select[Any]]:
    """Return the questions whose answers, merged, are the page: each follows one index in order.

    An account's postings and an exact amount's postings are indexed by day; everything else follows the entries.
    """
    if criteria.accounts and len(min(criteria.accounts, key=len)) <= BRANCHES_MAX:
        ids, rest = min(criteria.accounts, key=len), list(criteria.accounts)
        rest.remove(ids)
        return [_from_postings(criteria, Posting.account_id == one, rest, criteria.amounts, reach) for one in ids] or [
            _nothing()
        ]
    for group in criteria.amounts:
        if all(one.low == one.high for one in group):
            others = tuple(other for other in criteria.amounts if other is not group)
            sides = criteria.accounts
            found = [_from_postings(criteria, is_amount(Posting, one), sides, others, reach) for one in group]
            return found or [_nothing()]
    query = select(Entry.day, Entry.id.label("entry_id")).where(
        *within_days(Entry.day, criteria),
        *text_and_state(criteria),
        *(has_account(Entry.id, ids) for ids in criteria.accounts),
        *(has_amount(Entry.id, group) for group in criteria.amounts),
        *has_mark(Entry.id, criteria),
    )
    return [reach.page(query, (Entry.day, Entry.id))]


def _from_postings(
    criteria: Criteria,
    driver: Any,
    accounts: Sequence[tuple[int, ...]],
    amounts: Sequence[tuple[AmountRange, ...]],
    reach: Reach,
) -> Select[Any]:
    query = select(Posting.day, Posting.entry_id).distinct().where(driver, *within_days(Posting.day, criteria))
    conditions = text_and_state(criteria)
    if conditions:
        query = query.join(Entry, Entry.id == Posting.entry_id).where(*conditions)
    query = query.where(
        *(has_account(Posting.entry_id, ids) for ids in accounts),
        *(has_amount(Posting.entry_id, group) for group in amounts),
        *has_mark(Posting.entry_id, criteria),
    )
    return reach.page(query, (Posting.day, Posting.entry_id))


def _nothing() -> Select[Any]:
    return select(Entry.day, Entry.id.label("entry_id")).where(text("false"))


def _plan_each(session: Session, criteria: Sequence[Criteria]) -> None:
    if not all(each.is_all for each in criteria):
        session.execute(_CUSTOM_PLANS)
