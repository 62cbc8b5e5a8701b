"""Whoever looks into the books themselves, past the product: all the time, and at the end."""

import contextlib
import threading
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.journeys.bookkeepers import ROWS
from webapp.embedded.postgres import EmbeddedPostgres

LOOK_SECONDS = 0.01
WORKING = frozenset({"received", "recognising", "checking", "publishing"})
IMPORTS = """
    SELECT i.id, i.state, (SELECT count(*) FROM entry e WHERE e.import_id = i.id)
    FROM import i WHERE i.state <> 'published' OR i.published_at > now() - interval '5 seconds'
"""


class Auditor(threading.Thread):
    """Looks at the books all the time: an import is there with all its rows or with none."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(daemon=True)
        self.postgres = EmbeddedPostgres(data_dir)
        self.over = threading.Event()
        self.looks = 0
        self.states: dict[int, str] = {}
        self.faults: list[str] = []
        self.failure: BaseException | None = None

    def connect(self) -> psycopg.Connection[Any] | None:
        """Sign in as the owner, in the workspace's schema; None while the database is away."""
        with contextlib.suppress(psycopg.OperationalError):
            dsn = self.postgres.running_dsn()
            if dsn is None:
                return None
            books = psycopg.connect(dsn, autocommit=True)
            found = books.execute("SELECT id FROM platform.tenant WHERE slug = 'acme'").fetchone()
            assert found is not None
            books.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(f"t_{found[0].hex}")))
            return books
        return None

    def run(self) -> None:
        """Look until it is over; a lost connection is made again."""
        books = None
        try:
            while not self.over.wait(LOOK_SECONDS):
                books = books or self.connect()
                if books is None:
                    continue
                try:
                    self.look(books)
                except psycopg.OperationalError:
                    books.close()
                    books = None
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.failure = error
        finally:
            if books is not None:
                books.close()

    def look(self, books: psycopg.Connection[Any]) -> None:
        """Look once; one statement sees one moment."""
        for import_id, state, entries in books.execute(IMPORTS):
            self.states[import_id] = state
            if entries != (ROWS if state == "published" else 0):
                self.faults.append(f"import {import_id} is {state} and has {entries} entries")
        self.looks += 1

    def working(self) -> set[str]:
        """Return the states of imports that are being worked on, as last seen."""
        return {state for state in self.states.values() if state in WORKING}


UNBALANCED = "SELECT entry_id, currency, sum(amount) FROM posting GROUP BY 1, 2 HAVING sum(amount) <> 0"
WITHOUT_POSTINGS = "SELECT id FROM entry e WHERE (SELECT count(*) FROM posting p WHERE p.entry_id = e.id) <> 2"
WRONG_BALANCES = """
    SELECT a.id, b.balance, p.sum, b.postings, p.count FROM account a LEFT JOIN account_balance b ON b.account_id = a.id
    LEFT JOIN (SELECT account_id, sum(amount), count(*) FROM posting GROUP BY 1) p ON p.account_id = a.id
    WHERE coalesce(b.balance, 0) <> coalesce(p.sum, 0) OR coalesce(b.postings, 0) <> coalesce(p.count, 0)
"""
WRONG_DAYS = """
    SELECT * FROM account_day d FULL JOIN (
        SELECT account_id, day, coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS debit,
            coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) AS credit
        FROM posting GROUP BY 1, 2
    ) p USING (account_id, day)
    WHERE (coalesce(d.debit, 0), coalesce(d.credit, 0)) IS DISTINCT FROM (coalesce(p.debit, 0), coalesce(p.credit, 0))
"""
WRONG_KEYS = """
    SELECT k.import_id, count(*) FROM statement_key k
    LEFT JOIN entry e ON e.id = k.entry_id AND e.import_id = k.import_id
    GROUP BY 1 HAVING count(*) <> %(rows)s OR count(e.id) <> %(rows)s OR count(DISTINCT e.import_position) <> %(rows)s
"""
JOBS_NOT_DONE = "SELECT id, kind, state, attempts, error FROM platform.job WHERE state <> 'done'"


def check_books(books: psycopg.Connection[Any]) -> None:
    """See that what was booked adds up, and that nothing is left half done."""
    for query in (UNBALANCED, WITHOUT_POSTINGS, WRONG_BALANCES, WRONG_DAYS, JOBS_NOT_DONE):
        assert books.execute(query).fetchall() == [], query
    assert books.execute(WRONG_KEYS, {"rows": ROWS}).fetchall() == []
    (total,) = books.execute("SELECT coalesce(sum(balance), 0) FROM account_balance").fetchone() or (None,)
    assert total == 0


def check_acked(books: psycopg.Connection[Any], acked: dict[str, int]) -> None:
    """See that what was acknowledged is there exactly once, under the id that was told, and nothing else is."""
    found = books.execute("SELECT description, id FROM entry WHERE import_id IS NULL").fetchall()
    assert len(found) == len(acked)
    assert dict(found) == acked
    keys = books.execute("SELECT key, CAST(body AS json) ->> 'id' FROM idempotency WHERE status = 201").fetchall()
    told = {key: int(entry) for key, entry in keys if key in acked}
    assert told == acked


def check_imports(books: psycopg.Connection[Any], published: list[int]) -> None:
    """See that every import is booked with exactly its rows, and that it was booked once."""
    found = books.execute("""
        SELECT i.id, i.state, (SELECT count(*) FROM entry e WHERE e.import_id = i.id),
            (SELECT count(*) FROM import_row r WHERE r.import_id = i.id),
            (SELECT count(*) FROM audit_event a WHERE a.action = 'import.published' AND a.object_id = i.id::text)
        FROM import i ORDER BY i.id
    """).fetchall()
    assert found == [(one, "published", ROWS, ROWS, 1) for one in sorted(published)]
