"""AuthZEN over HTTP beside hello-JSON of the same server: evaluations, batches of 100, how soon all see a version.

The clients are threads of this process, for the floor as for the product.
"""

import json
import threading
import time
from datetime import UTC, datetime
from uuid import uuid4

from tenants.demo.certification import POLICIES, SCHEMA, SLUG, ensure_certification
from tenants.office.policies.versions import activate, save_draft
from tests.bench.client import Wire
from tests.bench.stage import STAGE, Books, Stage, open_books, web_process
from tests.bench.table import middle, percentile, show

RUNS = 3
SECONDS = 2.0
BATCH = 100
BATCHES = 60
FORBID = '\nforbid (principal, action == Action::"read", resource == record::"record-1");\n'
ASKED = {
    "subject": {"type": "user", "id": "alice"},
    "action": {"name": "read"},
    "resource": {"type": "record", "id": "record-1"},
}


def _calls(port: int, request: bytes, seconds: float, connections: int) -> list[float]:
    """Send one request again and again over some connections and return the seconds of each call."""
    took: list[float] = []
    barrier = threading.Barrier(connections)

    def client() -> None:
        wire, mine = Wire(port), []
        for _ in range(20):
            wire.call(request)
        barrier.wait(60)
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            status, answer = wire.call(request)
            mine.append(time.perf_counter() - began)
            if status != 200:
                raise RuntimeError(f"answered {status}: {answer[:300]!r}")
        took.extend(mine)

    clients = [threading.Thread(target=client) for _ in range(connections)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    return took


def _post(books: Books, path: str, body: object) -> bytes:
    address = f"/t/{books.slug}/access/{SLUG}/access/v1/{path}"
    return Wire.request("POST", address, token=books.token, body=json.dumps(body).encode())


def _singles(port: int, books: Books) -> None:
    rows = []
    for connections in (1, 16):
        cases = {
            "hello-JSON (floor)": Wire.request("GET", "/bench/hello"),
            "evaluation": _post(books, "evaluation", ASKED),
        }
        taken: dict[str, list[list[float]]] = {name: [] for name in cases}
        for _ in range(RUNS):
            for name, request in cases.items():
                taken[name].append(_calls(port, request, SECONDS, connections))
        rates = {name: middle([len(run) / SECONDS for run in runs]) for name, runs in taken.items()}
        floor = next(iter(rates.values()))
        for name, runs in taken.items():
            halves, tails = ([percentile(run, share) * 1000 for run in runs] for share in (50, 99))
            label = f"{name}, {connections} connection{'s' if connections > 1 else ''}"
            rows.append(
                [
                    label,
                    f"{rates[name]:.0f}",
                    f"{middle(halves):.2f}",
                    f"{middle(tails):.2f}",
                    f"{rates[name] / floor:.0%}",
                ]
            )
    show(
        f"AuthZEN evaluation, one web process (medians of {RUNS} runs of {SECONDS:.0f} s)",
        ["", "requests/s", "p50 ms", "p99 ms", "of the floor"],
        rows,
    )


def _batches(port: int, books: Books) -> None:
    wire, rows = Wire(port), []
    for label, fresh in (("every request new", True), ("requests that were asked before", False)):
        took = []
        for run in range(BATCHES):
            number = run if fresh else 0
            items = [
                {"subject": {"type": "user", "id": f"u{number}-{n}"}, "resource": {"type": "record", "id": f"r{n % 7}"}}
                for n in range(BATCH)
            ]
            request = _post(books, "evaluations", {"action": {"name": "write"}, "evaluations": items})
            began = time.perf_counter()
            status, answer = wire.call(request)
            took.append(time.perf_counter() - began)
            if status != 200 or len(json.loads(answer)["evaluations"]) != BATCH:
                raise RuntimeError(answer.decode()[:300])
        rows.append([label, f"{middle(took) * 1000:.2f}", f"{BATCH / middle(took):,.0f}"])
    show(f"AuthZEN evaluations, {BATCH} in a request, one connection", ["", "p50 ms", "decisions/s"], rows)


def _activation(on: Stage, ports: tuple[int, ...], books: Books) -> None:
    """Activate a version in this process and measure until every web process decides by it."""
    wires = [Wire(port) for port in ports]
    request, took = _post(books, "evaluation", ASKED), []
    for number in range(2, 12):
        permit = number % 2 == 1
        with on.database.tenant(books.ref) as session:
            told = {"session": session, "actor": STAGE, "at": datetime.now(UTC), "slug": SLUG}
            save_draft(**told, schema=SCHEMA, policies=POLICIES if permit else POLICIES + FORBID)
            activate(**told, number=number)
        began = time.perf_counter()
        for wire in wires:
            while json.loads(wire.call(request)[1])["decision"] is not permit:
                pass
        took.append(time.perf_counter() - began)
    show(
        f"Activation until {len(ports)} processes decide by it (10 activations)",
        ["", "median ms", "slowest ms"],
        [["activation", f"{middle(took) * 1000:.1f}", f"{max(took) * 1000:.1f}"]],
    )


def measure(on: Stage) -> None:
    """Measure and print."""
    books = open_books(on, "authzen")
    with on.database.tenant(books.ref) as session:
        ensure_certification(session=session, actor=STAGE, at=datetime.now(UTC), job_id=uuid4())
    with web_process(on) as port, web_process(on) as other:
        _singles(port, books)
        _batches(port, books)
        _activation(on, (port, other), books)
