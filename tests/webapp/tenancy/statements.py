"""What the database server itself saw: the statements of the application, from its log."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, text

_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*|parse [^:]*): (.*)")
_CHORES = re.compile(r"DEALLOCATE|$|UPDATE platform\.(token SET used_at|session SET seen_at)=")
"""What comes now and then, whatever was asked: the driver's cleaning, the minute in which a token was last used."""
_NAMES = re.compile(r"t_[0-9a-f]{32}")


@dataclass(slots=True)
class StatementLog:
    """Reads the server's log from where it was read last."""

    path: Path
    position: int = field(default=0)

    def read(self) -> list[str]:
        """Return the statements since the last reading, without the names of schemas."""
        with self.path.open("rb") as log:
            log.seek(self.position)
            text_ = log.read().decode(errors="replace")
            self.position = log.tell()
        statements = [match[1] for match in _STATEMENT.finditer(text_)]
        return [_NAMES.sub("t_x", one) for one in statements if not _CHORES.match(one)]


@contextmanager
def statement_log(owner: Engine) -> Iterator[StatementLog]:
    """Let the server log every statement of the application; connections from before are ended, PgBouncer's too."""
    with owner.begin() as connection:
        directory = Path(connection.scalar(text("SHOW data_directory")) or "")
        connection.execute(text("ALTER ROLE comptoir_app SET log_statement = 'all'"))
    _end_connections(owner)
    log = StatementLog(directory.parent.parent / "log" / "postgres.log")
    try:
        log.read()
        yield log
    finally:
        with owner.begin() as connection:
            connection.execute(text("ALTER ROLE comptoir_app RESET log_statement"))
        _end_connections(owner)


def _end_connections(owner: Engine) -> None:
    query = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'comptoir_app'"
    with owner.begin() as connection:
        connection.execute(text(query))
