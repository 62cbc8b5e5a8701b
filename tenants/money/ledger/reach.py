"""Which rows a question is about: a page past a key, in the order of an index."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, select, tuple_


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Where a row stands: entries by day and id, postings of an account also by position."""

    day: date
    entry_id: int
    position: int = 0


@dataclass(frozen=True, slots=True)
class Reach:
    """Which rows a question is about: at most `limit` past the key `beyond`, in one direction, not past `until`.

    With `is_whole` it is answered by looking up all that matches, which are few, and sorting that.
    """

    beyond: Key | None
    limit: int
    ascending: bool
    until: Key | None = None
    is_whole: bool = False

    def page(self, query: Select[Any], columns: Sequence[Any]) -> Select[Any]:
        """Narrow a question to the page; `columns` are the key's."""
        here = tuple_(*columns)
        if self.beyond is not None:
            there = _position(self.beyond, columns)
            query = query.where(here > there if self.ascending else here < there)
        if self.until is not None:
            there = _position(self.until, columns)
            query = query.where(here <= there if self.ascending else here >= there)
        if self.is_whole:
            # The offset keeps the planner from reading the order's index instead.
            query = select(*query.offset(0).subquery().c)
            columns = list(query.selected_columns)
        return ordered(query, *columns, ascending=self.ascending).limit(self.limit)


def _position(key: Key, columns: Sequence[Any]) -> tuple[Any, ...]:
    return (key.day, key.entry_id, key.position)[: len(columns)]


def ordered(query: Select[Any], *columns: Any, ascending: bool) -> Select[Any]:
    """Put a question in the order of a key's columns."""
    return query.order_by(*(column.asc() if ascending else column.desc() for column in columns))
