"""Money: integer minor units with an ISO 4217 currency. No float ever touches an amount."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Self

from iso4217 import Currency as IsoCurrency

MINOR_MAX = 2**63 - 1
"""Largest amount that the database holds (bigint), in minor units."""
LIMIT_MINOR = 10**15
"""Largest amount of one posting, in minor units: sums of many still fit a bigint."""

_DECIMAL = re.compile(r"(?P<sign>-?)(?P<whole>[0-9]{1,16})(?:\.(?P<fraction>[0-9]{1,8}))?", re.ASCII)


class MoneyError(ValueError):
    """An amount or a currency that cannot be held; `code` names why, for translation at the door."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@cache
def exponent(currency: str) -> int:
    """Return the number of decimals of an ISO 4217 currency (EUR 2, JPY 0, TND 3).

    Raises MoneyError `unknown_currency`.
    """
    try:
        return IsoCurrency(currency).exponent or 0
    except ValueError:
        raise MoneyError("unknown_currency", f"{currency[:8]!r} is not an ISO 4217 currency.") from None


@cache
def currencies() -> tuple[str, ...]:
    """Return every ISO 4217 code that money can be held in, in alphabetical order."""
    return tuple(sorted(c.code for c in IsoCurrency if c.exponent is not None))


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An exact amount: `minor` units of `currency`."""

    minor: int
    currency: str

    @classmethod
    def parse(cls, text: str, currency: str) -> Self:
        """Read a plain ASCII decimal ("-12.34"), the form of the API.

        Raises MoneyError: `unknown_currency`, `not_a_number`, `too_precise`, `too_large`.
        """
        places = exponent(currency)
        match = _DECIMAL.fullmatch(text)
        if match is None:
            raise MoneyError("not_a_number", "Write the amount as digits with a point, for example 12.34.")
        fraction = (match["fraction"] or "").rstrip("0")
        if len(fraction) > places:
            raise MoneyError("too_precise", f"{currency} has {places} decimals; the amount has {len(fraction)}.")
        minor = int(match["whole"] + fraction.ljust(places, "0"))
        if minor > LIMIT_MINOR:
            raise MoneyError("too_large", "The amount is larger than an entry can hold.")
        return cls(-minor if match["sign"] else minor, currency)

    def decimal(self) -> str:
        """Write the amount as a plain ASCII decimal with the currency's full number of places."""
        return decimal(self.minor, self.currency)

    def __neg__(self) -> Self:
        return type(self)(-self.minor, self.currency)

    def __add__(self, other: Self) -> Self:
        if self.currency != other.currency:
            raise MoneyError("currency_mismatch", f"{self.currency} and {other.currency} do not add up.")
        return type(self)(self.minor + other.minor, self.currency)

    def __sub__(self, other: Self) -> Self:
        return self + -other


def decimal(minor: int, currency: str) -> str:
    """Write minor units as a plain ASCII decimal; -1234 of EUR is "-12.34"."""
    places = exponent(currency)
    sign = "-" if minor < 0 else ""
    digits = str(abs(minor)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else sign + digits
