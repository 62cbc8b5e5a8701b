"""Reconciling: an account beside its bank's statement, ticked until nothing is left, then closed; by API and pages."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.cast import Cast, Person
from tests.tenants.money.stage import DAY, assert_books, move, open_account, refused, together

STATEMENT = {"date": DAY.isoformat()}


class Desk:
    """Acme's bank with three entries, and what its people do with the statement."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.bank = open_account(cast.acme, "Bank")
        self.card = open_account(cast.acme, "Card", "liability")
        self.food = open_account(cast.acme, "Food", "expense")
        self.sales = open_account(cast.acme, "Sales", "income")
        self.sale = move(cast.acme, self.sales, self.bank, 100_00, day=DAY - timedelta(days=9))
        self.meal = move(cast.acme, self.bank, self.food, 30_00, day=DAY - timedelta(days=3))
        self.late = move(cast.acme, self.bank, self.food, 5_00, day=DAY + timedelta(days=1))

    def begin(self, balance: str, *, account: int | None = None, day: date = DAY, by: Person | None = None) -> Any:
        path = f"/accounts/{account or self.bank}/reconciliations"
        return (by or self.cast.alice).api("POST", path, json={"date": day.isoformat(), "balance": balance})

    def began(self, balance: str, **more: Any) -> str:
        answer = self.begin(balance, **more)
        assert answer.status_code == 201, answer.text
        return f"/reconciliations/{answer.json['id']}"

    def tick(self, path: str, *ids: int, ticked: bool = True) -> Any:
        answer = self.cast.alice.api("POST", f"{path}/ticks", json={"entry_ids": list(ids), "ticked": ticked})
        return answer.json

    def finish(self, path: str, **body: Any) -> Any:
        return self.cast.alice.api("POST", f"{path}/completion", json=body)

    def finished(self, balance: str, *ids: int, **more: Any) -> str:
        path = self.began(balance, **more)
        self.tick(path, *ids)
        answer = self.finish(path)
        assert answer.status_code == 201, answer.text
        return path

    def entry(self, entry_id: int) -> Any:
        return self.cast.alice.api("GET", f"/entries/{entry_id}").json


@pytest.fixture
def desk(cast: Cast) -> Desk:
    return Desk(cast)


def test_an_account_is_reconciled_when_nothing_is_left_and_its_entries_are_closed(desk: Desk) -> None:
    alice = desk.cast.alice
    path = desk.began("70.00")
    lines = alice.api("GET", f"{path}/entries").json["data"]
    assert [(line["entry_id"], line["amount"]["amount"], line["ticked"]) for line in lines] == [
        (desk.meal, "-30.00", False),
        (desk.sale, "100.00", False),
    ]
    assert desk.tick(path, desk.sale)["difference"]["amount"] == "-30.00"
    assert refused(desk.finish(path), 409, "reconciliation_difference")
    assert desk.tick(path, desk.meal)["difference"]["amount"] == "0.00"
    done = desk.finish(path).json
    assert (done["state"], done["entries"], done["finished_by"]) == ("finished", 2, str(alice.id))
    for entry_id in (desk.sale, desk.meal):
        entry = desk.entry(entry_id)
        assert (entry["state"], entry["closed_because"]) == ("closed", "reconciled")
        assert [line["cleared"] for line in entry["postings"] if line["account_id"] == desk.bank] == [True]
    assert desk.entry(desk.late)["state"] == "open"
    assert_books(desk.cast.acme)


def test_a_reconciled_entry_is_neither_changed_nor_deleted_whatever_is_sent(desk: Desk) -> None:
    path = desk.finished("100.00", desk.sale)
    body = {name: desk.entry(desk.sale)[name] for name in ("date", "description")}
    body["postings"] = [
        {"account_id": account, "amount": amount, "currency": "EUR"}
        for account, amount in ((desk.bank, "1.00"), (desk.sales, "-1.00"))
    ]
    changed = desk.cast.alice.api("PUT", f"/entries/{desk.sale}", json=body, headers={"If-Match": '"v1"'})
    assert refused(changed, 409, "entry_closed")
    bulk = desk.cast.alice.api("POST", "/entries/changes", json={"ids": [desk.sale], "note": "x"}).json
    assert (bulk["changed"], bulk["left"]) == (0, {"closed": 1})
    for attack in (
        "UPDATE entry SET note = 'x' WHERE id = :entry",
        "UPDATE entry SET closed_at = NULL, closed_by = NULL, closed_because = NULL WHERE id = :entry",
        "UPDATE entry SET closed_because = 'reversed' WHERE id = :entry",
        "UPDATE posting SET cleared = false WHERE entry_id = :entry",
        "DELETE FROM entry WHERE id = :entry",
        "DELETE FROM reconciliation_line WHERE entry_id = :entry",
        "UPDATE reconciliation_line SET undone = true WHERE entry_id = :entry",
        "UPDATE reconciliation SET balance = balance + 1",
        "UPDATE reconciliation SET finished_at = NULL, finished_by = NULL",
        "DELETE FROM reconciliation",
        "INSERT INTO reconciliation_line (reconciliation_id, entry_id, account_id) "
        "SELECT id, :late, account_id FROM reconciliation",
    ):
        with pytest.raises(DBAPIError) as error, desk.cast.acme.begin() as session:
            session.execute(
                text(attack), {"entry": desk.sale, "late": desk.late} if ":entry" in attack else {"late": 3}
            )
        assert getattr(error.value.orig, "sqlstate", "") in {"CB002", "CB009", "42501"}, attack
    assert desk.cast.alice.api("GET", path).json["state"] == "finished"


def test_the_next_statement_begins_where_the_last_one_ended(desk: Desk) -> None:
    desk.finished("70.00", desk.sale, desk.meal)
    assert refused(desk.begin("1.00", day=DAY - timedelta(days=1)), 422, "invalid")
    path = desk.began("65.00", day=DAY + timedelta(days=1))
    assert [line["entry_id"] for line in desk.cast.alice.api("GET", f"{path}/entries").json["data"]] == [desk.late]
    assert desk.cast.alice.api("GET", path).json["opening"]["amount"] == "70.00"
    assert desk.tick(path, desk.late)["difference"]["amount"] == "0.00"
    assert desk.tick(path, desk.sale) == {"changed": 0, "difference": desk.tick(path, desk.late)["difference"]}
    assert desk.finish(path).status_code == 201
    listed = desk.cast.carol.api("GET", f"/accounts/{desk.bank}/reconciliations?limit=1").json
    assert (listed["data"][0]["balance"]["amount"], listed["has_more"]) == ("65.00", True)


def test_what_is_left_can_be_booked_as_an_adjustment(desk: Desk) -> None:
    path = desk.began("98.50")
    desk.tick(path, desk.sale)
    dollars = open_account(desk.cast.acme, "Dollars", currency="USD")
    for account in (desk.bank, dollars, 10**9):
        assert refused(desk.finish(path, adjustment_account_id=account), 422, "invalid")
    done = desk.finish(path, adjustment_account_id=desk.food).json
    entry = desk.entry(done["adjustment_id"])
    assert (entry["date"], entry["description"]) == (DAY.isoformat(), "Reconciliation adjustment")
    assert {line["account_id"]: line["amount"] for line in entry["postings"]} == {desk.bank: "-1.50", desk.food: "1.50"}
    assert (entry["closed_because"], done["difference"]["amount"], done["entries"]) == ("reconciled", "0.00", 2)
    assert_books(desk.cast.acme)


def test_ticks_stay_when_one_comes_back_and_when_the_entry_is_edited(desk: Desk) -> None:
    path = desk.began("60.00")
    desk.tick(path, desk.sale, desk.meal)
    body = {"date": (DAY - timedelta(days=2)).isoformat(), "description": "Meal for two"}
    body["postings"] = [  # type: ignore[assignment]
        {"account_id": account, "amount": amount, "currency": "EUR"}
        for account, amount in ((desk.food, "40.00"), (desk.bank, "-40.00"))
    ]
    edited = desk.cast.bob.api("PUT", f"/entries/{desk.meal}", json=body, headers={"If-Match": '"v1"'})
    assert edited.status_code == 200
    assert desk.cast.alice.api("GET", path).json["difference"]["amount"] == "0.00"
    assert desk.finish(path).status_code == 201


def test_what_was_marked_as_cleared_is_ticked_from_the_start_and_the_rest_in_one_go(desk: Desk) -> None:
    marked = desk.cast.alice.api("POST", "/entries/changes", json={"ids": [desk.sale], "cleared": True})
    assert marked.json["changed"] == 1
    path = desk.began("70.00")
    alice = desk.cast.alice
    assert {one["entry_id"]: one["ticked"] for one in alice.api("GET", f"{path}/entries").json["data"]} == {
        desk.meal: False,
        desk.sale: True,
    }
    assert alice.api("POST", f"{path}/ticks", json={"ticked": True}).json["changed"] == 1
    assert alice.api("POST", f"{path}/ticks", json={"ticked": False}).json["changed"] == 2
    assert desk.tick(path, desk.late).get("code") == "not_found"


def test_a_transfer_is_reconciled_on_both_accounts_and_stays_closed_until_both_are_undone(desk: Desk) -> None:
    paid = move(desk.cast.acme, desk.bank, desk.card, 20_00)
    first = desk.finished("80.00", desk.sale, paid)
    second = desk.finished("20.00", paid, account=desk.card)
    undone = desk.cast.alice.api("POST", f"{first}/undoing").json
    assert (undone["state"], undone["undone_by"]) == ("undone", str(desk.cast.alice.id))
    assert [desk.entry(one)["state"] for one in (desk.sale, paid)] == ["open", "closed"]
    assert desk.cast.alice.api("POST", f"{second}/undoing").status_code == 201
    assert desk.entry(paid)["state"] == "open"
    again = desk.began("80.00")
    assert desk.cast.alice.api("GET", again).json["difference"]["amount"] == "0.00", "what was cleared is ticked"


def test_undoing_is_the_owners_for_the_newest_only_and_on_record(desk: Desk) -> None:
    first = desk.finished("100.00", desk.sale)
    second = desk.finished("70.00", desk.meal)
    assert refused(desk.cast.dave.api("POST", f"{second}/undoing"), 403, "forbidden")
    assert refused(desk.cast.alice.api("POST", f"{first}/undoing"), 409, "reconciliation_not_last")
    third = desk.began("70.00")
    assert refused(desk.cast.alice.api("POST", f"{second}/undoing"), 409, "reconciliation_not_last")
    assert desk.cast.alice.api("DELETE", third).status_code == 204
    assert desk.cast.alice.api("GET", third).status_code == 404
    assert desk.cast.alice.api("POST", f"{second}/undoing").status_code == 201
    assert refused(desk.cast.alice.api("POST", f"{second}/undoing"), 409, "reconciliation_not_last")
    events = desk.cast.carol.api("GET", "/audit-events?object_type=reconciliation").json["data"]
    assert [event["action"].partition(".")[2] for event in events] == [
        "undone",
        "dropped",
        "started",
        "finished",
        "ticked",
        "started",
        "finished",
        "ticked",
        "started",
    ]
    assert events[0]["difference"]["balance"] == [7000, None]


def test_an_entry_that_was_reversed_stays_closed_when_its_reconciliation_is_undone(desk: Desk) -> None:
    path = desk.finished("100.00", desk.sale)
    assert desk.cast.alice.api("POST", f"/entries/{desk.sale}/reversal", json={}).status_code == 201
    assert desk.cast.alice.api("POST", f"{path}/undoing").status_code == 201
    assert desk.entry(desk.sale)["closed_because"] == "reversed"


def test_entries_of_a_closed_period_are_reconciled_too(desk: Desk) -> None:
    period = {"starts": (DAY - timedelta(days=20)).isoformat(), "ends": (DAY - timedelta(days=5)).isoformat()}
    assert desk.cast.alice.api("POST", "/period-closings", json=period).status_code == 201
    path = desk.finished("70.00", desk.sale, desk.meal)
    assert desk.entry(desk.sale)["closed_because"] == "reconciled"
    assert desk.cast.alice.api("POST", f"{path}/undoing").status_code == 201


def test_one_is_begun_at_a_time_and_only_where_statements_come_from(desk: Desk) -> None:
    answers = together(4, lambda _n: desk.begin("70.00"))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert refused(desk.begin("1.00", account=desk.food), 422, "invalid")
    assert desk.begin("1.00", account=10**9).status_code == 404


def test_who_finishes_at_once_finishes_once_and_an_edit_beside_is_before_or_refused(desk: Desk) -> None:
    path = desk.began("70.00")
    desk.tick(path, desk.sale, desk.meal)
    body = {"ids": [desk.meal], "counterparty": "Somebody"}

    def act(number: int) -> Any:
        if number % 2:
            return desk.finish(path)
        return desk.cast.bob.api("POST", "/entries/changes", json=body)

    answers = together(6, act)
    assert not [one for one in answers if isinstance(one, Exception)], answers
    finishes = sorted(one.status_code for one in answers if "state" in one.json or one.status_code == 409)
    assert finishes == [201, 409, 409]
    assert desk.cast.alice.api("GET", path).json["difference"]["amount"] == "0.00"
    assert desk.entry(desk.meal)["state"] == "closed"
    assert_books(desk.cast.acme)


def test_ticks_of_two_people_at_once_add_up(desk: Desk) -> None:
    ids = [move(desk.cast.acme, desk.sales, desk.bank, 1_00) for _ in range(8)]
    path = desk.began("8.00")
    together(8, lambda number: desk.tick(path, ids[number], ids[(number + 1) % 8]))
    assert desk.cast.alice.api("GET", path).json["difference"]["amount"] == "0.00"


def test_another_workspace_finds_nothing_of_it(desk: Desk) -> None:
    path = desk.began("70.00")
    mallory = desk.cast.mallory
    answers = [mallory.api("GET", path), mallory.api("DELETE", path), mallory.api("POST", f"{path}/undoing")]
    assert {answer.status_code for answer in answers} == {404}
    assert refused(desk.cast.bob.api("POST", f"{path}/completion", json={}), 403, "forbidden")


def test_the_pages_do_the_same_without_scripts(desk: Desk) -> None:
    alice, base = desk.cast.alice, f"/t/{desk.cast.acme.slug}"
    empty = alice.browser().get(f"{base}/accounts/{desk.bank}/reconciliations").text
    assert "Nothing is reconciled yet" in empty
    typed = {"date": DAY.isoformat(), "balance": "seventy"}
    wrong = alice.post(f"{base}/accounts/{desk.bank}/reconciliations", typed)
    assert (wrong.status_code, "seventy" in wrong.text) == (422, True)
    begun = alice.post(f"{base}/accounts/{desk.bank}/reconciliations", typed | {"balance": "70,00"})
    path = begun.headers["Location"]
    assert "Go on" in alice.browser().get(f"{base}/accounts/{desk.bank}/reconciliations").text
    for entry_id in (desk.sale, desk.meal):
        assert alice.post(f"{path}/ticks", {"entry_id": str(entry_id), "ticked": "1"}).status_code == 303
    page = alice.browser().get(path).text
    assert page.count('aria-pressed="true"') == 2
    assert "Nothing is left" in page
    assert alice.post(f"{path}/completion").status_code == 303
    done = alice.browser().get(path).text
    assert "Undo the reconciliation" in done
    assert "Undo the reconciliation" not in desk.cast.dave.browser().get(path).text
    assert alice.post(f"{path}/undoing").status_code == 303
    assert "Undone" in alice.browser().get(path).text


def test_a_card_is_compared_as_its_page_shows_it_and_what_is_left_is_told(desk: Desk) -> None:
    move(desk.cast.acme, desk.card, desk.food, 25_00)
    alice, base = desk.cast.alice, f"/t/{desk.cast.acme.slug}"
    begun = alice.post(f"{base}/accounts/{desk.card}/reconciliations", {"date": DAY.isoformat(), "balance": "26"})
    path = begun.headers["Location"]
    assert alice.post(f"{path}/ticks", {"ticked": "1"}).status_code == 303
    page = alice.browser().get(path).text
    assert "€1.00" in page
    assert "Book the difference instead" in page
    left = alice.post(f"{path}/completion")
    assert (left.status_code, "There is still a difference" in left.text) == (422, True)
    corrected = alice.post(path, {"date": DAY.isoformat(), "balance": "25.00"})
    assert corrected.status_code == 303
    assert alice.post(f"{path}/completion").status_code == 303


def test_a_tick_by_script_answers_with_its_row_and_the_figures(desk: Desk) -> None:
    path = desk.began("70.00")
    address = f"/t/{desk.cast.acme.slug}{path}/ticks"
    headers = {"HX-Request": "true", "HX-Request-Type": "partial"}
    part = desk.cast.alice.post(address, {"entry_id": str(desk.sale), "ticked": "1"}, headers=headers).text
    assert f'id="line-{desk.sale}"' in part
    assert 'hx-target="#figures"' in part
    assert "<!doctype" not in part.lower()
