"""Whatever is killed, whenever, the books stay whole: kill -9 in the middle of postings and imports, many times."""

import contextlib
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.auditors import Auditor, check_acked, check_books, check_imports
from tests.journeys.bookkeepers import Client, Importer, Poster, Worker
from tests.journeys.houses import House, wait_until

KILLS = int(os.environ.get("KILLS", "50"))
SEED = int(os.environ.get("SEED", "20260101"))
TARGETS = ("web", "worker", "clock", "backend", "postgres", "valkey")
MOMENTS = ("posting", "received", "checking", "publishing")
MOMENT_SECONDS = 5
IN_FLIGHT_MAX = 2
END_SECONDS = 120
TWICE = 0.2
"""How often the next process is killed without waiting until the house is whole again."""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Start a house whose token may call as often as it likes."""
    generous = {"API_REQUESTS_PER_MINUTE": "1000000", "TOKEN_MONEY_MOVES_PER_MINUTE": "1000000"}
    environ = {f"COMPTOIR_{name}": value for name, value in generous.items()}
    made = House(tmp_path / "data", "--no-demo", environ=environ)
    yield made
    made.end()
    (tmp_path / "house.log").write_text("\n".join(made.lines))


class Killer:
    """Kills the house's processes at moments that it chooses, and waits until the house is whole."""

    def __init__(self, house: House, auditor: Auditor, posters: list[Poster], importer: Importer) -> None:
        self.house, self.auditor, self.posters, self.importer = house, auditor, posters, importer
        self.chance = random.Random(SEED)  # noqa: S311 - no secret, the same shots for the same seed
        self.shots: list[tuple[str, str, float]] = []

    def run(self, number: int) -> None:
        """Kill so many processes, each target equally often."""
        targets = [TARGETS[index % len(TARGETS)] for index in range(number)]
        self.chance.shuffle(targets)
        for target in targets:
            moment = self.chance.choice(MOMENTS)
            met = self.wait_for(moment)
            began = time.monotonic()
            self.kill(target)
            if self.chance.random() > TWICE:
                self.wait_whole()
            self.shots.append((target, moment if met else "any", time.monotonic() - began))
        self.wait_whole()

    def wait_for(self, moment: str) -> bool:
        """Wait for a moment in the bookkeepers' work; return whether it came (another may pass too quickly)."""
        posted = sum(len(poster.acked) for poster in self.posters) + self.chance.randint(1, 20)
        if moment == "posting":
            with contextlib.suppress(AssertionError):
                wait_until(lambda: sum(len(poster.acked) for poster in self.posters) >= posted, "", MOMENT_SECONDS)
                return True
            return False
        if len(self.importer.following) < IN_FLIGHT_MAX:
            self.importer.asked.release()
        with contextlib.suppress(AssertionError):
            wait_until(lambda: moment in self.auditor.working(), "", MOMENT_SECONDS)
            return True
        return False

    def kill(self, target: str) -> None:
        """kill -9."""
        pid: list[int] = []

        def found() -> bool:
            one = self.chance.choice(self.house.backends() or [0]) if target == "backend" else self.house.pid(target)
            pid[:] = [one] if one else []
            return bool(pid)

        wait_until(found, f"there is a {target} to kill")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid[0], signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid[0]}").exists(), f"{target} is dead")

    def wait_whole(self) -> None:
        """Wait until everything runs and answers again."""
        wait_until(
            lambda: all(self.house.pid(name) for name in TARGETS if name != "backend") and self.house.is_ready(),
            f"the house is whole after {self.shots[-1:]}",
        )
        before = self.auditor.looks
        wait_until(lambda: self.auditor.looks > before, "the auditor looks again")


def test_what_is_acknowledged_is_booked_once_and_an_import_wholly_or_not_at_all_whatever_is_killed(house: House):
    port = int(house.wait_ready().rpartition(":")[2])
    house.run("tenant", "create", "--slug", "acme", "--name", "Acme", "--owner", "owner@acme.example")
    token = house.run("token", "create", "--tenant", "acme", "--person", "owner@acme.example")
    bank, cash, food = open_accounts(Client(port, token))
    auditor = Auditor(house.data_dir)
    posters = [Poster(Client(port, token), name, food, cash) for name in ("ann", "ben")]
    importer = Importer(Client(port, token), bank)
    workers: list[Worker] = [*posters, importer]
    for thread in (auditor, *workers):
        thread.start()
    killer = Killer(house, auditor, posters, importer)
    killer.run(KILLS)
    for worker in workers:
        worker.over.set()
    for worker in workers:
        worker.join(END_SECONDS)
    auditor.over.set()
    auditor.join(10)
    report(killer, workers)
    assert [worker.failure for worker in (auditor, *workers)] == [None] * (1 + len(workers))
    assert not any(worker.is_alive() for worker in workers), importer.following
    assert auditor.faults == []
    assert [fault for worker in workers for fault in worker.client.faults] == []
    books = auditor.connect()
    assert books is not None
    with books:
        check_acked(books, {key: entry for poster in posters for key, entry in poster.acked.items()})
        check_imports(books, importer.published)
        check_books(books)
    assert sum(moment != "posting" for _, moment, _ in killer.shots) >= KILLS // 3
    assert house.stop() == 0


def open_accounts(client: Client) -> list[int]:
    """Open the accounts of the story."""
    made = [
        client.until_known("POST", "/accounts", {"name": name, "kind": kind, "currency": "EUR"}, key=name)[0]["id"]
        for name, kind in (("Bank", "asset"), ("Cash", "asset"), ("Food", "expense"))
    ]
    client.hang_up()
    return made


def report(killer: Killer, workers: list[Worker]) -> None:
    """Say what was done, for whoever runs it with -s or sees it fail."""
    slowest = Counter[str]()
    for target, _, took in killer.shots:
        slowest[target] = max(slowest[target], round(took * 1000))
    worked = (
        f"entries {sum(len(poster.acked) for poster in killer.posters)}",
        f"imports {len(killer.importer.published)}",
        f"retries pressed {killer.importer.retries}",
        f"looks {killer.auditor.looks}",
        f"calls with an unknown or refused outcome {sum(worker.client.outages for worker in workers)}",
    )
    said = (
        f"kills {len(killer.shots)}: {dict(Counter(shot[0] for shot in killer.shots))}",
        f"moments {dict(Counter(shot[1] for shot in killer.shots))}",
        f"whole again after at most {dict(slowest)} ms",
        ", ".join(worked),
    )
    sys.stdout.write("\n" + "\n".join(said) + "\n")
