"""What every JSON route of a workspace shares: its path, its pages of lists, money, problems."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from webapp.kernel.money import Money, decimal


class WorkspacePath(BaseModel):
    """The workspace of the address."""

    slug: str = Field(description="The workspace's short name.", pattern="^[a-z][a-z0-9-]{0,39}$")


class ListQuery(BaseModel):
    """A page of a list (AP-5)."""

    model_config = ConfigDict(extra="ignore")

    cursor: str | None = Field(None, description="`next_cursor` of the page before.", max_length=2000)
    limit: int = Field(50, ge=1, le=500, description="Rows of one page.")


class MoneyOut(BaseModel):
    """An exact amount (AP-8)."""

    amount: str = Field(examples=["-12.34"], description="Decimal with the currency's full number of places.")
    currency: str = Field(examples=["EUR"])
    amount_minor: int = Field(examples=[-1234], description="The same in minor units.")


class ProblemError(BaseModel):
    """What is wrong with one field."""

    pointer: str
    code: str
    detail: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[ProblemError] | None = None


Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-20T12:00:00.000000Z"])]
"""An instant, RFC 3339 in UTC."""
Day = date
"""A calendar day, YYYY-MM-DD; named apart so that a field may be called `date`."""
CurrencyCode = Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["EUR"], description="ISO 4217 code.")]
AmountText = Annotated[
    str,
    Field(pattern=r"^-?[0-9]{1,16}(\.[0-9]{1,8})?$", examples=["12.34"], description="Decimal text, never a float."),
]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


def instant(value: datetime) -> str:
    """Write an instant for JSON, in UTC; texts of equal width sort as the instants do."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def money_out(minor: int, currency: str) -> dict[str, Any]:
    """Write an amount for JSON."""
    return {"amount": decimal(minor, currency), "currency": currency, "amount_minor": minor}


def minor_in(amount: str, currency: str) -> int:
    """Read an amount of JSON into minor units; raises MoneyError."""
    return Money.parse(amount, currency).minor


PROBLEMS: dict[str | int, Any] = dict.fromkeys((400, 401, 403, 404, 409, 415, 422, 429), Problem)
"""Answers that every route may give."""
