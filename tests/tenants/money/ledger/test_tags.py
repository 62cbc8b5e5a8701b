"""Tags: words of one's own on entries, changed in many at once, searched, undone, kept in the history."""

import re
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from tenants.money.ledger.bulk import BulkChange
from tenants.money.ledger.changes import change_entries, undo_change
from tenants.money.ledger.rules import read_tags
from tenants.money.ledger.search import read_search, terms_of
from tests.tenants.money.ledger.conftest import Books
from webapp.kernel.errors import Invalid


def tags_of(books: Books, entry_id: int) -> list[str]:
    return list(books.cast.alice.api("GET", f"/entries/{entry_id}").json["tags"])


def found(books: Books, line: str) -> set[str]:
    answer = books.cast.alice.api("GET", "/entries", query_string={"q": line})
    assert answer.status_code == 200, answer.text
    return {entry["description"] for entry in answer.json["data"]}


def test_tags_are_added_and_removed_in_many_entries_and_undone(books: Books) -> None:
    ids = [books.pay("2026-11-01", f"P{n}", 100 + n) for n in range(3)]
    change_id = uuid4()
    outcome = books.act(change_entries, change_id=change_id, ids=ids, change=BulkChange(add_tags=("trip", "été")))
    assert outcome.changed == 3
    assert [tags_of(books, one) for one in ids] == [["trip", "été"]] * 3
    same = books.act(change_entries, change_id=uuid4(), ids=ids, change=BulkChange(add_tags=("trip",)))
    assert (same.changed, dict(same.left)) == (0, {"same": 3})
    second = uuid4()
    change = BulkChange(add_tags=("paid",), remove_tags=("trip",), note="n")
    assert books.act(change_entries, change_id=second, ids=ids[:2], change=change).changed == 2
    assert [tags_of(books, one) for one in ids] == [["paid", "été"], ["paid", "été"], ["trip", "été"]]
    books.act(undo_change, change_id=second, undo_id=uuid4())
    assert [tags_of(books, one) for one in ids] == [["trip", "été"]] * 3
    versions = books.cast.alice.api("GET", f"/entries/{ids[0]}/versions").json["data"]
    assert [one["content"]["tags"] for one in versions] == [["paid", "été"], ["trip", "été"], []]


def test_a_deleted_entry_comes_back_with_its_tags(books: Books) -> None:
    entry_id = books.pay("2026-11-01", "Hotel", 100)
    books.act(change_entries, change_id=uuid4(), ids=[entry_id], change=BulkChange(add_tags=("trip",)))
    gone = uuid4()
    books.act(change_entries, change_id=gone, ids=[entry_id], change=BulkChange(delete=True))
    books.act(undo_change, change_id=gone, undo_id=uuid4())
    assert tags_of(books, entry_id) == ["trip"]


def test_tags_are_searched_alone_without_and_with_other_words(books: Books) -> None:
    ids = {name: books.pay("2026-11-01", name, 100) for name in ("Hotel", "Train", "Rent")}
    for name, tags in (("Hotel", ("trip", "rome")), ("Train", ("trip",))):
        books.act(change_entries, change_id=uuid4(), ids=[ids[name]], change=BulkChange(add_tags=tags))
    assert found(books, "tag:trip") == {"Hotel", "Train"}
    assert found(books, "tag:Trip -tag:rome") == {"Train"}
    assert found(books, "-tag:trip") == {"Rent"}
    assert found(books, "tag:trip hotel") == {"Hotel"}
    assert found(books, "tag:trip account:512 tag:rome") == {"Hotel"}
    assert found(books, "tag:nothing") == set()
    page = books.cast.alice.browser().get(f"{books.path}/accounts/{books.ids['Bank']}?q=tag:rome").text
    assert "Hotel" in page
    assert "Train" not in page
    assert "reg-balance" not in page, "a narrowed register has gaps, so no running balance"


def test_the_page_writes_shows_filters_and_changes_tags(books: Books) -> None:
    alice = books.cast.alice
    lines = {"account_id": [books.ids["Bank"], books.ids["Food"]], "amount": ["-5", "5"], "memo": ["", ""]}
    form = {"date": "2026-11-20", "description": "Lunch", "counterparty": "", "note": "", **lines}
    made = alice.post(f"{books.path}/entries", form | {"tags": "Trip, #rome  trip"})
    assert made.status_code == 303
    entry_id = int(made.headers["Location"].rpartition("/")[2])
    assert tags_of(books, entry_id) == ["rome", "trip"]
    page = alice.browser().get(f"{books.path}/entries?q=").text
    assert re.findall(r'class="badge badge--outline" href="([^"]*)">', page) == [
        f"{books.path}/entries?q=tag%3Arome",
        f"{books.path}/entries?q=tag%3Atrip",
    ]
    assert 'value="rome trip"' in alice.browser().get(f"{books.path}/entries/{entry_id}/edit").text
    narrowed = alice.browser().get(f"{books.path}/entries?q=lunch&tag=rome")
    assert narrowed.location.endswith("?q=lunch+tag%3Arome")
    wrong = alice.post(f"{books.path}/entries", form | {"tags": "ok a/b"})
    assert (wrong.status_code, "“a/b” is not a tag" in wrong.text) == (422, True)
    assert "ok a/b" in wrong.text
    bulk = {"ids": str(entry_id), "act": "set", "add_tags": "paid", "remove_tags": "rome"}
    assert alice.post(f"{books.path}/entries/changes", bulk).status_code == 303
    assert tags_of(books, entry_id) == ["paid", "trip"]
    assert "trip" in alice.browser().get(f"{books.path}/entries/{entry_id}").text
    told = alice.browser().get(f"{books.path}/entries/export.csv?q=").text
    assert told.splitlines()[1].endswith(",paid trip")


def test_the_call_takes_tags_and_refuses_what_is_none(books: Books) -> None:
    postings = [
        {"account_id": books.ids[name], "amount": amount, "currency": "EUR"}
        for name, amount in (("Bank", "-5.00"), ("Food", "5.00"))
    ]
    body = {"date": "2026-11-20", "description": "x", "postings": postings}
    alice = books.cast.alice
    made = alice.api("POST", "/entries", json=body | {"tags": ["b", "a", "b"]})
    assert (made.status_code, made.json["tags"]) == (201, ["a", "b"])
    batch = alice.api("POST", "/entries/batch", json={"entries": [body | {"tags": ["c"]}, body]}).json["data"]
    assert [tags_of(books, one["id"]) for one in batch] == [["c"], []]
    for tags in (["with space"], ["a,b"], ["Upper"], [""], ["x" * 41], [f"t{n}" for n in range(21)]):
        refused = alice.api("POST", "/entries", json=body | {"tags": tags})
        assert refused.status_code == 422, tags
    changed = alice.api("POST", "/entries/changes", json={"ids": [made.json["id"]], "add_tags": ["c"]})
    assert changed.json["changed"] == 1
    wrong = alice.api("POST", "/entries/changes", json={"ids": [made.json["id"]], "add_tags": ["no no"]})
    assert wrong.status_code == 422
    many = BulkChange(add_tags=tuple(f"t{n}" for n in range(19)))
    with pytest.raises(Invalid):
        books.act(change_entries, change_id=uuid4(), ids=[made.json["id"]], change=many)


def test_a_tag_among_many_entries_is_found_by_its_index(books: Books, owner: Engine) -> None:
    schema = books.cast.acme.ref.schema
    rare = books.pay("2026-11-01", "Rare", 1)
    books.act(change_entries, change_id=uuid4(), ids=[rare], change=BulkChange(add_tags=("rare",)))
    with owner.begin() as connection:
        connection.execute(text(f"SET LOCAL search_path = {schema}, pg_catalog"))
        connection.execute(
            text("""
                INSERT INTO entry (day, description, created_at, created_by)
                SELECT DATE '2020-01-01' + n % 2000, 'x', now(), gen_random_uuid() FROM generate_series(1, 20000) n
            """)
        )
        connection.execute(text("ANALYZE entry"))
        query = "EXPLAIN SELECT day, id FROM entry WHERE tags @> ARRAY['rare'] ORDER BY day DESC, id DESC LIMIT 61"
        plan = "\n".join(connection.scalars(text(query)))
    assert "entry_tags" in plan, plan


def test_a_text_is_read_as_tags() -> None:
    assert read_tags(" Rome,trip; #trip،été ") == ("rome", "trip", "été")
    assert read_tags("") == ()
    assert [(term.kind, term.value, term.negated) for term in terms_of("-tag:a tag:b")] == [
        ("tag", "a", True),
        ("tag", "b", False),
    ]
    (criteria,) = read_search("tag:A -tag:b", accounts=list)
    assert (criteria.tags, criteria.without_tags) == (("a",), ("b",))
