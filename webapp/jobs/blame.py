"""Whether a failure is the job's own, or that of a database which went away under it."""

import errno

import psycopg
from sqlalchemy.exc import DBAPIError

GOODBYES = frozenset({"57P01", "57P02", "57P03", "57P05"})
"""SQLSTATEs by which PostgreSQL ends a session that did nothing wrong: shutdown, crash of another, start, idle."""

DISK_FULL = "53100"


def is_innocent(error: BaseException) -> bool:
    """Tell whether the database said goodbye, or could not be reached, so that the job may simply run again.

    A connection that ends in the middle of a statement without a word counts against the job: its statement may be
    what kills the server.
    """
    if isinstance(error, DBAPIError):
        return (error.statement is None and is_outage(error)) or _said_goodbye(error.orig)
    return _said_goodbye(error)


def is_outage(error: BaseException) -> bool:
    """Tell whether the connection to the database is lost, or none is to be had."""
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if not isinstance(original, psycopg.Error):
        return False
    if original.sqlstate is None:
        # No word from the server: psycopg says DatabaseError itself where libpq lost the connection.
        return type(original) in {psycopg.DatabaseError, psycopg.OperationalError, psycopg.InterfaceError}
    return original.sqlstate in GOODBYES or original.sqlstate.startswith("08")


def lacks_room(error: BaseException) -> bool:
    """Tell whether a disk was full, the database's or one that the job itself writes to: room may be made."""
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, psycopg.Error):
        return original.sqlstate == DISK_FULL
    return isinstance(original, OSError) and original.errno in {errno.ENOSPC, errno.EDQUOT}


def _said_goodbye(error: BaseException | None) -> bool:
    return isinstance(error, psycopg.Error) and error.sqlstate in GOODBYES
