"""Pages of registers and entries, as a browser without scripts sees them."""

import csv
import io
import re
from typing import Any

import pytest

from tenants.money.ledger.export import harmless
from tests.cast import Cast
from tests.tenants.money.ledger.conftest import Books


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.get_data(as_text=True))


def test_the_running_balance_of_every_row_is_the_ledgers_sum(books: Books) -> None:
    rows = [("2026-11-03", 100), ("2026-11-03", 250), ("2026-11-01", 75), ("2026-11-05", -400)]
    for number, (day, minor) in enumerate(rows):
        books.book(day, f"Row {number}", ("Bank", minor), ("Sales", -minor))
    page = text_of(books.cast.alice.browser().get(f"{books.path}/accounts/{books.ids['Bank']}"))
    assert re.findall(r'reg-balance"[^>]*><bdi[^>]*>([^<]+)<', page) == ["€0.25", "€4.25", "€1.75", "€0.75"]
    page = text_of(books.cast.alice.browser().get(f"{books.path}/accounts/{books.ids['Bank']}?sort=date"))
    assert re.findall(r'reg-balance"[^>]*><bdi[^>]*>([^<]+)<', page) == ["€0.75", "€1.75", "€4.25", "€0.25"]
    page = text_of(books.cast.alice.browser().get(f"{books.path}/accounts/{books.ids['Sales']}"))
    assert re.findall(r'reg-balance"[^>]*><bdi[^>]*>([^<]+)<', page) == ["€0.25", "€4.25", "€1.75", "€0.75"]


def test_separate_filters_become_the_search_line_of_the_address(books: Books) -> None:
    answer = books.cast.alice.browser().get(
        f"{books.path}/entries",
        query_string={
            "q": "rent",
            "account": books.ids["Bank"],
            "category": books.ids["Living"],
            "from": "2026-01-01",
            "to": "",
            "amount": ">5",
            "is": "open",
        },
    )
    assert answer.status_code == 302
    assert answer.location.endswith(
        "?q=rent+account%3A512+category%3ALiving+date%3A2026-01-01..+amount%3A%3E5+is%3Aopen",
    )


def test_an_entry_of_several_lines_is_booked_and_the_empty_amount_is_what_is_left(books: Books) -> None:
    answer = books.cast.alice.post(
        f"{books.path}/entries",
        {
            "date": "2026-11-20",
            "description": "Market",
            "counterparty": "",
            "note": "",
            "account_id": [books.ids["Bank"], books.ids["Food"], books.ids["Rent"], ""],
            "amount": ["-٣٠٫٥٠", "12+3*2", "", ""],
            "memo": ["", "a", "b", ""],
        },
    )
    assert answer.status_code == 303
    entry = books.entry(int(answer.location.rsplit("/", 1)[1]))
    assert entry is not None
    assert [(p.amount, p.memo) for p in entry.postings] == [(-3050, ""), (1800, "a"), (1250, "b")]


def test_a_wrong_form_comes_back_with_all_that_was_typed(books: Books) -> None:
    answer = books.cast.alice.post(
        f"{books.path}/entries",
        {
            "date": "2026-02-30",
            "description": "<b>Typed</b>",
            "account_id": [books.ids["Bank"], "999999"],
            "amount": ["a lot", "5"],
            "memo": ["", ""],
        },
    )
    page = text_of(answer)
    assert answer.status_code == 422
    for said in (
        "&lt;b&gt;Typed&lt;/b&gt;",
        "a lot",
        "2026-02-30",
        "is not a date",
        "is not an amount",
        "Choose an account.",
    ):
        assert said in page


def test_an_unbalanced_form_says_what_is_missing(books: Books) -> None:
    answer = books.cast.alice.post(
        f"{books.path}/entries",
        {
            "date": "2026-11-20",
            "description": "x",
            "account_id": [books.ids["Bank"], books.ids["Food"]],
            "amount": ["-5", "4.99"],
            "memo": ["", ""],
        },
    )
    assert answer.status_code == 422
    assert "The postings in EUR sum to -0.01, not to zero." in text_of(answer)


def test_what_is_missing_is_told_while_typing_and_nothing_is_called_balanced_that_is_not(books: Books) -> None:
    hint = "Leave one amount empty"
    for amounts, said in (
        (("-5", "4.99"), 'Still missing <bdi dir="ltr" class="money">€0.01</bdi>'),
        (("-5", "5"), "Balanced in EUR"),
        (("-5", ""), 'Still missing <bdi dir="ltr" class="money">€5.00</bdi>'),
        (("-5", "abc"), "Amount of line 2: “abc” is not an amount."),
        (("1e5", ""), "Amount of line 1: “1e5” is not an amount."),
        (("-", "-"), "Amount of line 2: “-” is not an amount."),
        (("-5", "0.001"), "Amount of line 2: EUR has 2 decimals."),
        (("-5", "99999999999999999999"), "Amount of line 2: The amount is larger than an entry can hold."),
        (("0", "0"), "Amount of line 1: A posting is not zero."),
        (("", ""), hint),
    ):
        form = {"account_id": [books.ids["Bank"], books.ids["Food"]], "amount": list(amounts), "memo": ["", ""]}
        answer = books.cast.alice.post(f"{books.path}/entries/remainder", form)
        assert answer.status_code == 200
        assert said in text_of(answer), amounts
        assert ("Balanced" in text_of(answer)) == (amounts == ("-5", "5")), amounts
    form = {"account_id": [books.ids[name] for name in ("Bank", "Food", "Rent")], "amount": ["-5", "5", ""]}
    answer = books.cast.alice.post(f"{books.path}/entries/remainder", form | {"memo": ["", "", ""]})
    assert hint in text_of(answer), "the empty amount would be zero"


def test_an_entry_is_changed_locked_and_reversed_and_tells_its_history(books: Books) -> None:
    entry_id = books.pay("2026-11-01", "Before", 1000)
    path = f"{books.path}/entries/{entry_id}"
    answer = books.cast.alice.post(
        path,
        {
            "date": "2026-11-01",
            "description": "After",
            "version": "1",
            "memo": ["", ""],
            "amount": ["-12", "12"],
            "account_id": [books.ids["Bank"], books.ids["Rent"]],
        },
    )
    assert answer.status_code == 303
    stale = books.cast.alice.post(
        path,
        {
            "date": "2026-11-01",
            "description": "Late",
            "version": "1",
            "memo": ["", ""],
            "amount": ["-12", "12"],
            "account_id": [books.ids["Bank"], books.ids["Rent"]],
        },
    )
    assert stale.status_code == 422
    assert "Someone changed this" in text_of(stale)
    page = text_of(books.cast.carol.browser().get(path))
    for said in ("<del>Before</del>", "<ins>After</ins>", "-€10.00", "€12.00", "Changed by Alice"):
        assert said in page
    assert books.cast.bob.post(f"{path}/closing").status_code == 403
    assert books.cast.dave.post(f"{path}/closing").status_code == 303
    assert books.cast.alice.browser().get(f"{path}/edit").status_code == 409
    reversal = books.cast.dave.post(f"{path}/reversal", {"date": "2026-11-20"})
    assert reversal.status_code == 303
    assert "It reverses another entry." in text_of(books.cast.alice.browser().get(reversal.location))
    assert books.balance("Bank") == 0


def test_a_deleted_entry_keeps_its_page_and_comes_back(books: Books) -> None:
    entry_id = books.pay("2026-11-01", "Soon gone", 1000)
    gone = books.cast.alice.post(f"{books.path}/entries/{entry_id}/deletion", {"version": "1"})
    assert gone.status_code == 303
    page = text_of(books.cast.alice.browser().get(f"{books.path}/entries/{entry_id}"))
    assert "This entry was deleted." in page
    assert "Soon gone" in page
    change_id = gone.location.rsplit("changed=", 1)[1]
    assert books.cast.alice.post(f"{books.path}/changes/{change_id}/undoing").status_code == 303
    assert books.entry(entry_id) is not None


def test_views_are_kept_shared_and_begun_with(books: Books) -> None:
    save = f"{books.path}/entries/views"
    assert books.cast.alice.post(save, {"name": "Rent", "q": "rent", "shared": "1"}).status_code == 303
    assert books.cast.alice.post(save, {"name": "Mine", "q": "is:open", "is_default": "1"}).status_code == 303
    assert books.cast.alice.browser().get(f"{books.path}/entries").location.endswith("?q=is%3Aopen")
    page = text_of(books.cast.bob.browser().get(f"{books.path}/entries"))
    assert ">Rent</a>" in page
    assert ">Mine</a>" not in page
    view_id = next(one["id"] for one in books.cast.alice.api("GET", "/views").json["data"] if one["name"] == "Mine")
    assert books.cast.bob.post(f"{save}/{view_id}/removal").status_code == 404
    assert books.cast.alice.post(f"{save}/{view_id}/removal").status_code == 303
    assert books.cast.alice.browser().get(f"{books.path}/entries").status_code == 200
    assert books.cast.carol.post(save, {"name": "X", "q": ""}).status_code == 403


def test_the_export_is_the_search_and_holds_no_formula(books: Books) -> None:
    books.pay("2026-11-01", "=1+1", 1050, payee="@cmd")
    books.pay("2026-11-02", "Left out", 1050)
    answer = books.cast.carol.browser().get(f"{books.path}/entries/export.csv?q=cmd")
    assert answer.content_type == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    assert len(rows) == 1
    assert (rows[0]["description"], rows[0]["payee"], rows[0]["amount"]) == ("'=1+1", "'@cmd", "-10.50")


@pytest.mark.parametrize(
    "text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201", " =1"]
)
def test_a_formula_in_a_text_is_quoted(text: str) -> None:
    assert harmless(text) == f"'{text}"


def test_every_act_is_refused_to_the_auditor(books: Books) -> None:
    entry_id = books.pay("2026-11-01", "x", 100)
    entry = f"{books.path}/entries/{entry_id}"
    for path in (
        entry,
        f"{entry}/row",
        f"{entry}/clearing",
        f"{entry}/closing",
        f"{entry}/deletion",
        f"{entry}/reversal",
        f"{entry}/lines",
        f"{books.path}/entries",
        f"{books.path}/entries/lines",
        f"{books.path}/entries/changes",
        f"{books.path}/entries/remainder",
        f"{books.path}/accounts",
        f"{books.path}/accounts/chart",
        f"{books.path}/accounts/{books.ids['Bank']}",
        f"{books.path}/accounts/{books.ids['Bank']}/closing",
    ):
        assert books.cast.carol.post(path).status_code == 403, path
    for path in (f"{entry}/edit", f"{entry}/editor", f"{books.path}/entries/new", f"{books.path}/accounts/new"):
        assert books.cast.carol.browser().get(path).status_code == 403, path
    assert books.cast.carol.browser().get(f"{books.path}/entries").status_code == 200


def test_another_workspaces_ids_are_not_found(books: Books) -> None:
    entry_id = books.pay("2026-11-01", "x", 100)
    bravo = f"/t/{books.cast.bravo.slug}"
    for path in (
        f"/entries/{entry_id}",
        f"/entries/{entry_id}/edit",
        f"/accounts/{books.ids['Bank']}",
        f"/entries/{entry_id}/editor",
        f"/accounts/{books.ids['Bank']}/export.csv",
    ):
        assert books.cast.mallory.browser().get(bravo + path).status_code == 404, path
        assert books.cast.mallory.browser().get(books.path + path).status_code == 404, path


def test_the_balance_of_any_day_is_told_by_the_page_and_the_call(books: Books) -> None:
    for day, minor in (("2026-11-03", 100), ("2026-11-05", -400), ("2027-01-01", 1000)):
        books.book(day, "Row", ("Bank", minor), ("Card", -minor))
    bank, card, alice = books.ids["Bank"], books.ids["Card"], books.cast.alice
    days = {"2026-11-02": 0, "2026-11-03": 100, "2026-11-04": 100, "2026-11-05": -300, "2999-12-31": 700}
    for day, minor in days.items():
        told = alice.api("GET", f"/accounts/{bank}/balance?on={day}").json
        assert (told["on"], told["balance"]["amount_minor"]) == (day, minor)
    page = text_of(alice.browser().get(f"{books.path}/accounts/{bank}?on=2026-11-05"))
    assert "-€3.00 <" in page.partition("reg-asof__figure")[2][:200].replace("</bdi>", " <")
    owed = text_of(alice.browser().get(f"{books.path}/accounts/{card}?on=2026-11-03"))
    assert "€1.00" in owed.partition("reg-asof__figure")[2][:200], "what is owed is shown as a plain amount"
    assert "reg-asof__figure" not in text_of(alice.browser().get(f"{books.path}/accounts/{bank}?on=yesterday"))
    assert alice.api("GET", f"/accounts/{bank}/balance?on=2026-02-30").status_code == 422
    assert alice.api("GET", f"/accounts/{10**9}/balance?on=2026-11-05").status_code == 404


def test_an_entry_between_more_than_two_accounts_names_them_or_counts_them(books: Books) -> None:
    books.book("2026-11-03", "Two", ("Bank", -300), ("Food", 100), ("Rent", 200))
    books.book("2026-11-03", "Three", ("Bank", -300), ("Food", 100), ("Rent", 100), ("Sales", 100))
    books.book("2026-11-03", "Same", ("Bank", -300), ("Food", 100), ("Food", 200))
    books.book("2026-11-03", "Two banks", ("Bank", -300), ("Cash box", -100), ("Food", 400))
    books.book("2026-11-03", "No category", ("Bank", -300), ("Cash box", 100), ("Card", 200))
    for address in ("entries", f"accounts/{books.ids['Bank']}"):
        page = text_of(books.cast.alice.browser().get(f"{books.path}/{address}"))
        said = re.findall(r'class="reg-split" title="([^"]*)">.*?<span>([^<]*)</span></span>', page)
        assert len(said) >= 4
        assert ("Food, Rent", "Food, Rent") in said
        assert ("Food, Rent, Sales", "3 parts") in said
        assert ("Food", "Food") in said
        assert ("Cash box, Card", "Cash box, Card") in said
        assert not [text for _title, text in said if text.isdecimal()]


def test_the_products_own_accounts_are_named_in_the_readers_language_until_someone_renames_them(books: Books) -> None:
    books.book("2026-11-03", "Baker", ("Bank", -300), ("To categorise", 300))
    books.book("2026-11-03", "Split", ("Bank", -300), ("To categorise", 100), ("Food", 200))
    alice, own = books.cast.alice, books.ids["To categorise"]
    preferences = {"name": "Alice", "language": "fr", "theme": "system", "density": "comfortable"}
    assert alice.post("/profile", preferences).status_code == 303
    browser = alice.browser()
    french = "À catégoriser (EUR)"
    for address in ("accounts", f"accounts/{own}", "entries", "entries/new", f"accounts/{own}/edit", "holds"):
        page = text_of(browser.get(f"{books.path}/{address}"))
        assert "To categorise" not in page, address
    for address in ("accounts", f"accounts/{own}", "entries", f"accounts/{own}/edit"):
        assert french in text_of(browser.get(f"{books.path}/{address}")), address
    found = text_of(browser.get(f"{books.path}/entries", query_string={"q": f'category:"{french}"'}))
    assert "Baker" in found
    told = alice.api("GET", f"/accounts/{own}").json
    assert (told["name"], told["purpose"]) == ("To categorise (EUR)", "to_categorise")
    form = {"name": french, "kind": "expense", "currency": "EUR", "code": "471", "version": "1"}
    assert alice.post(f"{books.path}/accounts/{own}", form).status_code == 303
    assert alice.api("GET", f"/accounts/{own}").json["name"] == "To categorise (EUR)"
    assert alice.post(f"{books.path}/accounts/{own}", form | {"name": "Attente", "version": "2"}).status_code == 303
    assert alice.api("GET", f"/accounts/{own}").json["name"] == "Attente"
    assert "Attente" in text_of(browser.get(f"{books.path}/accounts"))
    chip = text_of(browser.get(f"{books.path}/entries", query_string={"q": f"category:#{own}"}))
    assert "Attente" in chip.partition("chip__name")[2][:60]


def test_lists_without_anything_say_what_stands_there_and_offer_the_next_step(cast: Cast) -> None:
    base = f"/t/{cast.acme.slug}"
    for address, said, step in (
        ("/entries?q=", "No entries yet", "/entries/new"),
        ("/accounts", "Start with a chart of accounts", "/accounts/chart"),
        ("/holds", "No money is held", ""),
        ("/holds?all=1", "No hold yet", ""),
        ("/imports", "Open an account first", "/accounts"),
    ):
        page = text_of(cast.alice.browser().get(base + address))
        assert said in page, address
        assert base + step in page
    assert "No accounts yet" in text_of(cast.carol.browser().get(f"{base}/accounts"))
    assert f"{base}/entries/new" not in text_of(cast.carol.browser().get(f"{base}/entries?q="))
    assert "Clear filters" in text_of(cast.alice.browser().get(f"{base}/entries?q=nothing"))
    cast.alice.api("POST", "/accounts", json={"name": "Bank", "kind": "asset", "currency": "EUR"})
    assert "No statement was imported yet" in text_of(cast.alice.browser().get(f"{base}/imports"))


@pytest.mark.parametrize(
    ("day", "status"), [("2025-12-31", 409), ("2026-01-01", 201), ("2026-06-30", 201), ("2026-07-01", 409)]
)
def test_nothing_is_booked_outside_the_days_of_an_account(books: Books, day: str, status: int) -> None:
    body = {"name": "Season", "kind": "asset", "currency": "EUR", "opened_on": "2026-01-01", "closed_on": "2026-06-30"}
    season = books.cast.alice.api("POST", "/accounts", json=body).json["id"]
    lines = [
        {"account_id": account, "amount": amount, "currency": "EUR"}
        for account, amount in ((season, "5.00"), (books.ids["Sales"], "-5.00"))
    ]
    entry = {"date": day, "description": "x", "postings": lines}
    answer = books.cast.alice.api("POST", "/entries", json=entry)
    assert answer.status_code == status
    if status == 409:
        assert answer.json["code"] == "account_closed"
    else:
        moved = {"date": "2026-07-02", "description": "x", "postings": lines}
        path = f"/entries/{answer.json['id']}"
        changed = books.cast.alice.api("PUT", path, json=moved, headers={"If-Match": '"v1"'})
        assert changed.json["code"] == "account_closed"
        bulk = books.cast.alice.api("POST", "/entries/changes", json={"ids": [answer.json["id"]], "date": "2025-01-01"})
        assert bulk.json["code"] == "account_closed"
