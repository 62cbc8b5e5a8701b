"""What every JSON route of a workspace shares: its path, its pages of lists, money, problems."""

import re
from datetime import UTC, date, datetime
from functools import cache
from typing import Annotated, Any

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from webapp.kernel.errors import N_, FieldError
from webapp.kernel.money import Money, MoneyError, decimal

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]", re.ASCII)
_NARROWING = frozenset({"expand", "fields", "sort"})


class Body(BaseModel):
    """What a call sends as JSON: nothing that is not described, and no text or number where another kind belongs."""

    model_config = ConfigDict(extra="forbid", strict=True)


class WorkspacePath(BaseModel):
    """The workspace of the address."""

    slug: str = Field(description="The workspace's short name.", pattern="^[a-z][a-z0-9-]{0,39}$")


class Asked(BaseModel):
    """What a call asks for in its address or its form.

    The framework asks for the schema with every call, to see which parts are lists; making it takes milliseconds.
    """

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the JSON schema; the plain one is made once."""
        return super().model_json_schema(*args, **kwargs) if args or kwargs else _plain_schema(cls)


@cache
def _plain_schema(shape: type[Asked]) -> dict[str, Any]:
    return super(Asked, shape).model_json_schema()


class Narrowing(Asked):
    """A query; `expand`, `fields` and `sort` are refused where they are not offered, never ignored (AP-9)."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unoffered(cls, values: Any) -> Any:
        for name in sorted(_NARROWING - set(cls.model_fields)):
            if isinstance(values, dict) and name in values:
                raise PydanticCustomError("not_offered", "This call does not take “{name}”.", {"name": name})
        return values


class ListQuery(Narrowing):
    """A page of a list (AP-5)."""

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
    decision_id: str | None = Field(None, description="Of a refusal: the decision, as the trail and the log name it.")
    permission: str | None = Field(None, description="Of a refusal: the permission that was asked for.")
    policies: list[str] | None = Field(
        None, description="Of a refusal: the policies that decided; none permits it when empty."
    )
    missing: list[str] | None = Field(
        None, description="Of a refusal: conditions of policies that would have permitted."
    )
    errors: list[ProblemError] | None = None


Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-20T12:00:00.000000Z"])]
"""An instant, RFC 3339 in UTC."""


def _read_day(value: Any) -> Any:
    if type(value) is date:
        return value
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise PydanticCustomError("day", "This is not a day of the calendar, written YYYY-MM-DD.")


def _read_instant(value: Any) -> Any:
    # A bare number would be read as seconds since 1970, which the description does not say.
    if isinstance(value, str) and _INSTANT.match(value):
        try:
            return AWARE.validate_python(value)
        except ValidationError:
            pass
    raise PydanticCustomError("instant", "This is not an instant, written like 2026-11-20T12:00:00Z.")


AWARE: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)
Day = Annotated[date, BeforeValidator(_read_day)]
"""A calendar day, YYYY-MM-DD; named apart so that a field may be called `date`."""
InstantIn = Annotated[AwareDatetime, BeforeValidator(_read_instant)]
"""An instant of a body, RFC 3339 with its offset."""
CurrencyCode = Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["EUR"], description="ISO 4217 code.")]
AmountText = Annotated[
    str,
    Field(pattern=r"^-?[0-9]{1,16}(\.[0-9]{1,8})?$", examples=["12.34"], description="Decimal text, never a float."),
]


def _read_whole(value: Any) -> Any:
    # JSON knows no whole numbers: 12.0 is one.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def whole(least: int, most: int) -> Any:
    """Return the type of a whole number between two bounds, both included."""
    return Annotated[int, Field(ge=least, le=most), BeforeValidator(_read_whole)]


Id = whole(1, 2**63 - 1)


def instant(value: datetime) -> str:
    """Write an instant for JSON, in UTC; texts of equal width sort as the instants do."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def money_out(minor: int, currency: str) -> dict[str, Any]:
    """Write an amount for JSON."""
    return {"amount": decimal(minor, currency), "currency": currency, "amount_minor": minor}


MONEY_MESSAGES = {
    "unknown_currency": N_("This is not an ISO 4217 currency code."),
    "not_a_number": N_("Write the amount as digits with a point, for example 12.34."),
    "too_precise": N_("The amount has more decimals than its currency."),
    "too_large": N_("The amount is larger than an entry can hold."),
}


def money_error(field: str, error: MoneyError) -> FieldError:
    """Tell what is wrong with an amount at `field`."""
    return FieldError(field, error.code, MONEY_MESSAGES.get(error.code, ""))


def money_errors(lead: str, error: MoneyError) -> FieldError:
    """Tell what is wrong with an amount at the field `amount` or `currency` that begins with `lead`."""
    return money_error(lead + ("currency" if error.code == "unknown_currency" else "amount"), error)


def minor_in(amount: str, currency: str) -> int:
    """Read an amount of JSON into minor units; raises MoneyError."""
    return Money.parse(amount, currency).minor


PROBLEMS: dict[str | int, Any] = dict.fromkeys((400, 401, 403, 404, 415, 422, 429), Problem)
"""Answers that every route may give; the description adds those of HTTP itself."""
