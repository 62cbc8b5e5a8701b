"""Tables of entries, their postings and their earlier versions. The rules of the books are triggers beside them."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Computed,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from tenants.money.ledger.rules import ACCENTS
from webapp.kernel.db import TenantBase

Instant = DateTime(timezone=True)
_MARKS = "-_/.,@+#*&()[]<>=!?|~^"
WORDS = (
    "to_tsvector('simple', translate(normalize(description || ' ' || counterparty || ' ' || note, NFKD),"
    f" '{_MARKS}{ACCENTS}', '{' ' * len(_MARKS)}'))"
)
"""What is searched of an entry: the beginnings of its words, punctuation blanked, accents taken off."""


class Entry(TenantBase):
    """A dated, described fact."""

    __tablename__ = "entry"
    __table_args__ = (
        UniqueConstraint("day", "id"),
        Index("entry_reverses", "reverses_id", unique=True, postgresql_where=text("reverses_id IS NOT NULL")),
        Index("entry_import", "import_id", "import_position", postgresql_where=text("import_id IS NOT NULL")),
        Index("entry_words", "words", postgresql_using="gin"),
        Index("entry_tags", "tags", postgresql_using="gin", postgresql_where=text("tags IS NOT NULL")),
        Index("entry_closed", "id", postgresql_where=text("closed_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    day: Mapped[date]
    description: Mapped[str] = mapped_column(Text)
    counterparty: Mapped[str] = mapped_column(Text, server_default="")
    note: Mapped[str] = mapped_column(Text, server_default="")
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[UUID]
    changed_at: Mapped[datetime | None] = mapped_column(Instant)
    import_id: Mapped[int | None] = mapped_column(BigInteger)
    import_position: Mapped[int | None]
    reverses_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("entry.id"))
    rate: Mapped[str | None] = mapped_column(Text)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    closed_by: Mapped[UUID | None]
    closed_because: Mapped[str | None] = mapped_column(Text)
    words: Mapped[Any] = mapped_column(TSVECTOR, Computed(WORDS, persisted=True))


class Posting(TenantBase):
    """One signed line of an entry, in minor units, debit positive."""

    __tablename__ = "posting"
    __table_args__ = (Index("posting_register", "account_id", "day", "entry_id", "position"),)

    entry_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    day: Mapped[date]
    account_id: Mapped[int] = mapped_column(BigInteger)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    memo: Mapped[str] = mapped_column(Text, server_default="")
    cleared: Mapped[bool] = mapped_column(server_default="false")


class EntryVersion(TenantBase):
    """What an entry said before a change; `change_id` joins the entries that one act changed."""

    __tablename__ = "entry_version"
    __table_args__ = (Index("entry_version_change", "change_id"),)

    entry_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    change_id: Mapped[UUID]
    replaced_at: Mapped[datetime] = mapped_column(Instant)
    replaced_by: Mapped[UUID]
    deleted: Mapped[bool] = mapped_column(server_default="false")


class SavedView(TenantBase):
    """A search that a person kept, for themselves or for all members."""

    __tablename__ = "saved_view"
    __table_args__ = (Index("saved_view_person", "person_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    person_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(Text)
    query: Mapped[str] = mapped_column(Text)
    shared: Mapped[bool] = mapped_column(server_default="false")
    is_default: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime] = mapped_column(Instant)
