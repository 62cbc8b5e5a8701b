"""What a hold is: money reserved on an account, `available = balance - held`; captured, released or expired."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from webapp.kernel.errors import N_, FieldError
from webapp.kernel.money import LIMIT_MINOR

DESCRIPTION_LENGTH_MAX = 1000


class State(StrEnum):
    """Where a hold is in its life; everything but active is final."""

    ACTIVE = "active"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class HoldDraft:
    """What a person or a program says of a hold; `minor` units of the account's currency."""

    account_id: int
    minor: int
    currency: str
    description: str = ""
    expires_at: datetime | None = None


def draft_errors(draft: HoldDraft, at: datetime) -> list[FieldError]:
    """Return everything that is wrong with a draft by itself."""
    errors = amount_errors(draft.minor)
    if len(draft.description) > DESCRIPTION_LENGTH_MAX or "\x00" in draft.description:
        text = N_("At most %(maximum)s characters.")
        errors.append(FieldError("description", "length", text, {"maximum": DESCRIPTION_LENGTH_MAX}))
    if draft.expires_at is not None and draft.expires_at <= at:
        errors.append(FieldError("expires_at", "past", N_("A hold expires in the future.")))
    return errors


def amount_errors(minor: int, held: int | None = None) -> list[FieldError]:
    """Return what is wrong with the amount of a hold, or of its capture when `held` is given."""
    if minor <= 0:
        return [FieldError("amount", "not_positive", N_("The amount is greater than zero."))]
    if minor > LIMIT_MINOR:
        return [FieldError("amount", "too_large", N_("The amount is larger than an entry can hold."))]
    if held is not None and minor > held:
        return [FieldError("amount", "more_than_held", N_("More cannot be captured than is held."))]
    return []
