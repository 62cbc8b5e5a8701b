"""Reads of accounts and balances; amounts in minor units, debit positive."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Row, func, or_, select, text
from sqlalchemy.orm import Session

from tenants.money.accounts.models import Account, AccountBalance, AccountDay
from tenants.money.accounts.rules import DEPTH_MAX, bare_number
from webapp.access.extent import Extent
from webapp.kernel.crypto import of_bound_tenant, ring_of

LIST_MAX = 5000
"""A workspace has at most so many accounts; the command that adds one refuses more."""


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account with its present balance; `available` is what is neither spent nor held."""

    id: int
    parent_id: int | None
    kind: str
    name: str
    code: str | None
    currency: str
    iban: str | None
    number: str | None
    purpose: str | None
    opened_on: date | None
    closed_on: date | None
    overdraft_limit: int | None
    version: int
    balance: int
    held: int
    postings: int

    @property
    def available(self) -> int:
        """Return the balance less what is held."""
        return self.balance - self.held

    @property
    def bank_numbers(self) -> tuple[str, ...]:
        """Return the IBAN and the number, those that there are."""
        return tuple(one for one in (self.iban, self.number) if one)


_SEALED = ("iban", "number")
_PLACES = tuple(list(AccountView.__dataclass_fields__).index(name) for name in _SEALED)
_ACCOUNT = tuple(
    getattr(Account, f"{name}_sealed" if name in _SEALED else name)
    for name in AccountView.__dataclass_fields__
    if name in _SEALED or hasattr(Account, name)
)
_ALL = (
    *_ACCOUNT,
    func.coalesce(AccountBalance.balance, 0),
    func.coalesce(AccountBalance.held, 0),
    func.coalesce(AccountBalance.postings, 0),
)
_SELECT = select(*_ALL).outerjoin(AccountBalance, AccountBalance.account_id == Account.id)


def account(*, session: Session, account_id: int) -> AccountView | None:
    """Return one account."""
    row = session.execute(_SELECT.where(Account.id == account_id)).first()
    return None if row is None else _opened(session, row)


def _opened(session: Session, row: Row[Any]) -> AccountView:
    """Return a row as a view, with what is sealed in it opened."""
    if row.iban_sealed is None and row.number_sealed is None:
        return AccountView(*row)
    values, ring = list(row), ring_of(session)
    for name, place in zip(_SEALED, _PLACES, strict=True):
        if values[place] is not None:
            context = of_bound_tenant(f"account.{name}", session)
            values[place] = ring.open(values[place], context=context).decode()
    return AccountView(*values)


def accounts(
    *,
    session: Session,
    kinds: Collection[str] | None = None,
    ids: Collection[int] | None = None,
    after_id: int = 0,
    limit: int = LIST_MAX,
) -> list[AccountView]:
    """Return accounts in the order of their ids, after `after_id`, at most `limit`."""
    query = _SELECT.where(Account.id > after_id).order_by(Account.id).limit(limit)
    if kinds is not None:
        query = query.where(Account.kind.in_(kinds))
    if ids is not None:
        query = query.where(Account.id.in_(ids))
    return [_opened(session, row) for row in session.execute(query)]


_REACHED = text("""
    WITH RECURSIVE given AS (
        SELECT id FROM account WHERE :is_all OR id = ANY (:named)
        UNION SELECT a.id FROM account a JOIN given g ON a.parent_id = g.id
    ), kept_back AS (
        SELECT id FROM account WHERE id = ANY (:withheld)
        UNION SELECT a.id FROM account a JOIN kept_back k ON a.parent_id = k.id
    )
    SELECT id FROM given EXCEPT SELECT id FROM kept_back ORDER BY id LIMIT :limit
""")


def ids_within(*, session: Session, extent: Extent) -> tuple[int, ...] | None:
    """Return the accounts that a permission reaches (at most 5,000); None for all, without asking."""
    if extent.is_whole:
        return None
    values = {"is_all": extent.is_all, "named": list(extent.named), "withheld": list(extent.withheld)}
    return tuple(session.scalars(_REACHED, values | {"limit": LIST_MAX}))


_ABOVE = text("""
    WITH RECURSIVE above AS (
        SELECT id AS start, id, parent_id, 0 AS steps FROM account WHERE id = ANY (:ids)
        UNION ALL SELECT b.start, a.id, a.parent_id, b.steps + 1 FROM account a JOIN above b ON a.id = b.parent_id
        WHERE b.steps < :most
    )
    SELECT array_agg(id ORDER BY steps) FROM above GROUP BY start ORDER BY start
""")


def paths(*, session: Session, ids: Sequence[int]) -> list[tuple[int, ...]]:
    """Return each of these accounts with all above it, the nearest first (at most 8 above one)."""
    return [tuple(path) for path in session.scalars(_ABOVE, {"ids": list(ids), "most": DEPTH_MAX})]


def accounts_by_id(*, session: Session, ids: Collection[int]) -> dict[int, AccountView]:
    """Return the accounts of these ids (at most 5,000)."""
    query = _SELECT.where(Account.id.in_(list(ids)[:LIST_MAX]))
    return {row[0]: _opened(session, row) for row in session.execute(query)}


def ids_by_bank_number(*, session: Session, said: Collection[str]) -> dict[str, frozenset[int]]:
    """Return for each text the accounts whose IBAN or number it is; nothing is opened, equal marks are looked for."""
    marks: dict[bytes, set[str]] = {}
    for one in set(said):
        for mark in bank_marks(session, "iban", one) + bank_marks(session, "number", one):
            marks.setdefault(mark, set()).add(one)
    found: dict[str, set[int]] = {one: set() for one in said}
    query = select(Account.id, Account.iban_blind, Account.number_blind).where(
        or_(Account.iban_blind.in_(marks), Account.number_blind.in_(marks))
    )
    for account_id, *blinds in session.execute(query.limit(LIST_MAX)) if marks else ():
        for one in {one for blind in blinds if blind is not None for one in marks.get(bytes(blind), ())}:
            found[one].add(account_id)
    return {one: frozenset(ids) for one, ids in found.items()}


def bank_marks(session: Session, name: str, said: str) -> tuple[bytes, ...]:
    """Return the marks of an IBAN or a number under every live key, the current one last; none for an empty text."""
    bare = bare_number(said)
    return ring_of(session).blinds(bare, context=of_bound_tenant(f"account.{name}", session)) if bare else ()


# Asked with every entry: a ready text costs a tenth of what building the expression costs.
_CURRENCIES = text("SELECT id, currency FROM account WHERE id = ANY (:ids)")


def currencies_of(*, session: Session, ids: Collection[int]) -> dict[int, str]:
    """Return account id to currency for the ids that exist."""
    return {row[0]: row[1] for row in session.execute(_CURRENCIES, {"ids": list(ids)})}


def id_by_code(*, session: Session, code: str) -> int | None:
    """Return the id of the account with this code."""
    return session.scalar(select(Account.id).where(Account.code == code))


def accounts_count(*, session: Session, own: bool = False) -> int:
    """Return how many accounts there are; `own` leaves out those that the product made for itself."""
    query = select(func.count()).select_from(Account)
    return session.scalar(query.where(Account.purpose.is_(None)) if own else query) or 0


def last_days(*, session: Session) -> dict[int, date]:
    """Return account id to the last day with a posting, for the accounts that have one."""
    newest = (
        select(AccountDay.day)
        .where(AccountDay.account_id == Account.id)
        .order_by(AccountDay.day.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(select(Account.id, newest).limit(LIST_MAX))
    return {row[0]: row[1] for row in rows if row[1] is not None}


def booked_days(*, session: Session, account_id: int) -> tuple[date, date] | None:
    """Return the first and the last day with a posting; a day whose postings were all taken out has none."""
    query = select(func.min(AccountDay.day), func.max(AccountDay.day)).where(
        AccountDay.account_id == account_id,
        AccountDay.debit + AccountDay.credit > 0,
    )
    first, last = session.execute(query).one()
    return None if first is None else (first, last)


def balance_on(*, session: Session, account_id: int, day: date) -> int:
    """Return an account's balance at the end of a day, in minor units; sums days, never postings."""
    query = select(func.coalesce(func.sum(AccountDay.debit - AccountDay.credit), 0)).where(
        AccountDay.account_id == account_id,
        AccountDay.day <= day,
    )
    return int(session.scalar(query) or 0)
