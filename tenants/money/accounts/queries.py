"""Reads of accounts and balances; amounts in minor units, debit positive."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from tenants.money.accounts.models import Account, AccountBalance, AccountDay

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


_ACCOUNT = tuple(getattr(Account, name) for name in AccountView.__dataclass_fields__ if hasattr(Account, name))
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
    return None if row is None else AccountView(*row)


def accounts(
    *,
    session: Session,
    kinds: Collection[str] | None = None,
    after_id: int = 0,
    limit: int = LIST_MAX,
) -> list[AccountView]:
    """Return accounts in the order of their ids, after `after_id`, at most `limit`."""
    query = _SELECT.where(Account.id > after_id).order_by(Account.id).limit(limit)
    if kinds is not None:
        query = query.where(Account.kind.in_(kinds))
    return [AccountView(*row) for row in session.execute(query)]


def accounts_by_id(*, session: Session, ids: Collection[int]) -> dict[int, AccountView]:
    """Return the accounts of these ids (at most 5,000)."""
    query = _SELECT.where(Account.id.in_(list(ids)[:LIST_MAX]))
    return {row[0]: AccountView(*row) for row in session.execute(query)}


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


def balance_on(*, session: Session, account_id: int, day: date) -> int:
    """Return an account's balance at the end of a day, in minor units; sums days, never postings."""
    query = select(func.coalesce(func.sum(AccountDay.debit - AccountDay.credit), 0)).where(
        AccountDay.account_id == account_id,
        AccountDay.day <= day,
    )
    return int(session.scalar(query) or 0)
