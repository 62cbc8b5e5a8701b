"""Acme's books: a bank and a card, three categories, in two currencies, with acts to fill them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tenants.money.accounts.commands import ensure_purpose_account, open_account
from tenants.money.accounts.rules import AccountDraft, Kind, Purpose
from tenants.money.ledger import queries
from tenants.money.ledger.commands import post_entry
from tenants.money.ledger.rules import EntryDraft, PostingDraft
from tests.cast import Cast

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Books:
    """Accounts by name and the acts of a test."""

    cast: Cast
    ids: dict[str, int] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/t/{self.cast.acme.slug}"

    def book(self, day: str, text: str, *postings: tuple[str, int], payee: str = "", currency: str = "EUR") -> int:
        draft = EntryDraft(
            date.fromisoformat(day),
            text,
            tuple(PostingDraft(self.ids[name], minor, currency) for name, minor in postings),
            counterparty=payee,
        )
        with self.cast.acme.begin() as session:
            return post_entry(session=session, actor=self.cast.alice.actor, at=AT, draft=draft)

    def pay(self, day: str, text: str, minor: int, *, of: str = "Food", by: str = "Bank", payee: str = "") -> int:
        return self.book(day, text, (by, -minor), (of, minor), payee=payee)

    def entry(self, entry_id: int) -> queries.EntryView | None:
        with self.cast.acme.begin() as session:
            return queries.entry(session=session, entry_id=entry_id)

    def balance(self, name: str) -> int:
        answer = self.cast.alice.api("GET", f"/accounts/{self.ids[name]}")
        return int(answer.json["balance"]["amount_minor"])

    def act(self, command: Callable[..., Any], **values: Any) -> Any:
        with self.cast.acme.begin() as session:
            return command(session=session, actor=self.cast.alice.actor, at=AT, **values)


@pytest.fixture
def books(cast: Cast) -> Books:
    made = Books(cast)
    with cast.acme.begin() as session:
        actor = cast.alice.actor
        for name, kind, code, currency, parent in (
            ("Bank", Kind.ASSET, "512", "EUR", None),
            ("Cash box", Kind.ASSET, None, "EUR", None),
            ("Dollars", Kind.ASSET, None, "USD", None),
            ("Dinars", Kind.ASSET, None, "TND", None),
            ("Card", Kind.LIABILITY, None, "EUR", None),
            ("Sales", Kind.INCOME, "706", "EUR", None),
            ("Living", Kind.EXPENSE, None, "EUR", None),
            ("Food", Kind.EXPENSE, None, "EUR", "Living"),
            ("Rent", Kind.EXPENSE, "613", "EUR", "Living"),
            ("Fees in dollars", Kind.EXPENSE, None, "USD", None),
            ("Trade", Kind.EXPENSE, None, "TND", None),
        ):
            draft = AccountDraft(name, kind, currency, code=code, parent_id=made.ids.get(parent or ""))
            made.ids[name] = open_account(session=session, actor=actor, at=AT, draft=draft).id
        made.ids["To categorise"] = ensure_purpose_account(
            session=session,
            actor=actor,
            at=AT,
            purpose=Purpose.TO_CATEGORISE,
            currency="EUR",
        )
    return made
