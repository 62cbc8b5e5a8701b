"""What a command says when it cannot: one line with the way out."""

from typing import IO, Any

import click
import psycopg
from sqlalchemy.exc import DBAPIError

from webapp.embedded import failures
from webapp.kernel.errors import DomainError

NOT_SET_UP = {"3F000", "42P01", "42704", "22023"}
"""SQLSTATEs of a schema, table or role that is not there: nobody has migrated yet."""


class Refusal(click.ClickException):
    """Something that a command will not or cannot do; the text says the way out."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line as every other failure is printed."""
        click.echo(f"comptoir: {self.message}", file=file, err=True)


def in_one_line(error: Exception) -> str | None:
    """Return the line for an anticipated failure; None for a fault of ours, whose trace is wanted."""
    if isinstance(error, DomainError) and error.errors:
        return " ".join(f"{one.field}: {one.message % one.params}" for one in error.errors)
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.Error):
        first = str(cause).strip().split("\n", 1)[0]
        if cause.sqlstate in NOT_SET_UP:
            return f"the database is not set up yet ({first}): run comptoir migrate"
        if isinstance(cause, psycopg.errors.InvalidPassword | psycopg.errors.InvalidAuthorizationSpecification):
            return f"the database does not let comptoir_app in ({first}): run comptoir migrate, which sets its password"
        if isinstance(cause, psycopg.errors.InsufficientPrivilege):
            return f"the role of COMPTOIR_DATABASE_URL has too few rights ({first}): let its owner run the command"
        if isinstance(cause, psycopg.OperationalError):
            return f"the database does not answer ({first}): see that it runs, then repeat the command"
    return failures.in_one_line(error)
