"""Statements of our own scripts, sent on the owner's connection."""

from collections.abc import Iterable
from typing import Any, LiteralString

import psycopg
from psycopg import sql


def driver_of(connection: Any) -> psycopg.Connection[Any]:
    """Return the driver's connection under SQLAlchemy's."""
    driver: psycopg.Connection[Any] = connection.connection.driver_connection
    return driver


def run_statements(driver: psycopg.Connection[Any], statements: Iterable[str]) -> None:
    """Send many statements in one trip; each is a statement of its own, as Citus asks."""
    with driver.pipeline():
        for statement in statements:
            driver.execute(statement.encode())


def literal(statement: LiteralString, *values: str) -> str:
    """Return a statement with its values written in, for statements that travel together."""
    return sql.SQL(statement).format(*map(sql.Literal, values)).as_string()
