"""What tests of the books set up: accounts, entries, and the books' own invariants."""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from tenants.money.accounts import commands as accounts
from tenants.money.accounts.rules import AccountDraft, Kind
from tenants.money.ledger import commands as ledger
from tenants.money.ledger.rules import EntryDraft, PostingDraft
from tests.cast import STAGE, Person, Workspace

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
DAY = date(2026, 11, 20)


def open_account(where: Workspace, name: str, kind: str = "asset", currency: str = "EUR", **more: Any) -> int:
    """Open an account and return its id."""
    with where.begin() as session:
        draft = AccountDraft(name=name, kind=Kind(kind), currency=currency, **more)
        return accounts.open_account(session=session, actor=STAGE, at=AT, draft=draft).id


def move(where: Workspace, source: int, target: int, minor: int, *, day: date = DAY, currency: str = "EUR") -> int:
    """Book an entry of two postings and return its id."""
    with where.begin() as session:
        return ledger.post_entry(
            session=session, actor=STAGE, at=AT, draft=draft_of(source, target, minor, day, currency)
        )


def draft_of(source: int, target: int, minor: int, day: date = DAY, currency: str = "EUR") -> EntryDraft:
    """Return the draft of an entry of two postings."""
    return EntryDraft(day, "Test", (PostingDraft(source, -minor, currency), PostingDraft(target, minor, currency)))


def balance(person: Person, account_id: int) -> dict[str, str]:
    """Return balance, held and available as the API tells them."""
    answer = person.api("GET", f"/accounts/{account_id}").json
    return {name: answer[name]["amount"] for name in ("balance", "held", "available")}


def books_problems(session: Session) -> list[str]:
    """Return every invariant of the books that does not hold (none, in every state that can be committed)."""
    checks = {
        "an entry does not sum to zero": """
            SELECT entry_id, currency, sum(amount) FROM posting GROUP BY 1, 2 HAVING sum(amount) <> 0""",
        "a balance is not the sum of its postings": """
            SELECT b.account_id, b.balance, b.postings, s.total, s.count FROM account_balance b
            FULL JOIN (SELECT account_id, sum(amount) AS total, count(*) AS count FROM posting GROUP BY 1) s
                USING (account_id)
            WHERE coalesce(b.balance, 0) <> coalesce(s.total, 0) OR coalesce(b.postings, 0) <> coalesce(s.count, 0)""",
        "a day is not the sum of its postings": """
            SELECT d.account_id, d.day FROM account_day d
            FULL JOIN (SELECT account_id, day, sum(greatest(amount, 0)) AS debit, sum(greatest(-amount, 0)) AS credit
                FROM posting GROUP BY 1, 2) s USING (account_id, day)
            WHERE coalesce(d.debit, 0) <> coalesce(s.debit, 0) OR coalesce(d.credit, 0) <> coalesce(s.credit, 0)""",
        "what is held is not the sum of active holds": """
            SELECT b.account_id FROM account_balance b LEFT JOIN (SELECT account_id, sum(amount) AS total FROM hold
                WHERE state = 'active' GROUP BY 1) s USING (account_id)
            WHERE b.held <> coalesce(s.total, 0)""",
        "an overdraft limit is passed": """
            SELECT a.id FROM account a JOIN account_balance b ON b.account_id = a.id
            WHERE b.balance - b.held < -a.overdraft_limit""",
        "a posting has another day than its entry": """
            SELECT p.entry_id FROM posting p JOIN entry e ON e.id = p.entry_id WHERE p.day <> e.day""",
        "an entry is reversed twice": """
            SELECT reverses_id FROM entry WHERE reverses_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1""",
    }
    return [f"{what}: {list(rows)}" for what, query in checks.items() if (rows := session.execute(text(query)).all())]


def assert_books(where: Workspace) -> None:
    """Assert that every invariant of the books holds."""
    with where.begin() as session:
        assert books_problems(session) == []


def refused(answer: Any, status: int, code: str) -> bool:
    """Tell whether a call was refused with this status and code."""
    assert (answer.status_code, answer.json.get("code")) == (status, code), answer.text
    return True


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Run an act in so many threads at once and return what each returned or raised."""
    gate, results = threading.Barrier(count), []

    def one(number: int) -> None:
        gate.wait()
        try:
            results.append(act(number))
        except Exception as error:  # noqa: BLE001 - the test looks at what came
            results.append(error)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results
