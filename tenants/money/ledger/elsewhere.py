"""What is shown of entries to who may see only some of their accounts: of the others the amounts alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from flask import g
from flask_babel import gettext as _

from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.rules import Kind
from tenants.money.accounts.shown import shown_ids
from tenants.money.ledger import queries
from tenants.money.ledger.queries import ELSEWHERE, EntryView
from tenants.money.ledger.search import Criteria
from webapp.kernel.errors import NotFound


def within_shown(criteria: Sequence[Criteria]) -> list[Criteria]:
    """Narrow a search to entries with a posting on an account that this request may be about."""
    ids = shown_ids()
    return [one if ids is None else replace(one, accounts=(*one.accounts, ids), marked_on=ids) for one in criteria]


def shown_entry(entry: EntryView | None) -> EntryView | None:
    """Return an entry as this request may show it; None when none of its accounts is shown."""
    ids = shown_ids()
    if entry is None or ids is None:
        return entry
    return _veiled(entry, ids) if any(line.account_id in ids for line in entry.postings) else None


def found_entry(entry_id: int) -> EntryView:
    """Return an entry whole, of which an account is shown at least; raises NotFound."""
    entry = queries.entry(session=g.db, entry_id=entry_id)
    if entry is None or shown_entry(entry) is None:
        raise NotFound
    return entry


def shown_entries(entries: Mapping[int, EntryView]) -> dict[int, EntryView]:
    """Return entries that were found within what is shown, as this request may show them."""
    ids = shown_ids()
    return {key: entry if ids is None else _veiled(entry, ids) for key, entry in entries.items()}


def _veiled(entry: EntryView, ids: Collection[int]) -> EntryView:
    lines = (
        line if line.account_id in ids else replace(line, account_id=ELSEWHERE, memo="", cleared=False)
        for line in entry.postings
    )
    return replace(entry, postings=tuple(lines))


def with_elsewhere(accounts: Mapping[int, AccountView]) -> dict[int, AccountView]:
    """Add what stands in rows for an account that is not shown, where there may be one."""
    if shown_ids() is None:
        return dict(accounts)
    return {**accounts, ELSEWHERE: _another()}


def _another() -> AccountView:
    # Of a kind that neither holds nor owes money, so that it counts as the other side.
    blank = dict.fromkeys(AccountView.__dataclass_fields__)
    known = {"id": ELSEWHERE, "kind": Kind.EQUITY.value, "name": _("Another account"), "currency": ""}
    return AccountView(**blank | known | dict.fromkeys(("version", "balance", "held", "postings"), 0))
