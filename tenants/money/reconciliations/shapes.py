"""What the JSON of reconciliations looks like."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from tenants.lists import fields_of, page_of
from tenants.money.reconciliations.rules import TICKS_MAX
from tenants.schemas import AmountText, Body, Day, Id, Instant, ListQuery, MoneyOut, WorkspacePath


class StatementIn(Body):
    """How a statement ends, in the account's currency; debit positive, so what is owed is negative."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"date": "2026-11-30", "balance": "1204.50"}]})

    date: Day
    balance: AmountText


class TicksIn(Body):
    """Entries seen on the statement, or not; without ids all up to its day."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"entry_ids": [1, 2], "ticked": True}]})

    entry_ids: list[Id] | None = Field(None, max_length=TICKS_MAX)
    ticked: bool


class TicksOut(BaseModel):
    """How many ticks changed, and what is left."""

    changed: int
    difference: MoneyOut


class CompletionIn(Body):
    """How to finish: with nothing left, or with what is left booked against another account."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"adjustment_account_id": 2}]})

    adjustment_account_id: Id | None = None
    adjustment_description: str = Field("Reconciliation adjustment", max_length=1000)


class ReconciliationOut(BaseModel):
    """A reconciliation: who and when, and what is between the statement and the books."""

    id: int
    account_id: int
    date: Day
    state: str = Field(examples=["open"], description="open, finished or undone.")
    opening: MoneyOut = Field(description="The balance up to which the account was reconciled before.")
    balance: MoneyOut
    ticked: MoneyOut = Field(description="Sum of the ticked entries on the account.")
    difference: MoneyOut = Field(description="balance less opening less ticked; zero when it can be finished.")
    entries: int
    adjustment_id: int | None
    started_at: Instant
    started_by: UUID
    finished_at: Instant | None
    finished_by: UUID | None
    undone_at: Instant | None
    undone_by: UUID | None


ReconciliationList = page_of(ReconciliationOut, "A page of reconciliations, newest first.")


class ReconciliationQuery(ListQuery):
    """A page of reconciliations, newest first."""

    fields: fields_of(ReconciliationOut) = None


class LineOut(BaseModel):
    """An entry that may be on the statement; `amount` is what it adds to the account."""

    entry_id: int
    date: Day
    amount: MoneyOut
    ticked: bool


LineList = page_of(LineOut, "A page of entries, newest first.")


class LineQuery(ListQuery):
    """A page of entries, newest first."""

    fields: fields_of(LineOut) = None


class AccountPath(WorkspacePath):
    """One account of a workspace."""

    account_id: Id


class ReconciliationPath(WorkspacePath):
    """One reconciliation of a workspace."""

    reconciliation_id: Id
