"""Posting over the API: one entry with 1 and 8 clients, batches of 1,000; each beside its floor."""

import json
import multiprocessing
import threading
from typing import Any

from tests.bench import client
from tests.bench.stage import Books, Stage, forked, open_account, open_books, web_process
from tests.bench.table import middle, percentile, show

RUNS = 3
SECONDS = 3.0


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
    return {"date": "2026-01-31", "description": "Office rent", "postings": [
        {"account_id": accounts[0], "amount": f"-{amount}", "currency": "EUR"},
        {"account_id": accounts[1], "amount": amount, "currency": "EUR"},
    ]}


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
            rows.append([
                f"{label}, {clients} client{'s' if clients > 1 else ''}", f"{middle(rates[name]):.0f}",
                f"{middle(halves[name]):.2f}", f"{middle(tails[name]):.2f}",
                "floor" if name == "floor" else f"{ratio:.0%}",
            ])
    show(f"One entry over the API, one web process (medians of {RUNS} runs of {SECONDS:.0f} s)",
         ["", "requests/s", "p50 ms", "p99 ms", "of the floor"], rows)


def measure(on: Stage) -> None:
    """Run the benches of posting."""
    books = open_books(on, "posting")
    with web_process(on) as port:
        accounts = (open_account(port, books, name="Bank", kind="asset"),
                    open_account(port, books, name="Rent", kind="expense"))
        single(port, books, accounts)
