"""A 100,000-row statement from upload to published, again, and back out; beside a bare COPY of the same rows.

`fill` entries are booked beforehand for the second part, to see what a row costs in full books.
"""

import datetime as dt
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.bench.stage import Books, Stage, open_account, open_books, web_process
from tests.bench.table import middle, show

ROWS = 100_000
FILL = 1_000_000
RUNS = 3
SMALL = 6
"""So many statements of a few rows come first, as in life: what connections keep of them must not slow a large one."""
POLL_SECONDS = 0.05
BESIDE = 1_000_000_000
"""Added to the ids of what is copied into books that hold it already."""
BOUNDARY = "comptoir-bench"


@dataclass(slots=True)
class Times:
    """Seconds of each part, one value for each run."""

    published: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    """A bare COPY of the same entries and postings into the same tables, as full as the import found them."""
    again: list[float] = field(default_factory=list)
    undone: list[float] = field(default_factory=list)


def statement(seed: int, *, rows: int = ROWS, start: dt.date = dt.date(2024, 1, 1)) -> bytes:
    """Return a statement of so many rows, 300 a day, with amounts, payees and texts that are the seed's own."""
    chance = random.Random(seed)  # noqa: S311 - figures, no secrets
    lines = ["Date,Payee,Description,Amount,Currency"]
    for number in range(rows):
        day = start + dt.timedelta(days=number // 300)
        amount = f"{chance.choice('- ')}{chance.randrange(1, 5000)}.{chance.randrange(100):02d}".strip()
        payee = f"Shop {chance.randrange(5000)}"
        lines.append(f"{day},{payee},Purchase {seed}-{number} at the counter,{amount},EUR")
    return "\n".join(lines).encode()


@contextmanager
def worker_process(on: Stage) -> Iterator[int]:
    """Run one worker in a process of its own and give its process id."""
    code = "from webapp.settings import Settings; from webapp.worker import work; work(Settings.from_environ())"
    with (on.folder / "worker.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-c", code], env=on.environ(), stdout=log, stderr=log)
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(20)


class Caller:
    """Calls the API of one workspace."""

    def __init__(self, port: int, books: Books) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=120)
        self._books = books

    def call(self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json") -> Any:
        """Return the JSON of an answer; raises RuntimeError for a refusal."""
        headers = {"Authorization": f"Bearer {self._books.token}", "Content-Type": content_type}
        self._connection.request(method, f"/api/v1/t/{self._books.slug}{path}", body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise RuntimeError(content.decode())
        return json.loads(content)

    def bring(self, content: bytes, account: int) -> tuple[int, float]:
        """Upload a statement with publish=auto; return the import's id and the seconds until it is published."""
        body = _multipart(content, account)
        began = time.perf_counter()
        made = self.call("POST", "/imports", body, f"multipart/form-data; boundary={BOUNDARY}")
        self.wait(made["id"], "published")
        return made["id"], time.perf_counter() - began

    def undo(self, import_id: int) -> float:
        """Undo an import and return the seconds that it took."""
        began = time.perf_counter()
        self.call("POST", f"/imports/{import_id}/reversal")
        self.wait(import_id, "reversed")
        return time.perf_counter() - began

    def wait(self, import_id: int, state: str) -> None:
        """Wait until an import is in a state; raises RuntimeError when it comes to rest in another."""
        while True:
            found = self.call("GET", f"/imports/{import_id}")
            if found["state"] == state:
                return
            if found["state"] in {"failed", "review", "needs_mapping"}:
                raise RuntimeError(json.dumps(found))
            time.sleep(POLL_SECONDS)


def _multipart(content: bytes, account: int) -> bytes:
    fields = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("account_id", account), ("publish", "auto"))
    )
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    return fields.encode() + head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


_ENTRIES = ("id", "day", "description", "counterparty", "created_at", "created_by", "import_id", "import_position")
_POSTINGS = ("entry_id", "position", "day", "account_id", "amount", "currency")


def copied(on: Stage, books: Books, import_id: int, number: int) -> float:
    """Copy an import's entries and postings into a fresh workspace by bare COPY; return the seconds."""
    with on.database.tenant(books.ref) as session:
        driver: Any = session.connection().connection.driver_connection
        entries = _read(driver, f"SELECT {', '.join(_ENTRIES)} FROM entry WHERE import_id = {import_id} ORDER BY id")
        postings = _read(
            driver,
            f"SELECT {', '.join(_POSTINGS)} FROM posting WHERE entry_id IN"
            f" (SELECT id FROM entry WHERE import_id = {import_id}) ORDER BY entry_id, position",
        )
        accounts = _read(driver, "SELECT id, kind, name, currency, created_at FROM account")
    fresh = open_books(on, f"floor-{number}")
    with on.database.tenant(fresh.ref) as session:
        driver = session.connection().connection.driver_connection
        _write(driver, "account (id, kind, name, currency, created_at)", accounts)
    began = time.perf_counter()
    with on.database.tenant(fresh.ref) as session:
        driver = session.connection().connection.driver_connection
        _write(driver, f"entry ({', '.join(_ENTRIES)})", entries)
        _write(driver, f"posting ({', '.join(_POSTINGS)})", postings)
    return time.perf_counter() - began


def copied_beside(on: Stage, books: Books, import_id: int) -> float:
    """Copy an import's entries and postings beside them under other ids by bare COPY, roll back; return the seconds."""
    entries = {"id": f"id + {BESIDE}", "import_id": f"import_id + {BESIDE}"}
    postings = {"entry_id": f"entry_id + {BESIDE}"}
    with on.database.tenant(books.ref) as session:
        driver: Any = session.connection().connection.driver_connection
        of_entries = _read(
            driver,
            f"SELECT {', '.join(entries.get(name, name) for name in _ENTRIES)} FROM entry"
            f" WHERE import_id = {import_id} ORDER BY id",
        )
        of_postings = _read(
            driver,
            f"SELECT {', '.join(postings.get(name, name) for name in _POSTINGS)} FROM posting WHERE entry_id IN"
            f" (SELECT id FROM entry WHERE import_id = {import_id}) ORDER BY entry_id, position",
        )
        began = time.perf_counter()
        _write(driver, f"entry ({', '.join(_ENTRIES)})", of_entries)
        _write(driver, f"posting ({', '.join(_POSTINGS)})", of_postings)
        session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        seconds = time.perf_counter() - began
        session.rollback()
    return seconds


def _read(driver: Any, query: str) -> bytes:
    with driver.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
        return b"".join(bytes(part) for part in copy)


def _write(driver: Any, table: str, content: bytes) -> None:
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
        copy.write(content)


def peak_megabytes(pid: int) -> float:
    """Return the most memory that a process has had, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure(on: Stage) -> None:
    """Measure and print."""
    with web_process(on) as port, worker_process(on) as pid:
        empty, full = Times(), Times()
        for run in range(RUNS):
            books = open_books(on, f"import-{run}")
            one_round(on, port, books, empty, seed=run)
        books = open_books(on, "import-full")
        account = open_account(port, books, name="Bank", kind="asset")
        caller = Caller(port, books)
        for part in range(FILL // ROWS):
            caller.bring(statement(100 + part, start=dt.date(1990 + part, 1, 1)), account)
        settle(on, books)
        into_full_books(on, caller, books, full, account)
        peak = peak_megabytes(pid)
    report(empty, full, peak)


def settle(on: Stage, books: Books) -> None:
    """Vacuum a workspace's tables: books that grew over years are, those that were filled in a minute are not yet."""
    with on.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in ("entry", "posting", "import_row", "statement_key", "account_day"):
            connection.execute(text(f'VACUUM (ANALYZE) "{books.ref.schema}".{table}'))


def into_full_books(on: Stage, caller: Caller, books: Books, times: Times, account: int) -> None:
    """Import as many statements as into empty books, a year apart; then each again, then take them back out.

    Of the same year, rows of one statement would be doubtful beside those of another. No undo comes between them, as
    none comes before the imports into empty books.
    """
    brought = []
    for run in range(RUNS):
        small_statements(caller, account, seed=run)
        import_id, seconds = caller.bring(_of_year(run), account)
        times.published.append(seconds)
        brought.append(import_id)
    for run in range(RUNS):
        times.again.append(caller.bring(_of_year(run), account)[1])
    times.floor.extend(copied_beside(on, books, import_id) for import_id in brought)
    for import_id in reversed(brought):
        times.undone.append(caller.undo(import_id))
    check_balance(on, books)


def _of_year(run: int) -> bytes:
    return statement(run, start=dt.date(2024 + run, 1, 1))


def small_statements(caller: Caller, account: int, *, seed: int) -> None:
    """Bring and undo statements of a few rows."""
    for number in range(SMALL):
        caller.undo(caller.bring(statement(10_000 + seed * SMALL + number, rows=5), account)[0])


def check_balance(on: Stage, books: Books) -> None:
    """Raise RuntimeError unless every entry balances."""
    unbalanced = "SELECT count(*) FROM (SELECT FROM posting GROUP BY entry_id HAVING sum(amount) <> 0 LIMIT 1) AS wrong"
    with on.database.tenant(books.ref) as session:
        if session.scalar(text(unbalanced)):
            raise RuntimeError("the books do not balance")


def one_round(on: Stage, port: int, books: Books, times: Times, *, seed: int) -> None:
    """Import a statement into empty books, copy the same rows, import it again, undo it."""
    account = open_account(port, books, name="Bank", kind="asset")
    caller, content = Caller(port, books), statement(seed)
    small_statements(caller, account, seed=seed)
    import_id, seconds = caller.bring(content, account)
    times.published.append(seconds)
    times.floor.append(copied(on, books, import_id, seed))
    times.again.append(caller.bring(content, account)[1])
    times.undone.append(caller.undo(import_id))
    check_balance(on, books)


def report(empty: Times, full: Times, peak: float) -> None:
    """Print what was measured."""
    published, floor = middle(empty.published), middle(empty.floor)
    rows = [
        ("bare COPY of its entries and postings (floor)", f"{floor:.2f}", f"{ROWS / floor:,.0f}", ""),
        (
            "import, upload to published",
            f"{published:.2f}",
            f"{ROWS / published:,.0f}",
            f"{published / floor:.2f}x floor",
        ),
        (
            "the same file again",
            f"{middle(empty.again):.2f}",
            f"{ROWS / middle(empty.again):,.0f}",
            f"{middle(empty.again) / published:.2f}x import",
        ),
        (
            "undo",
            f"{middle(empty.undone):.2f}",
            f"{ROWS / middle(empty.undone):,.0f}",
            f"{middle(empty.undone) / published:.2f}x import",
        ),
        (
            f"import into {FILL:,} entries",
            f"{middle(full.published):.2f}",
            f"{ROWS / middle(full.published):,.0f}",
            f"{middle(full.published) / published:.2f}x empty",
        ),
        (
            "bare COPY into them (their own floor)",
            f"{middle(full.floor):.2f}",
            f"{ROWS / middle(full.floor):,.0f}",
            f"{middle(full.floor) / floor:.2f}x empty; the import {middle(full.published) / middle(full.floor):.2f}x",
        ),
        ("the same file again, full", f"{middle(full.again):.2f}", f"{ROWS / middle(full.again):,.0f}", ""),
        ("undo, full", f"{middle(full.undone):.2f}", f"{ROWS / middle(full.undone):,.0f}", ""),
    ]
    show(
        f"Import of {ROWS:,} rows (medians of {RUNS}); peak memory of the worker {peak:.0f} MB",
        ("what", "seconds", "rows/s", ""),
        rows,
    )
