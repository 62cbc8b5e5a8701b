"""A mapping that a person made for one file, used again for another with the same header."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tenants.money.imports.readers.headers import normal
from tenants.money.imports.readers.mapping import LIST_ROLES, SINGLE_ROLES, Mapping

_LAYOUT = ("encoding", "delimiter", "quote", "sheet")
_LINES_MAX = 100


def lies_like(one: Mapping, other: Mapping) -> bool:
    """Tell whether two mappings find the same table in a file."""
    return one.header_line == other.header_line and all(getattr(one, n) == getattr(other, n) for n in _LAYOUT)


def laid(said: Mapping, *, found: Mapping, now: Mapping) -> Mapping:
    """Return where a table lies in a file in which it is found `now`.

    Where `said` differs from what was `found` in the file that it was said of, the person goes before what is found:
    as many lines below, and in that encoding or with that delimiter wherever the same as then is found.
    """
    kept: dict[str, Any] = {
        name: getattr(said, name)
        for name in _LAYOUT
        if getattr(said, name) != getattr(found, name) == getattr(now, name)
    }
    line = now.header_line
    if said.header_line != found.header_line:
        line = said.header_line and min(max(now.header_line + said.header_line - found.header_line, 1), _LINES_MAX)
    return replace(now, header_line=line, width=0, **kept)


def renumbered(mapping: Mapping, *, before: Sequence[str], header: Sequence[str], layout: Mapping) -> Mapping | None:
    """Return a mapping whose columns are named `before` for a table with another `header`, lying as `layout` says.

    None if a column that it uses is not there. Raises MappingError.
    """
    if not before and not header:
        return mapping.on(layout)
    names, places = named(before), {name: index for index, name in enumerate(named(header))}
    where: dict[int, int] = {}
    for _, index in mapping.columns():
        place = places.get(names[index]) if index < len(names) else None
        if place is None:
            return None
        where[index] = place
    single = {role: getattr(mapping, role) for role in SINGLE_ROLES}
    roles: dict[str, Any] = {role: index if index is None else where[index] for role, index in single.items()}
    roles |= {role: tuple(where[index] for index in getattr(mapping, role)) for role in LIST_ROLES}
    return replace(mapping, width=0, doubts=(), **roles).on(layout)


def named(header: Sequence[str]) -> list[str]:
    """Return the names of columns without case and accents, each told apart from its like before it."""
    seen: Counter[str] = Counter()
    names = []
    for text in header:
        plain, currency = normal(text)
        name = f"{plain} {currency or ''}".strip()
        seen[name] += 1
        names.append(f"{name} #{seen[name]}")
    return names
