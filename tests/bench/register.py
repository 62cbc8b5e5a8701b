"""The register's page with 1,000,000 entries: first, deep and searched; beside the same page of empty books."""

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from itsdangerous import URLSafeSerializer
from sqlalchemy import text

from tests.bench.client import Wire
from tests.bench.stage import SECRET, STAGE, Books, Stage, open_account, open_books, web_process
from tests.bench.table import percentile, show
from webapp.identity import sessions

ENTRIES = 1_000_000
STEP = 50_000
REQUESTS = 120
PAGE_ROWS = 60
DEEP_PAGE = 5_000
REACH_MS = 60

_FILL = text("""
    WITH made AS MATERIALIZED (
        SELECT nextval('entry_id_seq') AS id, n, DATE '2016-01-01' + CAST(n / 300 AS int) AS day,
            'Shop ' || (n * 7919) % 5000 AS counterparty, 'Purchase ' || n || ' at the counter' AS description,
            1 + (n * 104729) % 499900 AS amount
        FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
    ), entries AS (
        INSERT INTO entry (id, day, counterparty, description, created_at, created_by)
        SELECT id, day, counterparty, description, :at, :by FROM made
    )
    INSERT INTO posting (entry_id, position, day, account_id, amount, currency)
    SELECT id, side, day, CASE side WHEN 1 THEN :bank + n % 3 ELSE :cost + n % 20 END,
        CASE side WHEN 1 THEN -amount ELSE amount END, 'EUR'
    FROM made CROSS JOIN (VALUES (1), (2)) AS sides (side)
""")
_DEEP = text("SELECT day, id FROM entry ORDER BY day DESC, id DESC OFFSET :skipped LIMIT 1")


@dataclass(frozen=True, slots=True)
class Reader:
    """A signed-in browser of one workspace, on one connection."""

    wire: Wire
    slug: str
    session: str

    def seconds(self, path: str) -> float:
        """Open a page and return the seconds until all of it was here."""
        request = (
            f"GET /t/{self.slug}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\n"
            f"Cookie: comptoir={self.session}\r\n\r\n"
        ).encode()
        began = time.perf_counter()
        status, body = self.wire.call(request)
        took = time.perf_counter() - began
        if status != 200:
            raise RuntimeError(f"{path} answered {status}: {body[:300]!r}")
        return took


def sign_in(on: Stage, port: int, books: Books) -> Reader:
    """Open a session for the owner of a workspace."""
    secret = secrets.token_urlsafe(32)
    with on.database.platform() as session:
        person_id = session.scalar(
            text("SELECT person_id FROM membership WHERE tenant_id = :tenant"), {"tenant": books.ref.id}
        )
        sessions.open_session(
            session=session,
            actor=STAGE,
            at=datetime.now(UTC),
            session_id=uuid4(),
            secret=secret,
            person_id=person_id,
            life=timedelta(days=1),
            user_agent="bench",
        )
    return Reader(Wire(port), books.slug, secret)


def fill(on: Stage, port: int, books: Books) -> None:
    """Book the entries, between 3 bank accounts and 20 categories."""
    banks = [open_account(port, books, name=f"Bank {n}", kind="asset") for n in range(3)]
    costs = [open_account(port, books, name=f"Cost {n}", kind="expense") for n in range(20)]
    for first in range(0, ENTRIES, STEP):
        with on.database.tenant(books.ref) as session:
            values = {"first": first, "last": first + STEP - 1, "at": datetime.now(UTC), "by": uuid4()}
            session.execute(text("SET LOCAL statement_timeout = 0"))
            session.execute(_FILL, values | {"bank": banks[0], "cost": costs[0]})
    with on.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in ("entry", "posting"):
            connection.exec_driver_sql(f"VACUUM ANALYZE {books.ref.schema}.{table}")


def cursor(on: Stage, books: Books) -> str:
    """Return the cursor that stands before page 5,000 of the register."""
    with on.database.tenant(books.ref) as session:
        day, key = session.execute(_DEEP, {"skipped": DEEP_PAGE * PAGE_ROWS}).one()
    signer = URLSafeSerializer(SECRET, salt="cursor/register/all/down")
    written: str = signer.dumps([day.isoformat(), key, 1])  # type: ignore[assignment]
    return written


def measure(on: Stage) -> None:
    """Measure and print."""
    with web_process(on) as port:
        empty, books = open_books(on, "register-empty"), open_books(on, "register")
        fill(on, port, books)
        nothing, reader = sign_in(on, port, empty), sign_in(on, port, books)
        pages = [
            ("the page of empty books (floor)", nothing, "/entries"),
            ("first page", reader, "/entries"),
            (f"page {DEEP_PAGE:,}", reader, f"/entries?after={cursor(on, books)}"),
            ("searched by a rare word", reader, "/entries?q=zebra"),
            ("searched by a number", reader, "/entries?q=777777"),
            ("searched by a common word", reader, "/entries?q=counter"),
            ("searched by an amount", reader, "/entries?q=amount%3A12.34"),
            ("searched by a category and words that never meet", reader, "/entries?q=category%3A%22Cost+3%22+zebra"),
            ("searched by a month", reader, "/entries?q=date%3A2020-11"),
            ("one account, with its running balance", reader, "/accounts/1"),
        ]
        took: dict[str, list[float]] = {name: [] for name, _, _ in pages}
        for _ in range(3):
            for _, who, path in pages:
                who.seconds(path)
        for _ in range(REQUESTS):
            for name, who, path in pages:
                took[name].append(who.seconds(path) * 1000)
    show(
        f"Register with {ENTRIES:,} entries, one client, {REQUESTS} requests each in turn (reach: p95 {REACH_MS} ms)",
        ("", "p50 ms", "p95 ms", "p99 ms"),
        [
            (name, f"{percentile(ms, 50):.1f}", f"{percentile(ms, 95):.1f}", f"{percentile(ms, 99):.1f}")
            for name, ms in took.items()
        ],
    )
