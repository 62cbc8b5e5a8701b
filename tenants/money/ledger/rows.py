"""A register's rows: what an entry says in one line, from the account's side or from all money's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.rules import CREDIT_KINDS, Kind
from tenants.money.ledger.queries import ELSEWHERE, EntryView, PostingView
from tenants.money.ledger.reach import Key

MONEY_KINDS = frozenset({Kind.ASSET, Kind.LIABILITY})
"""Kinds of account in which money sits or is owed: what they gain or lose is an entry's amount."""

Shape = Literal["plain", "transfer", "split"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line. Amounts in minor units, as people read them (`turned` on accounts of credit kinds).

    plain: one account and one category; transfer: from `account` to `category`; split: more than that.
    """

    entry: EntryView
    key: Key
    shape: Shape
    own: PostingView
    account: AccountView
    category: AccountView | None
    others: tuple[AccountView, ...]
    """The accounts that a split goes to, each once; of an entry between own accounts alone, those besides `account`."""
    amounts: tuple[tuple[str, int], ...]
    turned: bool
    cleared: bool
    balance: int | None = None

    @property
    def id(self) -> str:
        """Return the id of the row's element."""
        return f"entry-{self.entry.id}-{self.key.position}" if self.key.position else f"entry-{self.entry.id}"

    @property
    def is_open(self) -> bool:
        """Tell whether the entry may be edited."""
        return self.entry.closed_at is None

    @property
    def is_simple(self) -> bool:
        """Tell whether category, account and amount can be edited in the row."""
        return len(self.entry.postings) == 2 and len({p.currency for p in self.entry.postings}) == 1  # noqa: PLR2004

    @property
    def other(self) -> PostingView | None:
        """Return the posting on the other side of a row with two."""
        if not self.is_simple:
            return None
        return next(p for p in self.entry.postings if p.position != self.own.position)


def entry_row(entry: EntryView, accounts: Mapping[int, AccountView]) -> Row:
    """Return an entry as one line: its amount is what the accounts that hold or owe money gain or lose."""
    money = [p for p in entry.postings if Kind(accounts[p.account_id].kind) in MONEY_KINDS]
    others = [p for p in entry.postings if p not in money]
    # The posting of an entry without money stands for it; one of an account that is not shown comes last.
    own = money or sorted(others, key=lambda p: p.account_id == ELSEWHERE)[:1]
    others = [p for p in entry.postings if p not in own]
    shape: Shape = "split"
    first, second = own[0], others[0] if others else None
    if len(own) == 2 and not others:  # noqa: PLR2004
        shape = "transfer"
        first, second = sorted(own, key=lambda p: p.amount)
        amounts: tuple[tuple[str, int], ...] = ((second.currency, second.amount),)
    else:
        shape = "plain" if len(own) == 1 and len(others) == 1 else "split"
        amounts = tuple(_sums(own).items())
    return Row(
        entry=entry,
        key=Key(entry.day, entry.id),
        shape=shape,
        own=first,
        account=accounts[first.account_id],
        category=None if shape == "split" or second is None else accounts[second.account_id],
        others=_once(others or own[1:], accounts),
        amounts=amounts,
        turned=False,
        cleared=any(p.cleared for p in own),
    )


def account_rows(
    keys: Sequence[Key], entries: Mapping[int, EntryView], accounts: Mapping[int, AccountView], balance: int | None
) -> list[Row]:
    """Return one account's postings as lines, newest first; `balance` (books' sign) is the one after the first."""
    rows = []
    for key in keys:
        entry = entries[key.entry_id]
        own = next(p for p in entry.postings if p.position == key.position)
        others = [p for p in entry.postings if p is not own]
        account = accounts[own.account_id]
        turned = Kind(account.kind) in CREDIT_KINDS
        sign = -1 if turned else 1
        rows.append(
            Row(
                entry=entry,
                key=key,
                shape="plain" if len(others) == 1 else "split",
                own=own,
                account=account,
                category=accounts[others[0].account_id] if len(others) == 1 else None,
                others=_once(others, accounts),
                amounts=((own.currency, sign * own.amount),),
                turned=turned,
                cleared=own.cleared,
                balance=None if balance is None else sign * balance,
            )
        )
        balance = None if balance is None else balance - own.amount
    return rows


def flow(row: Row) -> tuple[tuple[str, int], ...]:
    """Return what a row adds to a sum of rows: a transfer between own accounts adds nothing."""
    return tuple((currency, 0) for currency, _ in row.amounts) if row.shape == "transfer" else row.amounts


def _once(postings: Sequence[PostingView], accounts: Mapping[int, AccountView]) -> tuple[AccountView, ...]:
    return tuple(accounts[key] for key in dict.fromkeys(posting.account_id for posting in postings))


def _sums(postings: Sequence[PostingView]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for posting in postings:
        sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount
    return sums
