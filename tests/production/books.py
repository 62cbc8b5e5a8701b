"""Books of a running installation: a program posts to them, and their facts are compared before and after a restore."""

import json
import time
from typing import Any
from uuid import uuid4

from tests.production.stack import Stack, until

ALWAYS_MOVING = {"platform.heartbeat"}


class Books:
    """A workspace with two accounts that a program posts to."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        stack.comptoir("tenant", "create", "--slug", "acme", "--name", "Acme", "--owner", "owner@acme.example")
        self.token = stack.token("acme", "owner@acme.example")
        self.accounts = [
            self.call("POST", "/accounts", {"name": name, "kind": kind, "currency": "EUR"})["id"]
            for name, kind in (("Bank", "asset"), ("Rent", "expense"))
        ]

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, slug: str = "acme", token: str = ""
    ) -> dict[str, Any]:
        """Call the API through nginx; raises AssertionError unless it is granted."""
        headers = {"Host": f"books.test:{self.stack.https_port}", "Authorization": f"Bearer {token or self.token}"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": uuid4().hex}
        with self.stack.pool() as site:
            answer = site.request(
                method, f"/api/v1/t/{slug}{path}", headers=headers, body=json.dumps(body) if body else None
            )
        assert answer.status < 300, (answer.status, answer.data)
        return dict(json.loads(answer.data))

    def post(self, what: str) -> None:
        """Book 12.34 for something."""
        sides = zip(self.accounts, ("-12.34", "12.34"), strict=True)
        postings = [{"account_id": one, "amount": amount, "currency": "EUR"} for one, amount in sides]
        self.call("POST", "/entries", {"date": "2026-01-31", "description": what, "postings": postings})

    def said(self) -> set[str]:
        """Return the descriptions of all entries."""
        return {one["description"] for one in self.call("GET", "/entries")["data"]}

    def facts(self) -> dict[str, str]:
        """Return count and digest of every table, sums of money, newest seals."""
        lines = self.stack.compose("exec", "-T", "backup", "bash", "/etc/comptoir/facts.sh").splitlines()[1:]
        kinds = (line.split("\t") for line in lines)
        return {f"{kind} {name}": " ".join(rest) for kind, name, *rest in kinds if name not in ALWAYS_MOVING}

    def archived(self) -> float:
        """Wait until all that is written so far is archived and return the seconds that it took, left to itself."""
        began = time.monotonic()
        wal = self.stack.sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
        query = f"SELECT last_archived_wal >= '{wal}' FROM pg_stat_archiver"
        until(lambda: self.stack.sql(query) == "t", seconds=90, what=f"{wal} archived")
        return time.monotonic() - began
