"""What a person corrects is learned: a category in the register, a decision on two movements that look alike."""

from typing import Any

HEADER = "Date,Payee,Description,Amount,Currency\n"
MARCH = HEADER + "2026-03-02,REWE,Groceries,-12.34,EUR\n2026-03-03,REWE,Groceries,-8.00,EUR\n"
LATER = HEADER + "2026-04-02,REWE City,Groceries,-5.00,EUR\n"


def suggested(desk: Any, content: str = LATER) -> int | None:
    """Bring a statement, give it up again, and return the category that was suggested for its row."""
    found = desk.bring(content)
    (row,) = desk.rows(found["id"])
    desk.act(found["id"], "cancellation")
    return row["suggestion"]["category_id"] if row["suggestion"] else None


def counts(desk: Any) -> dict[tuple[str, int], int]:
    """Return what was learned, without what was forgotten."""
    query = "SELECT jsonb_agg(jsonb_build_array(word, category_id, seen)) FROM category_word WHERE seen > 0"
    return {(word, category): seen for word, category, seen in desk.sql(query) or []}


def entries(desk: Any) -> list[dict[str, Any]]:
    return sorted(desk.alice.api("GET", "/entries").json["data"], key=lambda one: one["id"])


def move(desk: Any, entry: dict[str, Any], category: int) -> dict[str, Any]:
    """Give an entry another category as the register does, over the API."""
    now = desk.alice.api("GET", f"/entries/{entry['id']}")
    bank = desk.account()
    lines = [{k: p[k] for k in ("account_id", "amount", "currency")} for p in now.json["postings"]]
    for line in lines:
        line["account_id"] = line["account_id"] if line["account_id"] == bank else category
    body = {k: now.json[k] for k in ("date", "description", "counterparty")} | {"postings": lines}
    done = desk.alice.api("PUT", f"/entries/{entry['id']}", json=body, headers={"If-Match": now.headers["ETag"]})
    assert done.status_code == 200, done.text
    return dict(done.json)


def test_a_category_that_is_set_in_the_register_is_suggested_the_next_time(desk: Any) -> None:
    food = desk.account("Food", kind="expense")
    desk.bring(MARCH, publish="auto")
    assert suggested(desk) is None
    move(desk, entries(desk)[0], food)
    assert suggested(desk) == food


def test_a_category_that_is_changed_again_is_forgotten(desk: Any) -> None:
    food, home = desk.account("Food", kind="expense"), desk.account("Home", kind="expense")
    desk.bring(MARCH, publish="auto")
    first = entries(desk)[0]
    move(desk, first, food)
    assert counts(desk) == {("", food): 1, ("rewe", food): 1}
    move(desk, first, home)
    assert counts(desk) == {("", home): 1, ("rewe", home): 1}
    assert suggested(desk) == home


def test_a_category_of_an_entry_by_hand_is_learned_when_it_is_corrected_and_not_taken_from_others(desk: Any) -> None:
    food, home = desk.account("Food", kind="expense"), desk.account("Home", kind="expense")
    desk.bring(MARCH, publish="auto")
    move(desk, entries(desk)[0], food)
    bank = desk.account()
    lines = [{"account_id": bank, "amount": "-1.00", "currency": "EUR"}]
    lines.append({"account_id": food, "amount": "1.00", "currency": "EUR"})
    body = {"date": "2026-03-09", "description": "Bread", "counterparty": "REWE", "postings": lines}
    by_hand = desk.alice.api("POST", "/entries", json=body).json
    assert counts(desk) == {("", food): 1, ("rewe", food): 1}
    move(desk, by_hand, home)
    assert counts(desk) == {("", food): 1, ("rewe", food): 1, ("", home): 1, ("rewe", home): 1}


def test_many_at_once_their_undoing_a_deletion_and_a_split_are_counted(desk: Any) -> None:
    food, home = desk.account("Food", kind="expense"), desk.account("Home", kind="expense")
    desk.bring(MARCH, publish="auto")
    both = entries(desk)
    done = desk.alice.api("POST", "/entries/changes", json={"ids": [one["id"] for one in both], "category_id": food})
    assert done.status_code == 201, done.text
    learned = {("", food): 2, ("rewe", food): 2}
    assert counts(desk) == learned
    gone = desk.alice.api("POST", "/entries/changes", json={"ids": [both[0]["id"]], "delete": True}).json
    assert counts(desk) == {("", food): 1, ("rewe", food): 1}
    assert desk.alice.api("POST", f"/changes/{gone['id']}/undoing").status_code < 300
    assert counts(desk) == learned
    now = desk.alice.api("GET", f"/entries/{both[0]['id']}")
    split = [
        {"account_id": desk.account(), "amount": "-12.34", "currency": "EUR"},
        {"account_id": food, "amount": "12.00", "currency": "EUR"},
        {"account_id": home, "amount": "0.34", "currency": "EUR"},
    ]
    body = {k: now.json[k] for k in ("date", "description", "counterparty")} | {"postings": split}
    etag = {"If-Match": now.headers["ETag"]}
    assert desk.alice.api("PUT", f"/entries/{both[0]['id']}", json=body, headers=etag).status_code == 200
    assert counts(desk) == {("", food): 1, ("rewe", food): 1}


def test_what_an_undone_import_taught_is_forgotten_but_not_what_a_person_corrected_since(desk: Any) -> None:
    food, home = desk.account("Food", kind="expense"), desk.account("Home", kind="expense")
    made = desk.bring(MARCH)
    desk.act(
        made["id"], "categories", {"category_id": food, "positions": [row["position"] for row in desk.rows(made["id"])]}
    )
    desk.act(made["id"], "publication")
    assert counts(desk) == {("", food): 2, ("rewe", food): 2}
    move(desk, entries(desk)[0], home)
    desk.act(made["id"], "reversal")
    assert counts(desk) == {("", home): 1, ("rewe", home): 1}
    assert len(entries(desk)) == 1


def test_a_row_that_was_skipped_beside_an_entry_is_not_asked_for_again(desk: Any) -> None:
    desk.post(desk.account(), "-12.34", "2026-03-05", "Rewe supermarket")
    first = desk.bring(MARCH)
    assert first["counts"]["doubtful"] == 1
    assert desk.act(first["id"], "decisions", {"decision": "skip"}).status_code == 200
    again = desk.bring(MARCH)
    assert (again["counts"]["doubtful"], again["counts"]["skipped"], again["counts"]["new"]) == (0, 1, 1)
    (row,) = desk.rows(again["id"], "skipped")
    assert row["reason_code"] == "skipped_before"
    assert row["match"]["description"] == "Rewe supermarket"
    assert desk.act(again["id"], "decisions", {"decision": "reopen", "positions": [1]}).status_code == 200
    (row,) = desk.rows(again["id"], "doubtful")
    assert row["reason_code"] == "near_match"


def test_a_skip_holds_for_its_pair_alone_and_not_longer_than_it_stands(desk: Any) -> None:
    entry = desk.post(desk.account(), "-12.34", "2026-03-05", "Rewe supermarket")
    first = desk.bring(MARCH)
    desk.act(first["id"], "decisions", {"decision": "skip"})
    other = desk.bring(HEADER + "2026-03-04,REWE,Groceries,-12.34,EUR\n")
    assert other["counts"]["doubtful"] == 1
    desk.act(first["id"], "decisions", {"decision": "reopen", "positions": [1]})
    assert desk.bring(MARCH)["counts"]["doubtful"] == 1
    desk.act(first["id"], "decisions", {"decision": "skip"})
    desk.alice.api("DELETE", f"/entries/{entry}", headers={"If-Match": '"v1"'})
    desk.post(desk.account(), "-12.34", "2026-03-06", "Rewe supermarket")
    assert desk.bring(MARCH)["counts"]["doubtful"] == 1
