"""Tables of imports: the file in pieces, its rows, the keys of what was booked, remembered mappings, learned words."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, LargeBinary, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import TenantBase
from webapp.kernel.sealed import sealed

Instant = DateTime(timezone=True)


class Import(TenantBase):
    """One statement file on its way into the books."""

    __tablename__ = "import"
    __table_args__ = (Index("import_recent", "created_at", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    account_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("account.id"))
    state: Mapped[str] = mapped_column(Text)
    file_name: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    requested_format: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str | None] = mapped_column(Text)
    format: Mapped[str | None] = mapped_column(Text)
    encoding: Mapped[str | None] = mapped_column(Text)
    header: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    header_fingerprint: Mapped[str | None] = mapped_column(Text)
    mapping: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    mapping_by: Mapped[str | None] = mapped_column(Text)
    accounts_sealed: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=sealed("import.accounts/tenant/{tenant}/{id}")
    )
    publish_auto: Mapped[bool] = mapped_column(server_default="false")
    job_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[UUID]
    changed_at: Mapped[datetime] = mapped_column(Instant)
    published_at: Mapped[datetime | None] = mapped_column(Instant)
    rows_total: Mapped[int] = mapped_column(server_default="0")
    rows_new: Mapped[int] = mapped_column(server_default="0")
    rows_duplicate: Mapped[int] = mapped_column(server_default="0")
    rows_doubtful: Mapped[int] = mapped_column(server_default="0")
    rows_wrong: Mapped[int] = mapped_column(server_default="0")
    rows_ignored: Mapped[int] = mapped_column(server_default="0")
    rows_skipped: Mapped[int] = mapped_column(server_default="0")
    rows_merged: Mapped[int] = mapped_column(server_default="0")
    rows_published: Mapped[int] = mapped_column(server_default="0")
    balances_sealed: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=sealed("import.balances/tenant/{tenant}/{id}")
    )
    error_code: Mapped[str | None] = mapped_column(Text)
    error_params: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")


class ImportChunk(TenantBase):
    """A piece of the uploaded file, in order."""

    __tablename__ = "import_chunk"

    import_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("import.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    content_sealed: Mapped[bytes] = mapped_column(
        LargeBinary, info=sealed("import_chunk.content/tenant/{tenant}/{import_id}/{position}", at_once=8)
    )


class ImportText(TenantBase):
    """What the file said in some rows that follow each other, `position` being the first's."""

    __tablename__ = "import_text"

    import_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    content_sealed: Mapped[bytes] = mapped_column(
        LargeBinary, info=sealed("import_text.content/tenant/{tenant}/{import_id}/{position}")
    )


class ImportSecret(TenantBase):
    """The workspace's secret in the identities of its rows: one for good, as what is booked is known by it."""

    __tablename__ = "import_secret"

    one: Mapped[bool] = mapped_column(primary_key=True, server_default="true")
    secret_sealed: Mapped[bytes] = mapped_column(LargeBinary, info=sealed("import_secret.secret/tenant/{tenant}"))


class ImportRow(TenantBase):
    """One record of the file: how it was read, what becomes of it; ImportText has what it said. Minor units."""

    __tablename__ = "import_row"
    __table_args__ = (
        Index("import_row_attention", "import_id", "state", "position", postgresql_where=text("state <> 'new'")),
    )

    import_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    line: Mapped[int]
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    params: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    account_id: Mapped[int | None] = mapped_column(BigInteger)
    day: Mapped[date | None]
    value_day: Mapped[date | None]
    amount: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(Text)
    counterparty: Mapped[str] = mapped_column(Text, server_default="")
    description: Mapped[str] = mapped_column(Text, server_default="")
    bank_id: Mapped[str | None] = mapped_column(Text)
    label: Mapped[int | None]
    fingerprint: Mapped[UUID | None]
    match_entry_id: Mapped[int | None] = mapped_column(BigInteger)
    category_id: Mapped[int | None] = mapped_column(BigInteger)
    suggested_id: Mapped[int | None] = mapped_column(BigInteger)
    suggestion_percent: Mapped[int | None] = mapped_column(SmallInteger)
    decided_by: Mapped[UUID | None]


class StatementKey(TenantBase):
    """The identity of a row that was booked; whoever brings it again brings a duplicate."""

    __tablename__ = "statement_key"
    __table_args__ = (Index("statement_key_import", "import_id"),)

    account_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    fingerprint: Mapped[UUID] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(BigInteger)
    import_id: Mapped[int] = mapped_column(BigInteger)


class StatementMapping(TenantBase):
    """How an account's statements with one header are read, as a person said."""

    __tablename__ = "statement_mapping"

    account_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("account.id"), primary_key=True)
    header_fingerprint: Mapped[str] = mapped_column(Text, primary_key=True)
    mapping: Mapped[dict[str, Any]] = mapped_column(JSONB)
    used_at: Mapped[datetime] = mapped_column(Instant)


class CategoryWord(TenantBase):
    """How often a word of a counterparty was seen in a category; the empty word counts the movements themselves."""

    __tablename__ = "category_word"

    word: Mapped[str] = mapped_column(Text, primary_key=True)
    category_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("account.id"), primary_key=True)
    seen: Mapped[int] = mapped_column(BigInteger)
