"""One act over many entries, and its undoing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from uuid import uuid4

import pytest

from tenants.money.ledger.bulk import BulkChange
from tenants.money.ledger.changes import ChangedSince, TooManyEntries, change_entries, undo_change
from tenants.money.ledger.commands import close_entry, delete_entry, edit_entry, set_cleared
from tenants.money.ledger.content import draft_of
from tenants.money.ledger.register import MATCHING_MAX
from tests.tenants.money.ledger.conftest import Books
from webapp.kernel.errors import Invalid, NotFound


def test_a_category_is_set_in_plain_rows_and_splits_are_left_and_counted(books: Books) -> None:
    plain = books.pay("2026-11-01", "A", 100)
    split = books.book("2026-11-02", "B", ("Bank", -300), ("Food", 100), ("Rent", 200))
    closed = books.pay("2026-11-03", "C", 100)
    dollars = books.book("2026-11-04", "D", ("Dollars", -5), ("Fees in dollars", 5), currency="USD")
    same = books.pay("2026-11-05", "E", 100, of="Rent")
    books.act(close_entry, entry_id=closed)
    outcome = books.act(
        change_entries,
        change_id=uuid4(),
        ids=[plain, split, closed, dollars, same],
        change=BulkChange(category_id=books.ids["Rent"]),
    )
    assert outcome.changed == 1
    assert outcome.left == {"split": 1, "closed": 1, "currency": 1, "same": 1}
    assert books.balance("Rent") == 100 + 200 + 100
    assert books.balance("Food") == 100 + 100


def test_undo_restores_texts_days_accounts_and_marks(books: Books) -> None:
    ids = [books.pay(f"2026-11-0{n}", f"Text {n}", n * 100, payee=f"Payee {n}") for n in (1, 2, 3)]
    books.act(set_cleared, entry_id=ids[0], position=1, cleared=True)
    before = [books.entry(key) for key in ids]
    change_id = uuid4()
    books.act(
        change_entries,
        change_id=change_id,
        ids=ids,
        change=BulkChange(
            category_id=books.ids["Rent"],
            account_id=books.ids["Card"],
            counterparty="Other",
            day=date(2026, 12, 24),
            note="Noted",
            cleared=True,
        ),
    )
    changed = books.entry(ids[0])
    assert changed is not None
    assert (changed.day, changed.counterparty, changed.note) == (date(2026, 12, 24), "Other", "Noted")
    assert books.balance("Card") == -600
    assert books.act(undo_change, change_id=change_id, undo_id=uuid4()) == 3
    for old, key in zip(before, ids, strict=True):
        now = books.entry(key)
        assert old is not None
        assert now is not None
        assert draft_of(now) == draft_of(old)
        assert [p.cleared for p in now.postings] == [p.cleared for p in old.postings]
    assert books.balance("Bank") == -600
    assert books.balance("Card") == 0


def test_deleted_entries_come_back_with_their_numbers(books: Books) -> None:
    ids = [books.pay("2026-11-01", f"Text {n}", 100) for n in range(3)]
    before = books.entry(ids[1])
    change_id = uuid4()
    assert books.act(change_entries, change_id=change_id, ids=ids, change=BulkChange(delete=True)).changed == 3
    assert books.entry(ids[1]) is None
    assert books.balance("Bank") == 0
    books.act(undo_change, change_id=change_id, undo_id=uuid4())
    now = books.entry(ids[1])
    assert now is not None
    assert before is not None
    assert (draft_of(now), now.created_at, now.created_by) == (draft_of(before), before.created_at, before.created_by)
    assert now.version == before.version + 1
    assert books.balance("Bank") == -300
    with pytest.raises(ChangedSince):
        books.act(undo_change, change_id=change_id, undo_id=uuid4())


def test_a_single_edit_and_deletion_can_be_undone_too(books: Books) -> None:
    entry_id, edited, deleted = books.pay("2026-11-01", "Before", 100), uuid4(), uuid4()
    entry = books.entry(entry_id)
    assert entry is not None
    draft = draft_of(entry)
    books.act(
        edit_entry,
        change_id=edited,
        entry_id=entry_id,
        version=1,
        draft=type(draft)(draft.day, "After", draft.postings),
    )
    books.act(undo_change, change_id=edited, undo_id=uuid4())
    books.act(delete_entry, change_id=deleted, entry_id=entry_id, version=None)
    books.act(undo_change, change_id=deleted, undo_id=uuid4())
    now = books.entry(entry_id)
    assert now is not None
    assert now.description == "Before"


def test_nothing_is_undone_when_one_entry_was_changed_or_closed_since(books: Books) -> None:
    ids = [books.pay("2026-11-01", f"Text {n}", 100) for n in range(3)]
    change_id = uuid4()
    books.act(change_entries, change_id=change_id, ids=ids, change=BulkChange(counterparty="Other"))
    books.act(change_entries, change_id=uuid4(), ids=ids[:1], change=BulkChange(note="Newer"))
    books.act(close_entry, entry_id=ids[1])
    error = pytest.raises(ChangedSince, books.act, undo_change, change_id=change_id, undo_id=uuid4()).value
    assert error.params == {"count": 2}
    assert all(books.entry(key).counterparty == "Other" for key in ids)  # type: ignore[union-attr]


def test_an_unknown_act_and_another_workspaces_act_are_not_found(books: Books) -> None:
    entry_id, change_id = books.pay("2026-11-01", "Text", 100), uuid4()
    books.act(change_entries, change_id=change_id, ids=[entry_id], change=BulkChange(note="x"))
    with pytest.raises(NotFound):
        books.act(undo_change, change_id=uuid4(), undo_id=uuid4())
    answer = books.cast.mallory.api("POST", f"/changes/{change_id}/undoing")
    assert answer.status_code == 404


def test_a_cleared_mark_stays_when_only_the_other_side_changes(books: Books) -> None:
    entry_id = books.pay("2026-11-01", "Text", 100)
    books.act(set_cleared, entry_id=entry_id, position=1, cleared=True)
    books.act(change_entries, change_id=uuid4(), ids=[entry_id], change=BulkChange(category_id=books.ids["Rent"]))
    entry = books.entry(entry_id)
    assert entry is not None
    assert [p.cleared for p in entry.postings] == [True, False]


def test_too_many_entries_and_unknown_accounts_are_refused(books: Books) -> None:
    with pytest.raises(TooManyEntries):
        books.act(change_entries, change_id=uuid4(), ids=range(MATCHING_MAX + 1), change=BulkChange(note="x"))
    with pytest.raises(Invalid):
        books.act(
            change_entries,
            change_id=uuid4(),
            ids=[books.pay("2026-11-01", "A", 1)],
            change=BulkChange(category_id=999_999),
        )


def test_a_thousand_entries_are_changed_and_undone_in_one_act_each(books: Books) -> None:
    answer = books.cast.alice.api(
        "POST",
        "/entries/batch",
        json={
            "entries": [
                {
                    "date": "2026-10-01",
                    "description": f"Row {n}",
                    "postings": [
                        {"account_id": books.ids["Bank"], "amount": "-1.00", "currency": "EUR"},
                        {"account_id": books.ids["Food"], "amount": "1.00", "currency": "EUR"},
                    ],
                }
                for n in range(1000)
            ]
        },
    )
    assert answer.status_code == 201
    made = books.cast.alice.api("POST", "/entries/changes", json={"q": "row", "category_id": books.ids["Rent"]})
    assert made.json["changed"] == 1000
    assert books.balance("Rent") == 100_000
    undone = books.cast.alice.api("POST", f"/changes/{made.json['id']}/undoing")
    assert undone.json["entries"] == 1000
    assert (books.balance("Rent"), books.balance("Food")) == (0, 100_000)


def test_an_entry_that_is_named_twice_is_changed_once(books: Books) -> None:
    entry_id = books.pay("2026-11-01", "A", 100)
    body = {"ids": [entry_id, entry_id, entry_id], "note": "seen"}
    answer = books.cast.alice.api("POST", "/entries/changes", json=body)
    assert answer.status_code in {200, 201}, answer.text
    after = books.entry(entry_id)
    assert after is not None
    assert (after.note, after.version) == ("seen", 2)


def test_a_deletion_is_undone_once_however_many_ask(books: Books) -> None:
    entry_id = books.pay("2026-11-01", "A", 100)
    change_id = uuid4()
    books.act(change_entries, change_id=change_id, ids=[entry_id], change=BulkChange(delete=True))

    def undo(_number: int) -> int:
        return books.cast.alice.api("POST", f"/changes/{change_id}/undoing").status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(undo, range(4))) == [201, 409, 409, 409]
    assert books.entry(entry_id) is not None


def test_what_says_nothing_does_not_stand_for_every_entry(books: Books) -> None:
    books.pay("2026-11-01", "A", 100)
    for line in ("((", "%", "-((", "is:open " * 21):
        refused = books.cast.alice.api("POST", "/entries/changes", json={"q": line, "delete": True})
        assert refused.status_code == 422, line
    assert len(books.cast.alice.api("GET", "/entries").json["data"]) == 1


def test_a_balance_beyond_what_can_be_kept_is_refused(books: Books) -> None:
    most = "10000000000000.00"
    lines = [
        {"account_id": books.ids[name], "amount": sign + most, "currency": "EUR"}
        for name, sign in (("Bank", ""), ("Food", "-"))
        for _ in range(250)
    ]
    body = {"entries": [{"date": "2026-11-01", "description": "much", "postings": lines}] * 40}
    refused = books.cast.alice.api("POST", "/entries/batch", json=body, headers={"Idempotency-Key": "much"})
    assert (refused.status_code, refused.json["code"]) == (409, "balance_too_large")
    assert books.balance("Bank") == 0
