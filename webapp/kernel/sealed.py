"""Which columns are sealed, said beside the column, so that a rotation finds each of them and its context."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import MetaData, Table

SUFFIX = "_sealed"
"""What the name of a column ends in that only the key ring can read."""
BLIND_SUFFIX = "_blind"
"""Beside `iban_sealed`, `iban_blind` is the mark by which an equal value is found."""
_CONTEXT = "sealed"
BATCH_MAX = 200
"""Rows that one transaction of a rotation seals anew."""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """One sealed column: `context` is filled with the row's columns, and with {tenant} in a workspace's schema."""

    table: Table
    name: str
    context: str
    said: Callable[[str], str] = str
    at_once: int = BATCH_MAX
    marked: str = ""

    @property
    def blind(self) -> str:
        """Return the name of the column with its mark, or nothing."""
        found = self.name.removesuffix(SUFFIX) + BLIND_SUFFIX
        return found if found in self.table.c else ""

    def context_of(self, row: Mapping[str, Any], tenant: object) -> str:
        """Return the context of one row's value."""
        return self.context.format(**{**row, "tenant": tenant})

    def mark_context_of(self, row: Mapping[str, Any], tenant: object) -> str:
        """Return the context of one row's mark."""
        return self.marked or self.context_of(row, tenant)


def sealed(
    context: str, *, said: Callable[[str], str] = str, at_once: int = BATCH_MAX, marked: str = ""
) -> dict[str, Any]:
    """Return what is said beside a sealed column: `mapped_column(LargeBinary, info=sealed("totp.secret/person/{id}"))`.

    The braces name columns of the same row; {tenant} is the workspace whose schema the table lies in. `said` turns the
    plain value into what its mark is of, where a column with the same name and `_blind` stands beside it. So many rows
    as `at_once` are sealed anew together: fewer where values are large. `marked` is the context of the mark where it
    is another: a value that belongs to one row and is looked for among all.
    """
    return {_CONTEXT: (context, said, at_once, marked)}


def sealed_columns(metadata: MetaData) -> list[SealedColumn]:
    """Return the sealed columns of the platform or of a workspace, in the order of their tables."""
    return [
        SealedColumn(table, column.name, *column.info[_CONTEXT])
        for table in metadata.sorted_tables
        for column in table.columns
        if _CONTEXT in column.info
    ]
