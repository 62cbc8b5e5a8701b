"""An act on many rows takes its time by their number, also on a connection that has only seen acts on a few.

The database keeps the plan of each check of the books for as long as a connection lives: one that was made for two rows
and compares every row with every other would not come to its end with 20,000.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.cast import Cast
from tests.tenants.money.stage import assert_books, open_account

ROWS = 20_000
FEW_TIMES = 8
SECONDS_MAX = 8

BOOK = (
    "INSERT INTO entry (id, day, description, created_at, created_by)"
    " SELECT n, '2026-02-01', 'x', now(), gen_random_uuid() FROM generate_series(CAST(:low AS bigint), :high) AS n",
    "INSERT INTO posting (entry_id, position, day, account_id, amount, currency)"
    " SELECT n, side, '2026-02-01', CASE side WHEN 1 THEN :bank ELSE :cost END, CASE side WHEN 1 THEN n ELSE -n END,"
    " 'EUR' FROM generate_series(CAST(:low AS bigint), :high) AS n, generate_series(1, 2) AS side",
)
MOVE = ("UPDATE entry SET day = day + 1 WHERE id BETWEEN :low AND :high",)
CLEAR = ("UPDATE posting SET cleared = true WHERE entry_id BETWEEN :low AND :high",)
REMOVE = (
    "DELETE FROM posting WHERE entry_id BETWEEN :low AND :high",
    "DELETE FROM entry WHERE id BETWEEN :low AND :high",
)


def test_a_large_act_after_small_ones_does_not_compare_every_row_with_every_other(cast: Cast) -> None:
    where = cast.acme
    accounts = {"bank": open_account(where, "Bank"), "cost": open_account(where, "Costs", "expense")}

    def act(session: Session, statements: tuple[str, ...], low: int, high: int) -> None:
        session.execute(text(f"SET LOCAL statement_timeout = '{SECONDS_MAX}s'"))
        for statement in statements:
            session.execute(text(statement), {"low": low, "high": high, **accounts})

    backends = set()
    for low, high in [*((n, n) for n in range(1, FEW_TIMES + 1)), (1_000, 1_000 + ROWS)]:
        for statements in (BOOK, MOVE, CLEAR, REMOVE):
            with where.begin() as session:
                act(session, statements, low, high)
                backends.add(session.scalar(text("SELECT pg_backend_pid()")))
    assert len(backends) == 1
    assert_books(where)
