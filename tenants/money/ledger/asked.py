"""What a register's address asks for: which account, which search, which page. Shared by the ledger's doors."""

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from flask import g, request, url_for
from flask_babel import gettext as _

from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.names import by_id, spoken
from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.rules import CREDIT_KINDS, Kind
from tenants.money.accounts.shown import shown_account, shown_accounts
from tenants.money.ledger import register
from tenants.money.ledger.elsewhere import shown_entries, with_elsewhere, within_shown
from tenants.money.ledger.reach import Key
from tenants.money.ledger.register import Totals
from tenants.money.ledger.rows import MONEY_KINDS, Row, account_rows, entry_row
from tenants.money.ledger.search import (
    LENGTH_MAX,
    Criteria,
    Term,
    account_term,
    line_of,
    read_search,
    term_for,
    terms_of,
)
from webapp.kernel.errors import N_, Invalid
from webapp.web.fields import decimal_sign, field_errors
from webapp.web.pagination import read_cursor, sign_cursor

CHIP_NAMES = {
    "words": N_("Text"),
    "amount": N_("Amount"),
    "date": N_("Date"),
    "account": N_("Account"),
    "category": N_("Category"),
    "is": N_("State"),
    "tag": N_("Tag"),
}
STATE_NAMES = {
    "open": N_("open"),
    "closed": N_("closed"),
    "cleared": N_("cleared"),
    "uncleared": N_("not cleared"),
    "uncategorised": N_("to categorise"),
}


@dataclass
class Asked:
    """One register as it is asked for. `account` is none for the register of all entries."""

    line: str
    account: AccountView | None = None
    ascending: bool = False
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_request(cls, account_id: int | None = None) -> "Asked":
        """Read it from the address (or the form) of this request."""
        account = None
        if account_id is not None:
            account = spoken(shown_account(account_id))
        line = request.values.get("q", "").replace("\x00", " ")[:LENGTH_MAX].strip()
        return cls(line, account, ascending=request.values.get("sort") == "date")

    @cached_property
    def accounts(self) -> dict[int, AccountView]:
        """Return the accounts that are shown, by id."""
        return by_id(shown_accounts())

    @cached_property
    def sides(self) -> dict[int, AccountView]:
        """Return what postings are said to be on."""
        return with_elsewhere(self.accounts)

    @cached_property
    def terms(self) -> list[Term]:
        """Return the parts of the search."""
        return terms_of(self.line)

    @cached_property
    def criteria(self) -> list[Criteria]:
        """Return what to look for; a search that cannot be read finds nothing and says why in `errors`."""
        try:
            found = read_search(self.line, accounts=self.accounts.values, decimal_sign=decimal_sign())
        except Invalid as error:
            self.errors |= field_errors(error)
            return [Criteria(accounts=((),))]
        return within_shown(found) if self.account is None else found

    def keys(self, limit: int, beyond: Key | None = None, *, backwards: bool = False) -> list[Key]:
        """Return the keys of at most `limit` rows past a key."""
        question: dict[str, Any] = {
            "session": g.db,
            "criteria": self.criteria,
            "limit": limit,
            "beyond": beyond,
            "ascending": self.ascending != backwards,
        }
        if self.account is None:
            return register.entry_keys(**question)
        return register.posting_keys(account_id=self.account.id, **question)

    def rows(self, keys: list[Key]) -> list[Row]:
        """Return the rows of a page, with running balances where the rows follow each other without gaps."""
        entries = shown_entries(register.entries_of(session=g.db, keys=keys))
        if self.account is None:
            return [entry_row(entries[key.entry_id], self.sides) for key in keys]
        balance = None
        if self.has_balance and keys:
            newest = max(keys)
            balance = account_queries.balance_on(session=g.db, account_id=self.account.id, day=newest.day)
            balance -= register.amounts_after(session=g.db, account_id=self.account.id, key=newest)
        ordered = sorted(keys, reverse=True)
        rows = account_rows(ordered, entries, self.sides, balance)
        return rows[::-1] if self.ascending else rows

    @property
    def has_balance(self) -> bool:
        """Tell whether a running balance can be shown: one account, narrowed by nothing but days."""
        return self.account is not None and len(self.criteria) == 1 and self.criteria[0].only_days

    @property
    def is_turned(self) -> bool:
        """Tell whether amounts are shown on the credit side."""
        return self.account is not None and Kind(self.account.kind) in CREDIT_KINDS

    def totals(self) -> Totals:
        """Return how many rows match and their sum as shown."""
        if self.account is None:
            money = [one.id for one in self.accounts.values() if Kind(one.kind) in MONEY_KINDS]
            return register.entry_totals(session=g.db, criteria=self.criteria, money_ids=money)
        found = register.posting_totals(session=g.db, account_id=self.account.id, criteria=self.criteria)
        sign = -1 if self.is_turned else 1
        return Totals(found.count, {key: sign * minor for key, minor in found.sums.items()}, is_more=found.is_more)

    def matching_ids(self) -> list[int]:
        """Return the entries that match, at most one more than can be changed at once."""
        account_id = self.account.id if self.account else None
        return register.matching_ids(session=g.db, criteria=self.criteria, account_id=account_id)

    @property
    def path(self) -> str:
        """Return the address of the register without its search."""
        if self.account is None:
            return url_for("money_ledger.list_entries")
        return url_for("money_ledger.show_account", account_id=self.account.id)

    def href(self, line: str | None = None, **more: str) -> str:
        """Return the address of this register with a search; the empty search is said, so that no default applies."""
        values = {"q": self.line if line is None else line} | ({"sort": "date"} if self.ascending else {}) | more
        return f"{self.path}?{urlencode({k: v for k, v in values.items() if v or k == 'q'})}"

    def chips(self) -> list[dict[str, str]]:
        """Return the parts of the search with the address without each."""
        chips = []
        for index, term in enumerate(self.terms):
            rest = [other for place, other in enumerate(self.terms) if place != index]
            value = self._said(term)
            without = _("Without tag") if term.kind == "tag" else _("Without text")
            name = without if term.negated else _(CHIP_NAMES[term.kind])
            chips.append({"name": name, "value": value, "remove_href": self.href(line_of(rest))})
        return chips

    def _said(self, term: Term) -> str:
        """Return what a term narrows to, in words: states are translated, an account's id becomes its name."""
        if term.kind == "is":
            return _(STATE_NAMES[term.value]) if term.value in STATE_NAMES else term.value
        number = term.value.removeprefix("#")
        if term.kind in {"account", "category"} and number != term.value and number.isdecimal() and len(number) < 19:  # noqa: PLR2004 - a bigint
            return self.accounts[int(number)].name if int(number) in self.accounts else term.value
        return term.value

    @property
    def cursor_purpose(self) -> str:
        """Return the name of this list, so that a cursor cannot be carried to another."""
        return f"register/{self.account.id if self.account else 'all'}/{'up' if self.ascending else 'down'}"

    def cursor(self, key: Key) -> str:
        """Write a key as a cursor of this list."""
        return sign_cursor(self.cursor_purpose, [key.day.isoformat(), key.entry_id, key.position])

    def key_of(self, cursor: str | None) -> Key | None:
        """Read a cursor of this list; raises Invalid (cursor)."""
        position = read_cursor(self.cursor_purpose, cursor)
        return None if position is None else Key(date.fromisoformat(position[0]), int(position[1]), int(position[2]))


def line_with_filters(line: str, accounts: dict[int, AccountView]) -> str:
    """Return a search line with the separate filters of the address (account, category, from, to, amount) added."""
    parts = [line] if line else []
    for kind in ("account", "category"):
        value = request.args.get(kind, "").strip()
        if value.isdecimal() and len(value) < 19 and int(value) in accounts:  # noqa: PLR2004 - a bigint
            parts.append(account_term(kind, accounts[int(value)]))  # type: ignore[arg-type]
        elif value:
            parts.append(term_for(kind, value))  # type: ignore[arg-type]
    first, last = request.args.get("from", "").strip(), request.args.get("to", "").strip()
    if first or last:
        parts.append(term_for("date", first if first == last else f"{first}..{last}"))
    if amount := request.args.get("amount", "").strip():
        parts.append(term_for("amount", amount))
    values = {kind: request.args.get(kind, "").strip() for kind in ("is", "tag")}
    parts += [term_for(kind, value) for kind, value in values.items() if value]  # type: ignore[arg-type]
    return " ".join(parts)
