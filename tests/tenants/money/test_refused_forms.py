"""What the database refuses comes back in the form that was sent: the sentence, and everything that was typed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cast import Cast
from tests.tenants.money.stage import DAY, assert_books, move, open_account

PERIOD = "The period of this date is closed."
LIMIT = "its overdraft limit would be passed."
BEFORE = "The account does not take postings on this date"
PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@dataclass
class Desk:
    """Acme's books: October is closed, the bank holds 70.00 and may not go below zero."""

    cast: Cast

    def __post_init__(self) -> None:
        acme = self.cast.acme
        self.bank = open_account(acme, "Bank", overdraft_limit=0, code="512")
        self.food = open_account(acme, "Food", "expense", code="601")
        self.young = open_account(acme, "Young", "expense", opened_on=DAY)
        self.sales = open_account(acme, "Sales", "income")
        move(acme, self.sales, self.bank, 100_00)
        self.meal = move(acme, self.bank, self.food, 30_00)
        closing = self.cast.dave.api("POST", "/period-closings", json={"starts": "2026-10-01", "ends": "2026-10-31"})
        assert closing.status_code == 201, closing.text

    def entry(self, day: str, amount: str, other: int = 0) -> dict[str, Any]:
        """Return a form that pays an amount from the bank."""
        return {
            "date": day,
            "description": "As <typed>",
            "account_id": [self.bank, other or self.food, "", ""],
            "amount": [f"-{amount}", amount, "", ""],
            "memo": ["", "Memo & more", "", ""],
            "version": "1",
        }

    def row(self, day: str, amount: str) -> dict[str, Any]:
        """Return the editor of the meal's row."""
        accounts = {"account_id": self.bank, "category_id": self.food}
        return {"date": day, "description": "As <typed>", "amount": amount, "version": "1", **accounts}

    def hold(self) -> str:
        """Return the page of a hold on the bank."""
        answer = self.cast.alice.api(
            "POST", "/holds", json={"account_id": self.bank, "amount": "10", "currency": "EUR"}
        )
        return f"/holds/{answer.json['id']}"

    def reconciliation(self) -> str:
        """Return the page of a statement of October that is 5.00 away from the books."""
        body = {"date": "2026-10-31", "balance": "5.00"}
        answer = self.cast.alice.api("POST", f"/accounts/{self.bank}/reconciliations", json=body)
        return f"/reconciliations/{answer.json['id']}"


@pytest.fixture
def desk(cast: Cast) -> Desk:
    return Desk(cast)


Case = Callable[[Desk], tuple[str, dict[str, Any], dict[str, str]]]
CASES: dict[str, tuple[Case, str, str, tuple[str, ...]]] = {
    "an entry of a closed period": (
        lambda d: ("/entries", d.entry("2026-10-15", "12,34"), {}),
        PERIOD,
        "f-date",
        ("2026-10-15", "-12,34", "As &lt;typed&gt;", "Memo &amp; more"),
    ),
    "an entry past the overdraft limit": (
        lambda d: ("/entries", d.entry("2026-11-20", "70.01"), {}),
        LIMIT,
        "",
        ("2026-11-20", "-70.01", "As &lt;typed&gt;"),
    ),
    "an entry before its account was open": (
        lambda d: ("/entries", d.entry("2026-11-19", "1.5", d.young), {}),
        BEFORE,
        "f-date",
        ("2026-11-19", "-1.5", "Memo &amp; more"),
    ),
    "an entry moved into a closed period": (
        lambda d: (f"/entries/{d.meal}", d.entry("2026-10-15", "30.00"), {}),
        PERIOD,
        "f-date",
        ("2026-10-15", "-30.00", "As &lt;typed&gt;"),
    ),
    "an entry raised past the limit": (
        lambda d: (f"/entries/{d.meal}", d.entry("2026-11-20", "100.01"), {}),
        LIMIT,
        "",
        ("-100.01", "As &lt;typed&gt;"),
    ),
    "a row moved into a closed period": (
        lambda d: (f"/entries/{d.meal}/row", d.row("2026-10-15", "-30.00"), PARTIAL),
        PERIOD,
        "-date",
        ("2026-10-15", "As &lt;typed&gt;"),
    ),
    "a row raised past the limit": (
        lambda d: (f"/entries/{d.meal}/row", d.row("2026-11-20", "-100,01"), PARTIAL),
        LIMIT,
        "-amount",
        ("-100,01", "As &lt;typed&gt;"),
    ),
    "many entries moved into a closed period": (
        lambda d: ("/entries/changes", {"ids": [d.meal], "date": "2026-10-15"}, PARTIAL),
        PERIOD,
        "",
        (),
    ),
    "a hold past the limit": (
        lambda d: ("/holds", {"account_id": d.bank, "amount": "70,01", "description": "As <typed>"}, {}),
        LIMIT,
        "f-amount",
        ("70,01", "As &lt;typed&gt;"),
    ),
    "a hold booked in a closed period": (
        lambda d: (f"{d.hold()}/capture", {"to_account_id": d.food, "amount": "9,99", "date": "2026-10-15"}, {}),
        PERIOD,
        "f-date",
        ("9,99", "2026-10-15"),
    ),
    "an adjustment in a closed period": (
        lambda d: (f"{d.reconciliation()}/completion", {"adjust": "1", "account_id": d.sales}, {}),
        PERIOD,
        "",
        (),
    ),
    "a second statement": (
        lambda d: (
            f"/accounts/{d.bank}/reconciliations",
            {"date": "2026-11-30", "balance": "7,77"},
            {},
        ),
        "A reconciliation is begun",
        "",
        (),
    ),
    "a code that is taken": (
        lambda _: ("/accounts", {"name": "As <typed>", "kind": "asset", "currency": "EUR", "code": "512"}, {}),
        "Another account already has the code 512.",
        "",
        ("As &lt;typed&gt;",),
    ),
    "a code changed to one that is taken": (
        lambda d: (
            f"/accounts/{d.food}",
            {"name": "As <typed>", "kind": "expense", "currency": "EUR", "code": "512", "version": "1"},
            {},
        ),
        "Another account already has the code 512.",
        "",
        ("As &lt;typed&gt;",),
    ),
    "a period that is closed already": (
        lambda _: ("/period-closings", {"starts": "2026-10-31", "ends": "2026-11-02", "note": "As <typed>"}, {}),
        "A part of it is closed already",
        "",
        ("2026-10-31", "As &lt;typed&gt;"),
    ),
    "an entry reversed in a closed period": (
        lambda d: (f"/entries/{d.meal}/reversal", {"date": "2026-10-15"}, {}),
        PERIOD,
        "",
        (),
    ),
}


def test_a_form_that_the_database_refuses_comes_back_with_the_reason_and_what_was_typed(desk: Desk) -> None:
    for name, (case, sentence, field, typed) in CASES.items():
        path, form, headers = case(desk)
        answer = desk.cast.dave.post(f"/t/{desk.cast.acme.slug}{path}", form, headers=headers)
        page = re.sub(r"\s+", " ", answer.get_data(as_text=True))
        assert answer.status_code in {409, 422}, name
        assert sentence in page, name
        assert not field or re.search(rf'id="[^"]*{field}"[^>]*aria-invalid="true"', page), f"{name}: at its field"
        assert [text for text in typed if f'value="{text}"' not in page] == [], f"{name}: what was typed is kept"
        ways = re.findall(r'href="#(f-[^"]+)"', page)
        assert [one for one in ways if f'id="{one}"' not in page] == [], f"{name}: the summary leads to the fields"
    assert_books(desk.cast.acme)
