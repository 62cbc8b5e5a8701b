"""Tables of the chart of accounts and of the balances that postings keep."""

from datetime import date, datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tenants.money.accounts.rules import bare_number
from webapp.kernel.db import TenantBase
from webapp.kernel.sealed import sealed


class Account(TenantBase):
    """A place that money sits in or comes from."""

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("id", "currency"),
        Index("account_code", "code", unique=True),
        Index("account_purpose", "purpose", "currency", unique=True),
        Index("account_parent", "parent_id"),
        Index("account_iban", "iban_blind", postgresql_where=text("iban_blind IS NOT NULL")),
        Index("account_number", "number_blind", postgresql_where=text("number_blind IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("account.id"))
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    code: Mapped[str | None] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    iban_sealed: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=sealed("account.iban/tenant/{tenant}", said=bare_number)
    )
    iban_blind: Mapped[bytes | None] = mapped_column(LargeBinary)
    number_sealed: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=sealed("account.number/tenant/{tenant}", said=bare_number)
    )
    number_blind: Mapped[bytes | None] = mapped_column(LargeBinary)
    purpose: Mapped[str | None] = mapped_column(Text)
    opened_on: Mapped[date | None]
    closed_on: Mapped[date | None]
    overdraft_limit: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class AccountBalance(TenantBase):
    """The present balance and what is held, kept by triggers of postings and holds."""

    __tablename__ = "account_balance"

    account_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("account.id"), primary_key=True)
    balance: Mapped[int] = mapped_column(BigInteger, server_default="0")
    held: Mapped[int] = mapped_column(BigInteger, server_default="0")
    postings: Mapped[int] = mapped_column(BigInteger, server_default="0")


class AccountDay(TenantBase):
    """What one day added to an account, kept by triggers; a balance as of a day is a sum of days."""

    __tablename__ = "account_day"

    account_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    debit: Mapped[int] = mapped_column(BigInteger)
    credit: Mapped[int] = mapped_column(BigInteger)
