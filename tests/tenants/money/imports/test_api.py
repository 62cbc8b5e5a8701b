"""Statements in, balanced books out, over the JSON API."""

import io
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text as sql

from tenants.money.ledger.commands import close_entry
from webapp import worker
from webapp.kernel.clock import utc_now

HEADER = "Date,Payee,Description,Amount,Currency\n"
MARCH = HEADER + (
    "2026-03-02,REWE,Groceries,-12.34,EUR\n"
    "2026-03-02,Coffee Corner,Espresso,-2.50,EUR\n"
    "2026-03-02,Coffee Corner,Espresso,-2.50,EUR\n"
    "2026-03-05,Acme Industries,Salary,2500.00,EUR\n"
)


def test_a_statement_is_checked_then_published_and_the_books_balance(desk: Any) -> None:
    answer = desk.upload(MARCH)
    assert answer.status_code == 202
    assert answer.headers["Location"].endswith(f"/imports/{answer.json['id']}")
    assert answer.json["state"] == "received"
    desk.work()
    found = desk.get(answer.json["id"])
    assert found["state"] == "review", found["error"]
    assert found["counts"] == {
        "rows": 4,
        "new": 4,
        "duplicate": 0,
        "doubtful": 0,
        "wrong": 0,
        "published": 0,
        "ignored": 0,
        "skipped": 0,
        "merged": 0,
    }
    assert desk.balance(desk.account()) == "0.00"
    assert desk.act(found["id"], "publication").status_code == 202
    found = desk.get(found["id"])
    assert (found["state"], found["counts"]["published"]) == ("published", 4)
    assert desk.balance(desk.account()) == "2482.66"
    assert [row["state"] for row in desk.rows(found["id"])] == ["published"] * 4
    assert desk.sql("SELECT sum(amount) FROM posting") == 0
    assert desk.sql("SELECT count(*) FROM account WHERE purpose = 'to_categorise'") == 1


def test_every_state_on_the_way_there_and_back_is_told(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = desk.upload(MARCH, publish="auto").json
    seen = [found["state"]]

    def look() -> datetime:
        seen.append(desk.get(found["id"])["state"])
        return utc_now()

    monkeypatch.setitem(worker.process, "clock", look)
    desk.work()
    assert desk.act(found["id"], "reversal").status_code == 202
    desk.work()
    seen.append(desk.get(found["id"])["state"])
    told = ["received", "recognising", "checking", "publishing", "published", "reversing", "reversed"]
    assert list(dict.fromkeys(seen)) == told


def test_publish_auto_publishes_when_nothing_is_doubtful_or_wrong(desk: Any) -> None:
    assert desk.bring(MARCH, publish="auto")["state"] == "published"
    assert desk.balance(desk.account()) == "2482.66"


def test_the_same_file_again_adds_nothing(desk: Any) -> None:
    desk.bring(MARCH, publish="auto")
    again = desk.bring(MARCH, publish="auto")
    assert again["state"] == "published"
    assert (again["counts"]["new"], again["counts"]["duplicate"], again["counts"]["published"]) == (0, 4, 0)
    assert desk.balance(desk.account()) == "2482.66"


def test_an_overlapping_file_adds_only_what_is_new(desk: Any) -> None:
    desk.bring(MARCH, publish="auto")
    rows = MARCH.splitlines()
    overlap = "\n".join([rows[0], rows[2], rows[3], rows[2], "2026-03-09,Landlord,Rent,-700.00,EUR"]) + "\n"
    found = desk.bring(overlap, publish="auto")
    assert (found["state"], found["counts"]["new"], found["counts"]["duplicate"]) == ("published", 2, 2)
    assert desk.balance(desk.account()) == "1780.16"


def test_two_files_with_the_same_numbers_of_the_bank_are_booked_once_however_they_are_written(desk: Any) -> None:
    first = desk.bring(ofx(("F1", "20260302", "-12.34", "REWE"), ("F2", "20260305", "2500.00", "ACME")), publish="auto")
    assert (first["state"], first["counts"]["published"]) == ("published", 2)
    again = desk.bring(
        ofx(("F2", "20260305", "2500.00", "Acme Industries SARL"), ("F1", "20260302", "-12.34", "REWE SAGT DANKE"))
    )
    assert (again["counts"]["new"], again["counts"]["duplicate"], again["counts"]["doubtful"]) == (0, 2, 0)
    more = desk.bring(ofx(("F2", "20260305", "2500.00", "ACME"), ("F3", "20260305", "2500.00", "ACME")), publish="auto")
    assert (more["counts"]["new"] + more["counts"]["doubtful"], more["counts"]["duplicate"]) == (1, 1)
    twice = desk.bring(ofx(("F4", "20260309", "-1.00", "A"), ("F4", "20260309", "-1.00", "A")))
    assert (twice["counts"]["new"], twice["counts"]["duplicate"]) == (1, 1)


def ofx(*movements: tuple[str, str, str, str]) -> str:
    """Write a statement with the bank's numbers: (number, day, amount, name)."""
    lines = "".join(
        f"<STMTTRN><TRNTYPE>OTHER<DTPOSTED>{day}<TRNAMT>{amount}<FITID>{number}<NAME>{name}</STMTTRN>\n"
        for number, day, amount, name in movements
    )
    return (
        "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nENCODING:UTF-8\n\n<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS>"
        f"<CURDEF>EUR<BANKACCTFROM><ACCTID>1</BANKACCTFROM><BANKTRANLIST>\n{lines}</BANKTRANLIST></STMTRS></STMTTRNRS>"
        "</BANKMSGSRSV1></OFX>\n"
    )


def test_undo_takes_everything_back_and_the_file_can_come_again(desk: Any) -> None:
    found = desk.bring(MARCH, publish="auto")
    assert desk.act(found["id"], "reversal").status_code == 202
    assert desk.get(found["id"])["state"] == "reversed"
    assert desk.balance(desk.account()) == "0.00"
    assert desk.sql("SELECT count(*) FROM entry") == 0
    assert desk.bring(MARCH, publish="auto")["counts"]["published"] == 4


def test_undo_leaves_what_was_edited_or_closed_and_lists_it(desk: Any) -> None:
    found = desk.bring(MARCH, publish="auto")
    entries = {one["counterparty"]: one for one in desk.alice.api("GET", "/entries").json["data"]}
    rewe, salary = entries["REWE"], entries["Acme Industries"]
    body = {
        "date": rewe["date"],
        "description": "Bread",
        "counterparty": "REWE",
        "postings": [{k: p[k] for k in ("account_id", "amount", "currency")} for p in rewe["postings"]],
    }
    edited = desk.alice.api("PUT", f"/entries/{rewe['id']}", json=body, headers={"If-Match": '"v1"'})
    assert edited.status_code == 200, edited.text
    with desk.cast.acme.begin() as session:
        close_entry(session=session, actor=desk.alice.actor, at=utc_now(), entry_id=salary["id"])
    desk.act(found["id"], "reversal")
    assert desk.get(found["id"])["state"] == "reversed"
    left = desk.rows(found["id"], "left")
    assert {row["match"]["entry_id"] for row in left} == {rewe["id"], salary["id"]}
    assert desk.balance(desk.account()) == "2487.66"
    one, other = left
    assert desk.act(found["id"], f"rows/{one['position']}/settlement", {"decision": "reverse"}).status_code == 200
    assert desk.act(found["id"], f"rows/{other['position']}/settlement", {"decision": "keep"}).status_code == 200
    assert desk.act(found["id"], f"rows/{other['position']}/settlement", {"decision": "keep"}).status_code == 409
    again = desk.bring(MARCH)
    assert (again["counts"]["new"], again["counts"]["duplicate"]) == (3, 1)


def test_all_that_an_undone_import_left_is_reversed_or_kept_at_once(desk: Any) -> None:
    found = desk.bring(MARCH, publish="auto")
    food = desk.account("Food", kind="expense")
    ids = [one["id"] for one in desk.alice.api("GET", "/entries").json["data"]]
    changed = desk.alice.api("POST", "/entries/changes", json={"ids": ids, "category_id": food})
    assert changed.status_code == 201, changed.text
    desk.act(found["id"], "reversal")
    assert len(desk.rows(found["id"], "left")) == len(ids) == 4
    assert desk.alice.api("POST", f"/entries/{ids[0]}/reversal", json={}).status_code == 201
    asked = {"decision": "reverse"}
    assert desk.cast.bob.api("POST", f"/imports/{found['id']}/settlement", json=asked).status_code == 403
    assert desk.act(found["id"], "settlement", asked).status_code == 200
    assert desk.balance(desk.account()) == "0.00"
    reasons = {row["match"]["entry_id"]: row["reason_code"] for row in desk.rows(found["id"], "left")}
    assert reasons == {key: "left" if key == ids[0] else "reversed" for key in ids}
    events = "SELECT count(*) FROM audit_event WHERE action = 'import.left_settled'"
    assert desk.sql(events) == 3
    refused = desk.act(found["id"], "settlement", asked)
    assert (refused.status_code, refused.json["type"].rpartition("#")[2]) == (409, "already_reversed")
    assert desk.act(found["id"], "settlement", {"decision": "keep"}).status_code == 200
    assert desk.act(found["id"], "settlement", {"decision": "keep"}).status_code == 409
    assert desk.bring(MARCH)["counts"]["new"] == 3


def test_undo_takes_back_an_entry_whose_change_was_undone(desk: Any) -> None:
    found = desk.bring(MARCH, publish="auto")
    category = desk.account("Food", kind="expense")
    entries = desk.alice.api("GET", "/entries").json["data"]
    changed = desk.alice.api(
        "POST", "/entries/changes", json={"ids": [one["id"] for one in entries[:2]], "category_id": category}
    )
    assert changed.status_code == 201, changed.text
    undone = desk.alice.api("POST", f"/changes/{changed.json['id']}/undoing")
    assert undone.status_code == 201, undone.text
    assert {one["version"] for one in desk.alice.api("GET", "/entries").json["data"]} == {1, 3}
    desk.act(found["id"], "reversal")
    assert desk.sql("SELECT count(*) FROM entry") == 0
    assert desk.rows(found["id"], "left") == []
    assert desk.balance(desk.account()) == "0.00"
    again = desk.alice.api("POST", f"/changes/{undone.json['id']}/undoing")
    assert (again.status_code, desk.balance(desk.account())) == (409, "0.00"), again.text
    assert desk.bring(MARCH)["counts"]["new"] == 4


def test_undo_takes_back_what_was_deleted_and_put_back_or_lists_it(desk: Any) -> None:
    found = desk.bring(MARCH, publish="auto")
    ids = [one["id"] for one in desk.alice.api("GET", "/entries").json["data"]]
    deleted = desk.alice.api("POST", "/entries/changes", json={"ids": ids[:2], "delete": True})
    assert desk.alice.api("POST", f"/changes/{deleted.json['id']}/undoing").status_code == 201
    noted = desk.alice.api("POST", "/entries/changes", json={"ids": ids[:1], "note": "Mine"})
    assert noted.status_code == 201, noted.text
    desk.act(found["id"], "reversal")
    assert [row["match"]["entry_id"] for row in desk.rows(found["id"], "left")] == ids[:1]
    assert desk.sql("SELECT count(*) FROM entry") == 1
    assert desk.get(found["id"])["counts"]["published"] == 1


def test_a_deleted_entry_is_not_brought_back(desk: Any) -> None:
    desk.bring(MARCH, publish="auto")
    entry = desk.alice.api("GET", "/entries").json["data"][0]
    assert desk.alice.api("DELETE", f"/entries/{entry['id']}", headers={"If-Match": '"v1"'}).status_code == 204
    again = desk.bring(MARCH)
    assert (again["counts"]["new"], again["counts"]["duplicate"]) == (0, 4)


def test_wrong_rows_are_shown_with_line_raw_and_reason_and_can_be_corrected(desk: Any) -> None:
    text = HEADER + "2026-02-30,REWE,Bread,-1.00,EUR\n2026-02-27,REWE,Milk,-2.00,EUR\n2026-02-27,REWE,Eggs,abc,EUR\n"
    found = desk.bring(text, publish="auto")
    assert (found["state"], found["counts"]["wrong"], found["counts"]["new"]) == ("review", 2, 1)
    first, second = desk.rows(found["id"], "wrong")
    assert (first["line"], first["raw"]) == (2, "2026-02-30,REWE,Bread,-1.00,EUR")
    assert "2026-02-30" in first["reason"]
    path = f"/imports/{found['id']}/rows/{first['position']}"
    refused = desk.alice.api("PUT", path, json={"date": "2026-02-31", "amount": "x", "currency": "EUR"})
    assert refused.status_code == 422
    assert {one["pointer"] for one in refused.json["errors"]} == {"/date", "/amount"}
    fixed = desk.alice.api(
        "PUT",
        path,
        json={"date": "2026-02-28", "amount": "-1.00", "currency": "EUR", "counterparty": "REWE", "text": "Bread"},
    )
    assert (fixed.status_code, fixed.json["state"]) == (200, "new")
    body = {"decision": "skip", "positions": [second["position"]]}
    assert desk.act(found["id"], "decisions", body).status_code == 200
    desk.act(found["id"], "publication")
    assert desk.get(found["id"])["counts"]["published"] == 2
    assert desk.balance(desk.account()) == "-3.00"


def test_equal_rows_that_are_corrected_alike_are_as_many_movements_and_known_again(desk: Any) -> None:
    close_period(desk, "2026-01-01", "2026-01-31")
    text = HEADER + "2026-02-30,REWE,Bread,-1.00,EUR\n" * 2 + "2026-01-05,REWE,Milk,-2.00,EUR\n" * 2
    typed = {"date": "2026-02-28", "amount": "-1.00", "currency": "EUR", "counterparty": "REWE", "text": ""}

    def correct(found: Any, amounts: dict[int, str]) -> None:
        for position, amount in amounts.items():
            path = f"/imports/{found['id']}/rows/{position}"
            assert desk.alice.api("PUT", path, json=typed | {"amount": amount}).status_code == 200

    found = desk.bring(text)
    assert found["counts"]["wrong"] == 4
    correct(found, {1: "-1.00", 2: "-1.00", 3: "-2.00", 4: "-2.00"})
    assert desk.act(found["id"], "publication").status_code == 202
    assert (desk.get(found["id"])["state"], desk.balance(desk.account())) == ("published", "-6.00")
    again = desk.bring(text)
    assert (again["counts"]["wrong"], again["counts"]["duplicate"]) == (2, 2), "what could be read is known at once"
    correct(again, {2: "-1.00", 1: "-1.00"})
    assert desk.get(again["id"])["counts"]["duplicate"] == 4


def test_wrong_rows_do_not_hold_the_others_back(desk: Any) -> None:
    found = desk.bring(HEADER + "2026-02-30,A,b,-1.00,EUR\n2026-02-27,REWE,Milk,-2.00,EUR\n2026-02-27,C,d,-3.00,EUR\n")
    assert desk.act(found["id"], "publication").status_code == 202
    assert desk.get(found["id"])["counts"]["published"] == 2


def test_a_near_match_waits_for_a_decision_and_each_decision_does_what_it_says(desk: Any) -> None:
    bank = desk.account()
    kept = desk.post(bank, "-12.34", "2026-03-05", "Rewe supermarket")
    merged = desk.post(bank, "2500.00", "2026-03-01", "Salary Acme Industries")
    found = desk.bring(MARCH, publish="auto")
    assert (found["state"], found["counts"]["doubtful"], found["counts"]["new"]) == ("review", 2, 2)
    rows = {row["counterparty"]: row for row in desk.rows(found["id"], "doubtful")}
    assert rows["REWE"]["match"]["entry_id"] == kept
    refused = desk.act(found["id"], "publication")
    assert (refused.status_code, refused.json["code"]) == (409, "undecided_rows")
    for name, decision in (("REWE", "keep"), ("Acme Industries", "merge")):
        body = {"decision": decision, "positions": [rows[name]["position"]]}
        assert desk.act(found["id"], "decisions", body).status_code == 200
    desk.act(found["id"], "publication")
    assert desk.get(found["id"])["counts"]["published"] == 3
    entry = desk.alice.api("GET", f"/entries/{merged}").json
    assert entry["counterparty"] == "Acme Industries"
    assert desk.balance(bank) == "2470.32"
    assert desk.bring(MARCH)["counts"]["duplicate"] == 4


def test_skipped_rows_are_not_booked(desk: Any) -> None:
    desk.post(desk.account(), "-12.34", "2026-03-05", "Rewe supermarket")
    found = desk.bring(MARCH)
    assert desk.act(found["id"], "decisions", {"decision": "skip"}).status_code == 200
    desk.act(found["id"], "publication")
    found = desk.get(found["id"])
    assert (found["counts"]["skipped"], found["counts"]["published"]) == (1, 3)


def test_an_import_can_be_cancelled_before_it_is_published_and_not_after(desk: Any) -> None:
    waiting = desk.upload(MARCH).json["id"]
    assert desk.act(waiting, "cancellation").status_code == 202
    assert desk.get(waiting)["state"] == "cancelled"
    found = desk.bring(MARCH)
    assert desk.alice.api("DELETE", f"/imports/{found['id']}").status_code == 204
    assert desk.get(found["id"])["state"] == "cancelled"
    assert desk.act(found["id"], "publication").status_code == 409
    done = desk.bring(MARCH, publish="auto")
    assert desk.act(done["id"], "cancellation").status_code == 409


def test_unreadable_files_fail_with_words(desk: Any) -> None:
    for content, code in (
        (b"%PDF-1.7 hello", "pdf"),
        (b"PK\x03\x04nonsense", "damaged"),
        (b"hello", "unknown_text"),
        (HEADER.encode(), "nothing_to_book"),
    ):
        found = desk.bring(content)
        assert (found["state"], found["error"]["code"]) == ("failed", code)
        assert len(found["error"]["detail"]) > 10


def test_an_empty_file_and_a_foreign_account_are_refused_at_the_field(desk: Any) -> None:
    empty = desk.upload(b"")
    assert (empty.status_code, empty.json["errors"][0]["pointer"]) == (422, "/file")
    income = desk.account("Sales", kind="income")
    wrong = desk.upload(MARCH, account=income)
    assert (wrong.status_code, wrong.json["errors"][0]["pointer"]) == (422, "/account_id")
    assert desk.upload(MARCH, account=999_999).status_code == 422


def test_a_format_that_was_named_must_be_the_one_found(desk: Any) -> None:
    assert desk.bring(MARCH, format="ofx")["error"]["code"] == "not_that_format"
    assert desk.bring(MARCH, format="csv")["state"] == "review"


def test_several_accounts_in_one_file_get_accounts_of_their_own(desk: Any) -> None:
    text = (
        "Account,Date,Payee,Amount,Currency\nLoan 1,2026-01-01,Bank,-10.00,EUR\nLoan 2,2026-01-02,Bank,-20.00,EUR\n"
        "Loan 2,2026-01-03,Bank,-30.00,EUR\n"
    )
    found = desk.bring(text)
    assert found["state"] == "review", found
    assert [(one["name"], one["rows"]) for one in found["accounts"]] == [("Loan 1", 1), ("Loan 2", 2)]
    desk.act(found["id"], "publication")
    by_name = {one["name"]: one["balance"]["amount"] for one in desk.alice.api("GET", "/accounts").json["data"]}
    assert (by_name["Loan 1"], by_name["Loan 2"]) == ("-10.00", "-50.00")
    assert desk.bring(text)["counts"]["duplicate"] == 3


def test_rows_in_another_currency_go_to_an_account_in_that_currency(desk: Any) -> None:
    text = HEADER + "2026-01-01,A,b,-10.00,EUR\n2026-01-02,C,d,-2000,JPY\n"
    found = desk.bring(text, publish="auto")
    assert found["counts"]["published"] == 2, found
    by_name = {one["name"]: one["balance"] for one in desk.alice.api("GET", "/accounts").json["data"]}
    assert by_name["Bank (JPY)"]["amount"] == "-2000"
    assert desk.bring(text)["counts"]["duplicate"] == 2


def test_a_mapping_is_asked_for_once_and_remembered(desk: Any) -> None:
    text = "Alpha;Beta;Gamma\n01/02/2026;Shop;-1,00\n03/02/2026;Shop;-2,00\n"
    found = desk.bring(text)
    assert found["state"] == "needs_mapping", found
    mapping = (found["mapping"] or {}) | {
        "date": 0,
        "counterparty": [1],
        "amount": 2,
        "delimiter": ";",
        "decimal": ",",
        "date_format": "%d/%m/%Y",
        "header_line": 1,
        "width": 3,
    }
    answer = desk.alice.api("PUT", f"/imports/{found['id']}/mapping", json={"mapping": mapping})
    assert answer.status_code == 202, answer.text
    desk.work()
    found = desk.get(found["id"])
    assert (found["state"], found["counts"]["new"]) == ("review", 2), found
    assert desk.rows(found["id"])[0]["date"] == "2026-02-01"
    second = desk.bring(text.replace("Shop", "Other"))
    assert (second["state"], second["mapping_by"]) == ("review", "remembered")


def close_period(desk: Any, starts: str, ends: str) -> None:
    """Close a period of the books."""
    insertion = sql("INSERT INTO period_closing (starts, ends, closed_at, closed_by) VALUES (:a, :b, now(), :by)")
    with desk.cast.acme.begin() as session:
        session.execute(insertion, {"a": starts, "b": ends, "by": desk.alice.actor.person_id})


def test_rows_of_a_closed_period_are_wrong_with_the_reason(desk: Any) -> None:
    close_period(desk, "2026-03-01", "2026-03-03")
    found = desk.bring(MARCH)
    assert (found["counts"]["wrong"], found["counts"]["new"]) == (3, 1)
    assert {row["reason_code"] for row in desk.rows(found["id"], "wrong")} == {"period_closed"}


def test_an_accepted_suggestion_is_booked_and_learned(desk: Any) -> None:
    food = desk.account("Food", kind="expense")
    first = desk.bring(MARCH)
    row = next(row for row in desk.rows(first["id"]) if row["counterparty"] == "REWE")
    body = {"category_id": food, "positions": [row["position"]]}
    assert desk.act(first["id"], "categories", body).status_code == 200
    desk.act(first["id"], "publication")
    assert desk.balance(food) == "12.34"
    second = desk.bring(HEADER + "2026-04-02,REWE City,Groceries,-5.00,EUR\n2026-04-02,Stranger,Thing,-6.00,EUR\n")
    suggested = {row["counterparty"]: row["suggestion"] for row in desk.rows(second["id"])}
    assert suggested["REWE City"]["category_id"] == food
    assert suggested["Stranger"] is None
    assert desk.act(second["id"], "categories", {}).status_code == 200
    desk.act(second["id"], "publication")
    assert desk.balance(food) == "17.34"


def test_exported_rows_are_harmless_to_spreadsheets(desk: Any) -> None:
    text = HEADER + '2026-01-01,=HYPERLINK("x"),@SUM(1),-1.00,EUR\n2026-01-02,"+1","-2",-2.00,EUR\n'
    found = desk.bring(text)
    answer = desk.alice.api("GET", f"/imports/{found['id']}/rows.csv")
    assert answer.status_code == 200
    assert "'=HYPERLINK" in answer.text
    assert "'@SUM" in answer.text
    assert ",-1.00," in answer.text


def test_another_workspace_sees_nothing_of_it(desk: Any) -> None:
    found = desk.bring(MARCH)
    mallory = desk.cast.mallory
    for method, path in (
        ("GET", ""),
        ("GET", "/rows"),
        ("POST", "/publication"),
        ("POST", "/reversal"),
        ("DELETE", ""),
    ):
        assert mallory.api(method, f"/imports/{found['id']}{path}").status_code == 404
    bob = desk.cast.bob.api("POST", f"/imports/{found['id']}/reversal")
    assert bob.status_code == 403
    assert desk.upload(MARCH, person=desk.cast.carol).status_code == 403


def test_an_upload_repeated_with_its_key_is_one_import(desk: Any) -> None:
    def send(content: str) -> Any:
        data = {"account_id": str(desk.account()), "file": (io.BytesIO(content.encode()), "a.csv")}
        return desk.alice.api(
            "POST", "/imports", data=data, headers={"Idempotency-Key": "one"}, content_type="multipart/form-data"
        )

    first, second, other = send(MARCH), send(MARCH), send(MARCH + "2026-03-09,X,y,-1.00,EUR\n")
    assert first.json["id"] == second.json["id"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert other.status_code == 422


def test_stated_balances_are_compared_with_the_books(desk: Any) -> None:
    text = "Date,Payee,Amount,Balance\n2026-01-01,A,-10.00,90.00\n2026-01-02,B,-20.00,70.00\n2026-01-03,C,5.00,75.00\n"
    found = desk.bring(text)
    (balance,) = found["balances"]
    assert (balance["stated"]["amount"], balance["booked"]["amount"]) == ("75.00", "-25.00")
    assert balance["difference"]["amount"] == "100.00"
