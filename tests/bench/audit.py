"""The trail: entries posted without it, with it, and while the clock seals; then the sealer and the verifier."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

from sqlalchemy import text

from tests.bench.posting import entry, load
from tests.bench.stage import START_SECONDS_MAX, Books, Stage, open_account, open_books, web_process
from tests.bench.table import middle, show
from webapp.audit import signing
from webapp.audit.sealer import Sealer
from webapp.audit.seals import Chain
from webapp.audit.verification import snapshot, verify
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import new_ring
from webapp.settings import Settings

RUNS = 3
SECONDS = 3.0
CLIENTS = 4
_CLOCK = "from webapp import clock; from webapp.settings import Settings; clock.tick(Settings.from_environ())"


@contextlib.contextmanager
def clock_process(on: Stage, books: Books) -> Iterator[subprocess.Popen[bytes]]:
    """Start the product's own clock, which seals every trail, and wait until it has caught up."""
    with (on.folder / "clock.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-c", _CLOCK], env=on.environ(), stdout=log, stderr=log)
        try:
            end = time.monotonic() + START_SECONDS_MAX
            while waits(on, books):
                if time.monotonic() > end or process.poll() is not None:
                    raise RuntimeError((on.folder / "clock.log").read_text()[-4000:])
                time.sleep(0.2)
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(30)


def waits(on: Stage, books: Books) -> bool:
    """Tell whether an event waits for its seal."""
    with on.database.tenant(books.ref) as session:
        return bool(session.scalar(text("SELECT EXISTS (SELECT FROM audit_unsealed)")))


def measure(on: Stage) -> None:
    """Run the benches of the trail."""
    books = open_books(on, "audit")
    with web_process(on, BENCH_WITHOUT_TRAIL="1") as bare, web_process(on) as whole:
        accounts = (
            open_account(whole, books, name="Bank", kind="asset"),
            open_account(whole, books, name="Rent", kind="expense"),
        )
        with clock_process(on, books) as clock:
            posting(books, bare, whole, accounts, clock)
    sealing(on, books)


def posting(books: Books, bare: int, whole: int, accounts: tuple[int, int], clock: subprocess.Popen[bytes]) -> None:
    """Post by turns, so that what the machine does meanwhile meets all three alike."""
    body = json.dumps(entry(accounts)).encode()
    rates: dict[str, list[float]] = {
        "without a trail": [],
        "with its events": [],
        "with events and the clock sealing": [],
    }

    def run(name: str, port: int) -> None:
        took = load(port, books, "/entries", body, clients=CLIENTS, seconds=SECONDS)
        rates[name].append(len(took) / SECONDS)

    ways = [("without a trail", bare, False), ("with its events", whole, False)]
    ways.append(("with events and the clock sealing", whole, True))
    for turn in range(RUNS):
        # Each is first once; the clock is held while it is not to be measured, so that it costs nobody else anything.
        for name, port, seals in ways[turn % 3 :] + ways[: turn % 3]:
            clock.send_signal(signal.SIGCONT if seals else signal.SIGSTOP)
            run(name, port)
    floor = middle(rates["without a trail"])
    show(
        f"POST /entries by {CLIENTS} clients, one web process (medians of {RUNS} runs of {SECONDS:.0f} s by turns)",
        ["", "entries/s", "of the floor"],
        [
            [name, f"{middle(some):.0f}", "floor" if name == "without a trail" else f"{middle(some) / floor:.0%}"]
            for name, some in rates.items()
        ],
    )


def sealing(on: Stage, books: Books, events: int = 50_000) -> None:
    """Measure how fast a backlog is sealed, and a trail verified in the database."""
    settings = Settings.from_environ(on.environ())
    ring, chain = new_ring(settings), Chain.of(books.ref.id)
    with on.owner.begin() as connection:
        connection.execute(text(f"SET LOCAL search_path = {books.ref.schema}"))
        connection.execute(
            text("""
            WITH made AS (
                INSERT INTO audit_event (at, actor_id, actor_label, via, action, object_type, object_id, difference)
                SELECT now(), gen_random_uuid(), 'a@example.org', 'token', 'entry.posted', 'entry', n::text,
                    jsonb_build_object('memo', jsonb_build_array(NULL, 'Office rent ' || n))
                FROM generate_series(1, :events) n RETURNING id
            ) INSERT INTO audit_unsealed SELECT id FROM made
            """),
            {"events": events},
        )
    began = time.perf_counter()
    sealed = Sealer(on.owner, ring, utc_now).seal(chain)
    seal_seconds = time.perf_counter() - began
    with snapshot(on.owner) as session:
        keys = [key for key in signing.vouched_keys(session=session, vault=ring) if key.vouched]
        began = time.perf_counter()
        found = verify(session=session, chain=chain, keys=keys)
        verify_seconds = time.perf_counter() - began
    if found.findings:
        raise RuntimeError(found.findings[0])
    show(
        "A backlog is sealed, a trail is verified",
        ["", "events", "events/s"],
        [
            ["sealed", f"{sealed:,}", f"{sealed / seal_seconds:,.0f}"],
            ["verified in the database", f"{found.events:,}", f"{found.events / verify_seconds:,.0f}"],
        ],
    )
