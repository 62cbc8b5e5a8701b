"""How an account's statements are read: what a person said once, kept per account and header, for the files to come.

A header is the same whatever the order of its columns, what parts them, and the lines above it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from tenants.money.imports.models import StatementMapping
from tenants.money.imports.readers.lines import StatementError
from tenants.money.imports.readers.mapping import Mapping, MappingError
from tenants.money.imports.readers.recognise import Recognition
from tenants.money.imports.readers.reuse import laid, lies_like, renumbered

Relay = Callable[[Recognition, Mapping], Recognition]
"""Looks at the same file again where a mapping says that its table is. Raises Unreadable."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A mapping as a person said it, the names of its columns, and where the table was found before."""

    mapping: Mapping
    header: tuple[str, ...]
    found: Mapping

    def on(self, recognition: Recognition, relay: Relay) -> Mapping | None:
        """Return the mapping for another file; None if a column that it needs is not there.

        Raises MappingError, Unreadable.
        """
        if recognition.layout is None:
            return None
        layout = laid(self.mapping, found=self.found, now=recognition.layout)
        there = recognition if lies_like(layout, recognition.layout) else relay(recognition, layout)
        if there.layout is None:
            return None
        return renumbered(self.mapping, before=self.header, header=there.header, layout=there.layout)


def remember(
    *, session: Session, account_id: int, at: datetime, mapping: Mapping, recognition: Recognition, relay: Relay
) -> None:
    """Keep how a person reads this account's statements of this header. Raises Unreadable."""
    layout = recognition.layout
    if not recognition.header_fingerprint or layout is None:
        return
    there = recognition if lies_like(mapping, layout) else relay(recognition, mapping)
    written = {"mapping": mapping.to_dict(), "header": list(there.header), "found": layout.to_dict()}
    query = upsert(StatementMapping).values(
        account_id=account_id,
        header_fingerprint=recognition.header_fingerprint,
        mapping=written,
        used_at=at,
    )
    session.execute(
        query.on_conflict_do_update(
            index_elements=["account_id", "header_fingerprint"],
            set_={"mapping": written, "used_at": at},
        )
    )


def recall(
    *, session: Session, account_id: int, at: datetime, recognition: Recognition, relay: Relay
) -> Mapping | None:
    """Return how a person has read this account's statements of this header; None if nobody has, or it does not fit."""
    where = (
        StatementMapping.account_id == account_id,
        StatementMapping.header_fingerprint == recognition.header_fingerprint,
    )
    kept = session.scalar(select(StatementMapping.mapping).where(*where)) if recognition.header_fingerprint else None
    mapping = _fitted(kept, recognition, relay)
    if mapping is not None:
        session.execute(update(StatementMapping).where(*where).values(used_at=at))
    return mapping


def propose_from_others(*, session: Session, account_id: int, recognition: Recognition, relay: Relay) -> Mapping | None:
    """Return how this header was last read for another account: a proposal, as another bank may mean other things."""
    if not recognition.header_fingerprint:
        return None
    kept = session.scalar(
        select(StatementMapping.mapping)
        .where(
            StatementMapping.header_fingerprint == recognition.header_fingerprint,
            StatementMapping.account_id != account_id,
        )
        .order_by(StatementMapping.used_at.desc(), StatementMapping.account_id)
        .limit(1)
    )
    return _fitted(kept, recognition, relay)


def _fitted(kept: object, recognition: Recognition, relay: Relay) -> Mapping | None:
    if not isinstance(kept, dict):
        return None
    try:
        remembered = Remembered(
            Mapping.from_dict(kept["mapping"]), tuple(kept["header"]), Mapping.from_dict(kept["found"])
        )
        return remembered.on(recognition, relay)
    except (MappingError, StatementError, KeyError, TypeError):
        return None
