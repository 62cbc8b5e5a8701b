"""What the tests of the readers share: one call that recognises and reads a whole statement."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tenants.money.imports.readers.lines import Ignored, Line, Row, StatedBalance, Wrong
from tenants.money.imports.readers.mapping import Mapping
from tenants.money.imports.readers.read import read
from tenants.money.imports.readers.recognise import Recognition, recognise

SAMPLES = Path(__file__).parents[4] / "samples" / "statements"


@dataclass
class Result:
    """Everything that one statement says."""

    recognition: Recognition
    rows: list[Row]
    balances: tuple[StatedBalance, ...]
    labels: dict[tuple[str | None, str], int]

    @property
    def lines(self) -> list[Line]:
        return [row for row in self.rows if isinstance(row, Line)]

    @property
    def wrong(self) -> list[Wrong]:
        return [row for row in self.rows if isinstance(row, Wrong)]

    @property
    def ignored(self) -> list[Ignored]:
        return [row for row in self.rows if isinstance(row, Ignored)]


Reads = Callable[..., Result]


def read_all(data: bytes | str, *, currency: str = "EUR", mapping: Mapping | None = None, chunk: int = 1000) -> Result:
    """Recognise and read a statement in small chunks."""
    content = data.encode() if isinstance(data, str) else data
    found = recognise(content, size=len(content))
    chunks = (content[i : i + chunk] for i in range(0, len(content), chunk))
    reading = read(chunks, found, mapping=mapping, default_currency=currency, max_rows=100_000)
    rows = list(reading)
    return Result(found, rows, reading.balances, dict(reading.labels))


@pytest.fixture
def reads() -> Reads:
    """Read a statement from bytes or text."""
    return read_all


@pytest.fixture
def sample() -> Callable[[str], bytes]:
    """Return the bytes of a sample statement, by its path below samples/statements."""
    return lambda name: (SAMPLES / name).read_bytes()
