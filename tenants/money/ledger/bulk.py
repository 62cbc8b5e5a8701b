"""A change of many entries: what is set in each of them, and what that makes of one entry."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from tenants.money.accounts.queries import AccountView
from tenants.money.ledger.content import content_of, draft_of
from tenants.money.ledger.queries import EntryView
from tenants.money.ledger.rows import entry_row
from tenants.money.ledger.rules import EntryDraft, still_cleared


@dataclass(frozen=True, slots=True)
class BulkChange:
    """What to set in every entry of an act; None leaves a thing as it is."""

    category_id: int | None = None
    account_id: int | None = None
    counterparty: str | None = None
    day: date | None = None
    note: str | None = None
    cleared: bool | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    delete: bool = False

    def said(self) -> dict[str, Any]:
        """Return what is set, as JSON."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in values.items()
            if value not in {None, False, ()} or (name == "cleared" and value is False)
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of one entry: a new draft, with the positions that stay or become cleared."""

    before: EntryView
    draft: EntryDraft | None
    """None deletes the entry."""
    cleared: frozenset[int] = frozenset()

    @property
    def moves(self) -> bool:
        """Tell whether the postings are written anew."""
        if self.draft is None:
            return False
        said = content_of(draft_of(self.before))
        return self.draft.day != self.before.day or content_of(self.draft)["postings"] != said["postings"]


def planned(entry: EntryView, change: BulkChange, accounts: Mapping[int, AccountView]) -> Plan | str:
    """Return what happens to one entry, or the reason why it is left."""
    if entry.closed_at is not None:
        return "closed"
    if change.delete:
        return Plan(entry, None)
    row = entry_row(entry, accounts)
    postings = list(draft_of(entry).postings)
    for account_id, position in (
        (change.category_id, row.other.position if row.other else None),
        (change.account_id, row.own.position if row.shape != "split" else None),
    ):
        if account_id is None:
            continue
        if position is None:
            return "split"
        if accounts[account_id].currency != postings[position - 1].currency:
            return "currency"
        postings[position - 1] = replace(postings[position - 1], account_id=account_id)
    draft = replace(
        draft_of(entry),
        postings=tuple(postings),
        tags=tuple(sorted({*entry.tags, *change.add_tags} - {*change.remove_tags})),
        **{name: value for name in ("counterparty", "day", "note") if (value := getattr(change, name)) is not None},
    )
    marked = frozenset(p.position for p in entry.postings if p.cleared)
    cleared = frozenset(still_cleared(entry.postings, draft.postings))
    if change.cleared is not None:
        cleared = cleared | {row.own.position} if change.cleared else frozenset()
    if draft == draft_of(entry) and cleared == marked:
        return "same"
    return Plan(entry, draft, cleared)
