"""An entry's history: each version with what the change after it made different."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from tenants.money.ledger.content import kept_content
from tenants.money.ledger.queries import EntryView, VersionView

FIELDS = ("day", "description", "counterparty", "note", "rate", "tags", "postings")


@dataclass(frozen=True, slots=True)
class Step:
    """One change: who, when, what was before and after. A deletion has no after."""

    version: int
    at: datetime
    by: UUID
    change_id: UUID | None
    deleted: bool
    differences: list[tuple[str, Any, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class History:
    """The changes, newest first, and the last content that is known."""

    versions: list[Step]
    last: dict[str, Any]


def history_of(entry: EntryView | None, versions: Sequence[VersionView]) -> History:
    """Return the changes of an entry; `versions` newest first, `entry` is none after a deletion."""
    after = kept_content(entry) if entry is not None else None
    last = after or (dict(versions[0].content) if versions else {})
    steps = []
    for version in versions:
        differences = [
            (name, version.content.get(name), None if version.deleted else (after or {}).get(name))
            for name in FIELDS
            if not version.deleted
            and after is not None
            and (version.content.get(name) or None) != (after.get(name) or None)
        ]
        steps.append(
            Step(version.version, version.replaced_at, version.replaced_by, None, version.deleted, differences)
        )
        after = version.content
    return History(steps, last)
