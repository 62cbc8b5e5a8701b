"""What went wrong in the set-up, in one line with the way out."""

import click
from psycopg import errors as postgres_errors
from sqlalchemy.exc import DBAPIError, OperationalError

from webapp.embedded.process import EmbeddedError
from webapp.kernel.errors import DomainError
from webapp.settings import SettingsError


def in_one_line(error: Exception) -> str | None:
    """Return the line for an anticipated failure; None for a fault of ours, whose trace is wanted."""
    if isinstance(error, EmbeddedError | SettingsError | DomainError):
        return str(error)
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, DBAPIError):
        first = str(error.orig).strip().split("\n", 1)[0]
        if isinstance(error.orig, postgres_errors.InsufficientPrivilege):
            way_out = "give it CREATEROLE and CREATE on the database"
            return f"the role of COMPTOIR_DATABASE_URL has too few rights ({first}): {way_out}"
        if isinstance(error, OperationalError):
            return f"the database went away during the set-up ({first}): see that it runs, then start again"
    return None
