"""Posting over the API: one entry with 1 and 8 clients, batches of 1,000; each beside its floor."""

import json
import secrets
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from tests.bench import client
from tests.bench.stage import Books, Stage, forked, open_account, open_books, web_process
from tests.bench.table import middle, percentile, show

RUNS = 3
SECONDS = 3.0
BATCH = 1000
BATCH_RUNS = 7


def _worker(load: client.Load, barrier: Any, results: Any) -> None:
    client.run(load, barrier.wait, results.put)


def load(port: int, books: Books, path: str, body: bytes, *, clients: int, seconds: float = SECONDS) -> list[float]:
    """Let clients call one route at once and return the seconds of each call."""
    context = forked()
    barrier, results = context.Barrier(clients + 1), context.Queue()
    job = client.Load(port, f"/api/v1/t/{books.slug}{path}", books.token, body, seconds)
    processes = [context.Process(target=_worker, args=(job, barrier, results)) for _ in range(clients)]
    for process in processes:
        process.start()
    barrier.wait(60)
    took: list[float] = []
    for _ in processes:
        took += results.get(timeout=seconds + 60)
    for process in processes:
        process.join(10)
    return took


def entry(accounts: tuple[int, int], amount: str = "12.34") -> dict[str, Any]:
    """Return the JSON of one entry between two accounts."""
    return {
        "date": "2026-01-31",
        "description": "Office rent",
        "postings": [
            {"account_id": accounts[0], "amount": f"-{amount}", "currency": "EUR"},
            {"account_id": accounts[1], "amount": amount, "currency": "EUR"},
        ],
    }


def single(port: int, books: Books, accounts: tuple[int, int]) -> None:
    """Measure one entry a request."""
    body = json.dumps(entry(accounts)).encode()
    rows = []
    for clients in (1, 8):
        rates: dict[str, list[float]] = {"floor": [], "post": []}
        tails: dict[str, list[float]] = {"floor": [], "post": []}
        halves: dict[str, list[float]] = {"floor": [], "post": []}
        for _ in range(RUNS):
            for name, path, sent in (("floor", "/bench/row", b""), ("post", "/entries", body)):
                took = load(port, books, path, sent, clients=clients)
                rates[name].append(len(took) / SECONDS)
                tails[name].append(percentile(took, 99) * 1000)
                halves[name].append(percentile(took, 50) * 1000)
        ratio = middle(rates["post"]) / middle(rates["floor"])
        for name, label in (("floor", "bind and read one row"), ("post", "POST /entries")):
            rows.append(
                [
                    f"{label}, {clients} client{'s' if clients > 1 else ''}",
                    f"{middle(rates[name]):.0f}",
                    f"{middle(halves[name]):.2f}",
                    f"{middle(tails[name]):.2f}",
                    "floor" if name == "floor" else f"{ratio:.0%}",
                ]
            )
    show(
        f"One entry over the API, one web process (medians of {RUNS} runs of {SECONDS:.0f} s)",
        ["", "requests/s", "p50 ms", "p99 ms", "of the floor"],
        rows,
    )


def batches(on: Stage, port: int, books: Books, accounts: tuple[int, int]) -> None:
    """Measure batches of 1,000 entries beside COPY of the same rows into the same tables, triggers and all."""
    wire = client.Wire(port)
    post, copy = [], []
    for run in range(BATCH_RUNS + 2):
        body = json.dumps({"entries": [entry(accounts, f"{n}.{run:02d}") for n in range(1, BATCH + 1)]}).encode()
        request = wire.request(
            "POST", f"/api/v1/t/{books.slug}/entries/batch", token=books.token, key=secrets.token_hex(8), body=body
        )
        began = time.perf_counter()
        status, answer = wire.call(request)
        post.append(time.perf_counter() - began)
        if status != 201:
            raise RuntimeError(answer.decode()[:500])
        began = time.perf_counter()
        copy_entries(on, books, accounts, run)
        copy.append(time.perf_counter() - began)
    floor, reached = middle(copy[2:]), middle(post[2:])
    show(
        f"Batches of {BATCH:,} entries (medians of {BATCH_RUNS} batches)",
        ["", "entries/s", "ms", "of the floor's time"],
        [
            ["COPY into the same tables", f"{BATCH / floor:,.0f}", f"{floor * 1000:.0f}", "floor"],
            ["POST /entries/batch", f"{BATCH / reached:,.0f}", f"{reached * 1000:.0f}", f"{reached / floor:.1f}x"],
        ],
    )


def copy_entries(on: Stage, books: Books, accounts: tuple[int, int], run: int) -> None:
    """Book a batch's rows by two COPY statements in one transaction."""
    with on.database.tenant(books.ref) as session:
        driver = session.connection().connection.driver_connection
        ids = [row[0] for row in driver.execute("SELECT nextval('entry_id_seq') FROM generate_series(1, %s)", (BATCH,))]
        at, by = datetime.now(UTC), UUID(int=0)
        with driver.cursor().copy("COPY entry (id, day, description, created_at, created_by) FROM STDIN") as rows:
            for key in ids:
                rows.write_row((key, "2026-01-31", "Office rent", at, by))
        with driver.cursor().copy(
            "COPY posting (entry_id, position, day, account_id, amount, currency) FROM STDIN",
        ) as rows:
            for n, key in enumerate(ids, 1):
                amount = n * 100 + run
                rows.write_row((key, 1, "2026-01-31", accounts[0], -amount, "EUR"))
                rows.write_row((key, 2, "2026-01-31", accounts[1], amount, "EUR"))


def measure(on: Stage) -> None:
    """Run the benches of posting."""
    books = open_books(on, "posting")
    with web_process(on) as port:
        accounts = (
            open_account(port, books, name="Bank", kind="asset"),
            open_account(port, books, name="Rent", kind="expense"),
        )
        single(port, books, accounts)
        batches(on, port, books, accounts)
