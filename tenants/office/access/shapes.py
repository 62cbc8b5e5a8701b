"""What roles and grants have in common in JSON: permissions and the conditions under which they hold."""

from typing import Annotated

from pydantic import Field

from tenants.office.access import commands
from tenants.schemas import AmountText, Body, CurrencyCode, Id

Chosen = Annotated[list[str], Field(min_length=1, max_length=200, examples=[["ledger:entries:read"]])]


class ConditionsIn(Body):
    """When it is permitted: everything that is said must hold. Times of the day are of the workspace's time zone."""

    second_factor: bool = False
    networks: list[str] = Field([], max_length=10, examples=[["192.0.2.0/24"]])
    begins: str = Field("", examples=["08:00"], max_length=5)
    ends: str = Field("", examples=["18:00"], max_length=5)
    working_days: bool = Field(False, description="From Monday to Friday.")
    account_id: Id | None = Field(None, description="Only on this account, with all below it.")
    amount: AmountText | None = Field(None, description="At most so much for each entry that is booked.")
    currency: CurrencyCode | None = Field(None, description="Of the amount; nothing in other currencies.")


def shape_of(permissions: list[str], conditions: ConditionsIn) -> commands.ShapeDraft:
    """Return what is chosen, as the commands take it."""
    return commands.ShapeDraft(
        tuple(permissions),
        conditions.second_factor,
        " ".join(conditions.networks),
        conditions.begins,
        conditions.ends,
        conditions.working_days,
        str(conditions.account_id or ""),
        conditions.amount or "",
        conditions.currency or "",
    )
