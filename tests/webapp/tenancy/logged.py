"""The lines that the application writes to its log, as they leave it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog


@contextmanager
def rendered_logs() -> Iterator[list[str]]:
    """Collect every line of structlog and of the standard library's loggers."""
    lines: list[str] = []

    def keep(_logger: Any, _name: str, line: Any) -> Any:
        lines.append(str(line))
        return line

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    # Loggers that were used already hold this very list.
    processors = structlog.get_config()["processors"]
    processors.append(keep)
    keeper = Keeper()
    logging.getLogger().addHandler(keeper)
    try:
        yield lines
    finally:
        processors.remove(keep)
        logging.getLogger().removeHandler(keeper)
