"""News of changed entries for rooms above: they are registered at the composition roots, so the ledger knows none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from tenants.money.ledger.rules import EntryDraft


@dataclass(frozen=True, slots=True)
class Changed:
    """One entry that a person changed, deleted (`after` is none) or put back (`before` is none).

    `version` is the one it had before, of an entry that is put back the last it had; `is_imported` tells whether a
    statement brought it.
    """

    entry_id: int
    version: int
    is_imported: bool
    before: EntryDraft | None
    after: EntryDraft | None


Hearer = Callable[[Session, Sequence[Changed]], None]
"""Hears of changes in the transaction that makes them; what it raises takes them back."""

_hearers: dict[str, Hearer] = {}


def subscribe(name: str, hearer: Hearer) -> None:
    """Let a room hear of every change from now on in this process; a name is heard once."""
    _hearers[name] = hearer


def tell(session: Session, changes: Sequence[Changed]) -> None:
    """Tell all who want to hear of it what was changed."""
    if changes:
        for hearer in _hearers.values():
            hearer(session, changes)
