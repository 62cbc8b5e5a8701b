"""People at work while the house is shot at: they repeat what they do not know the outcome of, with the same key."""

import http.client
import json
import threading
from dataclasses import dataclass, field
from typing import Any

from tests.journeys.houses import DEADLINE_SECONDS, wait_until

ROWS = 2000
TWINS = 40
"""Rows of a statement that are the same as the one before, as two coffees on one day are."""
RETRY_SECONDS = 0.03
PAUSE_SECONDS = 0.02
LOOK_SECONDS = 0.05
UNKNOWN = 0
TRY_AGAIN = {UNKNOWN, 409, 503}


@dataclass(slots=True)
class Client:
    """Calls one workspace's API; a connection that breaks is an unknown outcome, not an error."""

    port: int
    token: str
    faults: list[str] = field(default_factory=list)
    outages: int = 0
    _line: http.client.HTTPConnection | None = None

    def call(
        self, method: str, path: str, body: Any = None, *, key: str = "", form: tuple[str, bytes] | None = None
    ) -> tuple[int, Any, str]:
        """Return status (0: unknown), body and Location."""
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key else {})
        content = None
        if form is not None:
            headers["Content-Type"], content = form
        elif body is not None:
            headers["Content-Type"], content = "application/json", json.dumps(body).encode()
        if self._line is None:
            self._line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        try:
            self._line.request(method, f"/api/v1/t/acme{path}", content, headers)
            answer = self._line.getresponse()
            read = answer.read()
        except (OSError, http.client.HTTPException):
            self.hang_up()
            self.outages += 1
            return UNKNOWN, None, ""
        if answer.will_close:
            self.hang_up()
        self._judge(method, path, answer, read)
        return answer.status, json.loads(read) if read else None, answer.headers.get("Location", "")

    def _judge(self, method: str, path: str, answer: http.client.HTTPResponse, read: bytes) -> None:
        """Note an answer that nobody should get because of a kill: whatever is away, it is said as a problem."""
        if answer.status == 503:
            self.outages += 1
            if answer.headers.get("Content-Type") != "application/problem+json":
                self.faults.append(f"{method} {path}: a 503 that is no problem document: {read[:300]!r}")
        elif answer.status >= 400 and answer.status != 409:
            self.faults.append(f"{method} {path}: {answer.status} {read[:300]!r}")

    def until_known(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[Any, str]:
        """Repeat a call, with the same key, until its outcome is known; return body and Location."""
        known: list[tuple[Any, str]] = []

        def try_once() -> bool:
            status, told, location = self.call(method, path, body, **options)
            if status not in TRY_AGAIN:
                assert status < 400, self.faults
                known.append((told, location))
            elif status != UNKNOWN:
                threading.Event().wait(RETRY_SECONDS)
            return bool(known)

        wait_until(try_once, f"the outcome of {method} {path} is known")
        return known[0]

    def hang_up(self) -> None:
        """Drop the connection."""
        if self._line is not None:
            self._line.close()
            self._line = None


class Worker(threading.Thread):
    """A thread that remembers why it ended."""

    def __init__(self, client: Client) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.over = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Work until it is over."""
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.failure = error
        finally:
            self.client.hang_up()

    def work(self) -> None:
        """Do the person's work."""
        raise NotImplementedError


class Poster(Worker):
    """Posts one entry after the other, each with its own key, and remembers what was acknowledged."""

    def __init__(self, client: Client, name: str, debit: int, credit: int) -> None:
        super().__init__(client)
        self.person, self.debit, self.credit = name, debit, credit
        self.acked: dict[str, int] = {}

    def work(self) -> None:
        """Post until it is over; the last entry is seen through."""
        number = 0
        while not self.over.wait(PAUSE_SECONDS):
            number += 1
            key = f"{self.person}-{number}"
            amount = f"{number}.{number % 100:02d}"
            body = {
                "date": f"2026-{1 + number % 12:02d}-15",
                "description": key,
                "postings": [
                    {"account_id": self.debit, "amount": amount, "currency": "EUR"},
                    {"account_id": self.credit, "amount": f"-{amount}", "currency": "EUR"},
                ],
            }
            entry, _ = self.client.until_known("POST", "/entries", body, key=key)
            self.acked[key] = entry["id"]


class Importer(Worker):
    """Uploads a statement whenever it is asked to, follows it until it is booked, and presses retry where it is due."""

    def __init__(self, client: Client, account: int) -> None:
        super().__init__(client)
        self.account = account
        self.asked = threading.Semaphore(0)
        self.files = 0
        self.published: list[int] = []
        self.following: dict[int, str] = {}
        self.retries = 0

    def work(self) -> None:
        """Upload and follow until it is over and everything is booked."""
        while not self.over.is_set() or self.following:
            if self.asked.acquire(timeout=LOOK_SECONDS):
                self.upload()
            for import_id in list(self.following):
                self.look(import_id)

    def upload(self) -> None:
        """Bring one statement with rows that no other has."""
        self.files += 1
        form = multipart(self.account, f"statement-{self.files}.csv", statement(self.files))
        told, location = self.client.until_known("POST", "/imports", key=f"file-{self.files}", form=form)
        assert location.endswith(f"/imports/{told['id']}"), location
        self.following[told["id"]] = told["state"]

    def look(self, import_id: int) -> None:
        """Ask where an import is."""
        status, told, _ = self.client.call("GET", f"/imports/{import_id}")
        if status != 200:
            return
        self.following[import_id] = told["state"]
        assert told["counts"]["published"] in {0, ROWS}, told
        if told["state"] == "published":
            assert told["counts"]["published"] == ROWS, told
            self.published.append(import_id)
            del self.following[import_id]
            return
        assert told["state"] in {"received", "recognising", "checking", "publishing"}, told
        status, job, _ = self.client.call("GET", f"/jobs/{told['job_id']}")
        if status == 200 and job["state"] == "parked":
            status, _, _ = self.client.call("POST", f"/jobs/{job['id']}/retry")
            self.retries += status == 200


def statement(number: int) -> bytes:
    """Write a statement: `ROWS` rows whose amounts no other statement has, among them `TWINS` pairs of twins."""
    lines = ["Date;Description;Amount;Currency"]
    for row in range(ROWS - TWINS):
        cents = (number * ROWS + row) * 7 + 1
        line = (
            f"2026-{1 + row % 10:02d}-{1 + row % 28:02d};Shop {row} of {number};-{cents // 100}.{cents % 100:02d};EUR"
        )
        lines += [line] * (2 if row < TWINS else 1)
    return "\n".join(lines).encode()


def multipart(account: int, name: str, content: bytes) -> tuple[str, bytes]:
    """Write the form of an upload that is to be published at once: its type and body."""
    line = "the-line-between"
    fields = "".join(
        f'--{line}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in (("account_id", account), ("publish", "auto"))
    )
    head = (
        f'--{line}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/csv\r\n\r\n'
    )
    return f"multipart/form-data; boundary={line}", (
        fields.encode() + head.encode() + content + f"\r\n--{line}--\r\n".encode()
    )
