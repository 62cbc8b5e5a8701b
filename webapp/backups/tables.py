"""The tables of a workspace's schema as PostgreSQL knows them, and how each is written to a stream and measured.

On a transaction of the owner whose search path is the schema.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import psycopg
from psycopg import sql

from webapp.backups.rules import MONEY, OUTSIDE, PART_BYTES, TABLES_MAX, Table
from webapp.keys.places import columns as sealed_columns

Driver = psycopg.Connection[Any]

_FIXED = (
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'postgres'",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL extra_float_digits = 3",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL client_encoding = 'UTF8'",
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)
"""What the text of a row depends on: equal rows are equal bytes on every server."""
_TABLES = """
    SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attgenerated = ''),
        min(a.attname) FILTER (WHERE a.attidentity <> ''),
        array_agg(a.attname::text ORDER BY a.attnum)
            FILTER (WHERE a.attgenerated = '' AND a.atttypid IN ('bigint'::regtype, 'integer'::regtype)),
        (SELECT array_agg(k.attname::text || CASE WHEN k.attcollation <> 0 THEN ' COLLATE "C"' ELSE '' END
                ORDER BY array_position(i.indkey::int2[], k.attnum))
            FROM pg_index i JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum = ANY (i.indkey)
            WHERE i.indrelid = c.oid AND i.indisprimary),
        (SELECT array_agg(DISTINCT r.relname::text) FROM pg_constraint f JOIN pg_class r ON r.oid = f.confrelid
            WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname <> ALL (%s)
    GROUP BY c.oid, c.relname ORDER BY c.relname LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """One table: its columns that are written, its identity column, its money, its order, whom it refers to."""

    name: str
    columns: tuple[str, ...]
    identity: str
    money: tuple[str, ...]
    order: tuple[str, ...]
    refers_to: frozenset[str]


def fix(driver: Driver, schema: str) -> None:
    """Turn the transaction to a schema, with one way of writing values."""
    for statement in (*_FIXED, f"SET LOCAL search_path = {schema}, pg_catalog, pg_temp"):
        driver.execute(statement.encode())


def shapes(driver: Driver) -> list[Shape]:
    """Return the tables of the schema, those that are referred to before those that refer to them."""
    rows = driver.execute(_TABLES, (list(OUTSIDE), TABLES_MAX)).fetchall()
    waiting = {
        row[0]: Shape(
            row[0],
            tuple(row[1]),
            row[2] or "",
            tuple(one for one in row[3] or () if one in MONEY),
            tuple(row[4] or ()),
            frozenset(row[5] or ()),
        )
        for row in rows
    }
    found: list[Shape] = []
    while waiting:
        ready = [one for one in waiting.values() if not one.refers_to & waiting.keys()]
        if not ready:
            raise ValueError(f"tables refer to each other in a ring: {', '.join(sorted(waiting))}")
        found += ready
        for one in ready:
            del waiting[one.name]
    return found


def analyse(driver: Driver) -> None:
    """Let the planner know the tables of the schema, and lock no other's: a transaction has room for some thousands."""
    names = driver.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')"
    ).fetchall()
    driver.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(sql.Identifier(name) for (name,) in names)))


def count(driver: Driver, shape: Shape) -> int:
    """Return how many rows a table has."""
    row = driver.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(shape.name))).fetchone()
    return int(row[0]) if row else 0


def closed_columns(table: str) -> frozenset[str]:
    """Return the columns of a table that keys decide: sealed values, and their marks."""
    mine = [one for one in sealed_columns(of_tenant=True) if one.table.name == table]
    return frozenset(name for one in mine for name in (one.name, one.blind) if name)


class Measure:
    """Counts and hashes the rows of one table as they pass."""

    def __init__(self, shape: Shape) -> None:
        closed = closed_columns(shape.name)
        self._shape = shape
        self._open = [place for place, name in enumerate(shape.columns) if name not in closed] if closed else []
        self._all, self._opened = sha256(), sha256()
        self.rows = 0

    def add(self, row: bytes) -> None:
        """Take a row as COPY writes it."""
        self.rows += 1
        self._all.update(row)
        if self._open:
            cells = row.rstrip(b"\n").split(b"\t")
            self._opened.update(b"\t".join([cells[place] for place in self._open]) + b"\n")

    def table(self, driver: Driver) -> Table:
        """Return what the manifest says of the table; sums and the identity are asked for here."""
        shape, whole = self._shape, self._all.hexdigest()
        sums = {}
        if shape.money:
            parts = sql.SQL(", ").join(sql.SQL("sum({}::numeric)").format(sql.Identifier(one)) for one in shape.money)
            row = driver.execute(
                sql.SQL("SELECT {} FROM {}").format(parts, sql.Identifier(shape.name)),
            ).fetchone()
            sums = {one: str(value or 0) for one, value in zip(shape.money, row or (), strict=True)}
        return Table(
            name=shape.name,
            columns=shape.columns,
            rows=self.rows,
            sha256=whole,
            open_sha256=self._opened.hexdigest() if self._open else whole,
            sums=sums,
            last_id=_last_id(driver, shape) if shape.identity else None,
        )


def _sequence(driver: Driver, shape: Shape) -> str:
    """Return the qualified name of the sequence behind an identity column."""
    table = sql.Identifier(shape.name).as_string()
    row = driver.execute(
        "SELECT pg_get_serial_sequence(quote_ident(current_schema()) || '.' || %s, %s)", (table, shape.identity)
    ).fetchone()
    return str(row[0]) if row else ""


def _last_id(driver: Driver, shape: Shape) -> int:
    # Read behind the rows: whatever was given out since is only higher.
    row = driver.execute(
        f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {_sequence(driver, shape)}".encode()  # noqa: S608 - the server's own quoted name
    ).fetchone()
    return int(row[0]) if row else 0


def continue_after(driver: Driver, shape: Shape, last_id: int) -> None:
    """Let the identity column go on behind the highest id that was ever given out."""
    column, table = sql.Identifier(shape.identity), sql.Identifier(shape.name)
    highest = sql.SQL("greatest(%s, (SELECT max({}) FROM {}))").format(column, table)
    driver.execute(
        sql.SQL("SELECT setval(%s::regclass, greatest(1, {0}), {0} > 0)").format(highest),
        (_sequence(driver, shape), last_id, last_id),
    )


def _copy_out(shape: Shape) -> sql.Composed:
    names = sql.SQL(", ").join(map(sql.Identifier, shape.columns))
    # The order is the server's own names, read above.
    order = sql.SQL(", ".join(shape.order) or "1")  # type: ignore[arg-type] # not a literal of ours, but quoted names
    return sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT").format(names, sql.Identifier(shape.name), order)


def written(driver: Driver, shape: Shape, measure: Measure) -> Iterator[bytes]:
    """Yield a table's rows in pieces of a few MB, in the order of its primary key, and measure them."""
    kept: list[bytes] = []
    size = 0
    with driver.cursor() as cursor, cursor.copy(_copy_out(shape)) as copy:
        while row := copy.read():
            line = bytes(row)
            measure.add(line)
            kept.append(line)
            size += len(line)
            if size >= PART_BYTES:
                yield b"".join(kept)
                kept, size = [], 0
    if kept:
        yield b"".join(kept)


def measured(driver: Driver, shape: Shape, beat: Callable[[int], None]) -> Table:
    """Return what a manifest would say of a table now."""
    measure = Measure(shape)
    for _ in written(driver, shape, measure):
        beat(measure.rows)
    return measure.table(driver)


def filled(driver: Driver, shape: Shape, pieces: Iterator[bytes]) -> None:
    """Write a table's rows; on an empty table without triggers."""
    names = sql.SQL(", ").join(map(sql.Identifier, shape.columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(shape.name), names)
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for piece in pieces:
            copy.write(piece)
