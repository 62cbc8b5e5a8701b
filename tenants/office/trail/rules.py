"""How an event's difference is read: what was, what is, and of which type."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from webapp.kernel.money import currencies

VALUE_LENGTH_MAX = 2000
"""Longer values are cut on pages; the JSON API tells them whole."""

ValueType = Literal["nothing", "text", "number", "money", "yes_no", "list", "record"]
MONEY_FIELDS = frozenset({"amount", "balance", "captured"})
"""Fields in minor units of the currency that stands beside them."""
OF_ACCOUNTS = frozenset({"account_id", "category_id", "parent_id"})
"""Fields that hold the id of an account."""
DEPTH_MAX = 8


@dataclass(frozen=True, slots=True)
class Value:
    """One side of a difference: its type, its text, and for lists and records what is inside."""

    type: ValueType
    text: str
    parts: tuple[tuple[str, "Value"], ...] = ()
    currency: str = ""

    @property
    def is_empty(self) -> bool:
        """Tell whether it says nothing: no value, or a list or record of none."""
        return self.type == "nothing" or (self.type in {"list", "record"} and not self.parts)


@dataclass(frozen=True, slots=True)
class Change:
    """One field of an event: what it was before and is after."""

    field: str
    before: Value
    after: Value


def value_of(raw: Any, depth: int = 0) -> Value:
    """Read one JSON value; what lies deeper than three levels is told as JSON text."""
    if not isinstance(raw, dict | list):
        return _plain(raw)
    if depth >= 3:  # noqa: PLR2004 - no event nests deeper on purpose
        return Value("text", _cut(json.dumps(raw, ensure_ascii=False)))
    if isinstance(raw, dict):
        currency = raw.get("currency")
        parts = ((str(key), _money(str(key), value_of(item, depth + 1), currency)) for key, item in raw.items())
        return Value("record", "", tuple(part for part in parts if not part[1].is_empty))
    return Value("list", "", tuple((str(number), value_of(item, depth + 1)) for number, item in enumerate(raw, 1)))


def _money(name: str, value: Value, currency: Any) -> Value:
    """Return an amount in minor units with its currency, where one stands beside it."""
    if name not in MONEY_FIELDS or value.type != "number" or currency not in currencies():
        return value
    return Value("money", value.text, currency=currency)


def _plain(raw: Any) -> Value:
    if raw is None or raw == "":
        return Value("nothing", "")
    if isinstance(raw, bool):
        return Value("yes_no", "yes" if raw else "no")
    return Value("number", str(raw)) if isinstance(raw, int | float) else Value("text", _cut(str(raw)))


def changes_of(difference: dict[str, Any]) -> tuple[Change, ...]:
    """Return the changed fields of an event in the order in which they were written, but for those that say nothing."""
    changes = []
    beside = difference.get("currency")
    currency = next((one for one in beside if one), None) if isinstance(beside, list) else beside
    for field, sides in difference.items():
        before, after = sides if isinstance(sides, list) and len(sides) == 2 else (None, sides)  # noqa: PLR2004
        if field == "currency" and before == after:
            continue  # It stands there for the amount beside it.
        changes.append(
            Change(field, _money(field, value_of(before), currency), _money(field, value_of(after), currency))
        )
    return tuple(change for change in changes if not (change.before.is_empty and change.after.is_empty))


def accounts_in(raw: Any, depth: int = 0) -> set[int]:
    """Return the ids of accounts that a difference tells of, as deep as pages tell it."""
    if depth > DEPTH_MAX:
        return set()
    if isinstance(raw, list):
        return set().union(*(accounts_in(item, depth + 1) for item in raw))
    if not isinstance(raw, dict):
        return set()
    found = accounts_in(list(raw.values()), depth)
    for name in OF_ACCOUNTS & raw.keys():
        sides = raw[name] if isinstance(raw[name], list) else [raw[name]]
        found |= {one for one in sides if type(one) is int}
    return found


def _cut(text: str) -> str:
    return text if len(text) <= VALUE_LENGTH_MAX else text[:VALUE_LENGTH_MAX] + "…"
