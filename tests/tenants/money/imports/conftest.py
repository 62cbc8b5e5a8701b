"""A desk at which statements are imported: uploads over the API, jobs run in this process."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from tests.cast import Cast, Person
from webapp import worker
from webapp.kernel.db import Database
from webapp.settings import Settings


@dataclass(slots=True)
class Desk:
    """One person with the workspace's accounts and a worker at hand."""

    cast: Cast
    database: Database
    accounts: dict[str, int] = field(default_factory=dict)

    @property
    def alice(self) -> Person:
        return self.cast.alice

    def account(self, name: str = "Bank", **values: Any) -> int:
        """Return the id of an account, opened at its first use."""
        if name not in self.accounts:
            body = {"name": name, "kind": "asset", "currency": "EUR", **values}
            answer = self.alice.api("POST", "/accounts", json=body)
            assert answer.status_code == 201, answer.text
            self.accounts[name] = answer.json["id"]
        return self.accounts[name]

    def upload(
        self,
        content: str | bytes,
        *,
        name: str = "statement.csv",
        account: int | None = None,
        person: Person | None = None,
        **form: Any,
    ) -> Any:
        """Upload a file and return the answer."""
        content = content.encode() if isinstance(content, str) else content
        data = {"account_id": str(account or self.account()), "file": (io.BytesIO(content), name), **form}
        return (person or self.alice).api("POST", "/imports", data=data, content_type="multipart/form-data")

    def work(self) -> int:
        """Run the workspace's jobs until there is none, and return how many there were."""
        done = 0
        while True:
            with self.database.platform() as session:
                ids = session.scalars(
                    text(
                        "SELECT id FROM job WHERE tenant_id = :tenant AND state = 'queued' AND available_at <= now()"
                        " ORDER BY created_at"
                    ),
                    {"tenant": self.cast.acme.ref.id},
                ).all()
            if not ids:
                return done
            for job_id in ids:
                worker.perform(str(job_id))
                done += 1

    def hurry(self) -> None:
        """Let jobs that wait for another attempt, or whose worker died, begin at once."""
        with self.database.platform() as session:
            session.execute(
                text(
                    "UPDATE job SET available_at = now(), heartbeat_at = now() - interval '1 minute',"
                    " state = CASE state WHEN 'running' THEN 'queued' ELSE state END"
                    " WHERE tenant_id = :tenant AND state IN ('queued', 'running')"
                ),
                {"tenant": self.cast.acme.ref.id},
            )

    def get(self, import_id: int) -> Any:
        """Return an import as the API writes it."""
        answer = self.alice.api("GET", f"/imports/{import_id}")
        assert answer.status_code == 200, answer.text
        return answer.json

    def bring(self, content: str | bytes, **form: Any) -> Any:
        """Upload a file, run the jobs, and return the import."""
        answer = self.upload(content, **form)
        assert answer.status_code == 202, answer.text
        self.work()
        return self.get(answer.json["id"])

    def rows(self, import_id: int, state: str | None = None) -> list[dict[str, Any]]:
        """Return the rows of an import."""
        answer = self.alice.api("GET", f"/imports/{import_id}/rows", query_string={"state": state} if state else {})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json["data"]
        return found

    def act(self, import_id: int, act: str, body: dict[str, Any] | None = None) -> Any:
        """Post to a resource of an import, run the jobs, and return the answer."""
        answer = self.alice.api("POST", f"/imports/{import_id}/{act}", json=body)
        self.work()
        return answer

    def balance(self, account: int) -> str:
        """Return an account's balance."""
        return str(self.alice.api("GET", f"/accounts/{account}").json["balance"]["amount"])

    def post(self, account: int, amount: str, day: str, description: str, counterparty: str = "") -> int:
        """Book an entry by hand and return its id."""
        other = self.account("Elsewhere", kind="expense")
        answer = self.alice.api(
            "POST",
            "/entries",
            json={
                "date": day,
                "description": description,
                "counterparty": counterparty,
                "postings": [
                    {"account_id": account, "amount": amount, "currency": "EUR"},
                    {
                        "account_id": other,
                        "amount": amount[1:] if amount[0] == "-" else f"-{amount}",
                        "currency": "EUR",
                    },
                ],
            },
        )
        assert answer.status_code == 201, answer.text
        return int(answer.json["id"])

    def sql(self, query: str, **values: Any) -> Any:
        """Return one value of the workspace's tables."""
        with self.cast.acme.begin() as session:
            return session.scalar(text(query), values)


@pytest.fixture
def prepared(settings: Settings) -> Iterator[Callable[[str], None]]:
    """Open a worker's connections in this process."""
    worker.prepare(settings)
    yield worker.perform
    worker.release()


@pytest.fixture
def desk(cast: Cast, database: Database, prepared: Callable[[str], None]) -> Desk:
    """Return a desk in Alice's workspace."""
    return Desk(cast, database)
