"""A steady load on a running installation that keeps count of each request, without a single retry."""

import threading
import time
from collections import Counter
from typing import Any, Self
from uuid import uuid4

import urllib3

from tests.production.stack import Stack, until

ROWS = 2_000
"""Lines of one imported statement: it runs for some seconds, so that one is always at work."""

Answer = urllib3.BaseHTTPResponse | None


class Load:
    """Reads, postings with idempotency keys, pages, style sheets and imports, below what nginx lets one address ask."""

    def __init__(self, stack: Stack, slug: str, token: str) -> None:
        self.stack, self.slug, self.token = stack, slug, token
        self.site = stack.pool()
        self.mark = uuid4().hex[:8]
        self.counts: Counter[str] = Counter()
        self.failed: list[str] = []
        self.posted: list[str] = []
        self.imported: list[int] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.bank = self._account("Bank", "asset")
        self.costs = self._account("Costs", "expense")
        jobs = (
            (self._post, 1 / 3),
            (self._read, 1 / 3),
            (self._page, 1.0),
            (lambda: self.ask("GET", "/livez", what="livez"), 0.1),
            (lambda: self.ask("GET", "/static/css/base.css", what="static"), 0.2),
            (self._import, 0.0),
        )
        self._threads = [threading.Thread(target=self._repeat, args=job, daemon=True) for job in jobs]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=120)
        self.site.close()

    def ask(self, method: str, path: str, *, what: str, expected: int = 200, **given: Any) -> Answer:
        """Ask once; count the answer, and keep what is no answer or another one than expected."""
        headers = {**dict(self.site.headers), **given.pop("headers", {})}
        try:
            answer = self.site.request(method, path, headers=headers, **given)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            with self._lock:
                self.failed.append(f"{time.strftime('%T')} {method} {path}: {type(error).__name__} {error}")
            return None
        with self._lock:
            self.counts[what] += 1
            if answer.status != expected:
                self.failed.append(f"{time.strftime('%T')} {method} {path}: {answer.status} {answer.data[:200]!r}")
        return answer

    def api(self, method: str, path: str, **given: Any) -> Answer:
        """Call the JSON API of the workspace."""
        headers = {"Authorization": f"Bearer {self.token}", **given.pop("headers", {})}
        return self.ask(method, f"/api/v1/t/{self.slug}{path}", headers=headers, **given)

    def in_the_books(self) -> set[str]:
        """Return the marks of the postings that are in the books now."""
        schema = self.stack.sql(
            f"SELECT 't_' || replace(id::text, '-', '') FROM platform.tenant WHERE slug = '{self.slug}'"
        )
        found = self.stack.sql(f"SELECT description FROM {schema}.entry WHERE description LIKE '{self.mark} %'")
        lines = found.splitlines()
        assert len(lines) == len(set(lines)), "a posting was booked twice"
        return set(lines)

    def _repeat(self, act: Any, pause: float) -> None:
        while not self._stop.wait(pause):
            act()

    def _account(self, name: str, kind: str) -> int:
        body = {"name": f"{name} {self.mark}", "kind": kind, "currency": "EUR"}
        answer = self.api("POST", "/accounts", what="account", expected=201, json=body)
        assert answer is not None and not self.failed, self.failed
        return int(answer.json()["id"])

    def _post(self) -> None:
        description = f"{self.mark} {uuid4().hex}"
        answer = self.book(description)
        if answer is not None and answer.status == 201:
            self.posted.append(description)

    def book(self, description: str) -> Answer:
        """Post one entry; its description is its idempotency key."""
        amounts = ((self.bank, "-1.00"), (self.costs, "1.00"))
        body = {
            "date": "2026-03-02",
            "description": description,
            "postings": [{"account_id": one, "amount": amount, "currency": "EUR"} for one, amount in amounts],
        }
        headers = {"Idempotency-Key": description}
        return self.api("POST", "/entries", what="posting", expected=201, json=body, headers=headers)

    def _read(self) -> None:
        self.api("GET", "/accounts", what="read")

    def _page(self) -> None:
        self.ask("GET", f"/t/{self.slug}/entries", what="page", expected=303, redirect=False)

    def _import(self) -> None:
        name = uuid4().hex
        lines = "".join(f"2026-03-02,{name},Line {number},-{number + 1}.00,EUR\n" for number in range(ROWS))
        fields = {
            "account_id": str(self.bank),
            "publish": "auto",
            "file": (f"{name}.csv", f"Date,Payee,Description,Amount,Currency\n{lines}".encode(), "text/csv"),
        }
        answer = self.api("POST", "/imports", what="upload", expected=202, fields=fields)
        if answer is None or answer.status != 202:
            # Not at once again: it would use up the calls that one address has.
            self._stop.wait(1)
            return
        found: dict[str, Any] = answer.json()

        def is_published() -> bool:
            time.sleep(1)
            told = self.api("GET", f"/imports/{found['id']}", what="import")
            found.update(told.json() if told is not None and told.status == 200 else {})
            return found["state"] == "published"

        try:
            until(is_published, seconds=240, what=f"import {found['id']} is published")
        except AssertionError as error:
            self.failed.append(f"{error}: {found['state']} {found.get('error')}")
            return
        if found["counts"]["published"] != ROWS:
            self.failed.append(f"import {found['id']} has {found['counts']}")
        self.imported.append(int(found["id"]))
