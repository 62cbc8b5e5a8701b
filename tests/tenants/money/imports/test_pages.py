"""The wizard as a person without JavaScript goes through it."""

import io
import re
from typing import Any

from tenants.money.ledger.commands import close_entry
from webapp.kernel.clock import utc_now

HEADER = "Date,Payee,Description,Amount,Currency\n"
MARCH = HEADER + (
    "2026-03-02,REWE,Groceries,-12.34,EUR\n2026-03-05,Acme Industries,Salary,2500.00,EUR\n"
    "2026-02-30,Nobody,Impossible,-1.00,EUR\n"
)


def page(desk: Any, path: str, **kwargs: Any) -> Any:
    """Return a page of the workspace as Alice's browser gets it."""
    return desk.alice.browser().get(f"/t/{desk.cast.acme.slug}{path}", **kwargs)


def send(desk: Any, path: str, data: dict[str, Any] | None = None) -> Any:
    """Post a form of the workspace and return the answer."""
    return desk.alice.post(f"/t/{desk.cast.acme.slug}{path}", data)


def drop(desk: Any, content: str) -> str:
    """Upload a statement through the form and return the path of its page within the workspace."""
    data = {"account_id": str(desk.account()), "file": (io.BytesIO(content.encode()), "march.csv")}
    answer = send(desk, "/imports", data)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"]).partition(desk.cast.acme.slug)[2]


def test_a_statement_goes_through_the_wizard_without_scripts(desk: Any) -> None:
    desk.account()
    assert "Drop a bank" in page(desk, "/imports").text
    path = drop(desk, MARCH)
    waiting = page(desk, path)
    assert waiting.status_code == 200
    assert 'data-hx-trigger="load delay:300ms, every 2s"' in waiting.text, "a short job is seen soon"
    assert 'http-equiv="refresh"' in waiting.text
    desk.work()
    review = page(desk, path).text
    assert "every 2s" not in review
    assert "Publish 2 rows" in review
    assert "2026-02-30,Nobody" in review
    edit = page(desk, f"{path}?tab=wrong&edit=3").text
    assert 'value="2026-02-30"' in edit
    refused = send(desk, f"{path}/rows/3", {"date": "31/02/2026", "amount": "abc", "currency": "EUR", "text": "mine"})
    assert refused.status_code == 422
    assert 'value="31/02/2026"' in refused.text
    assert 'value="mine"' in refused.text
    assert send(desk, f"{path}/rows/3", {"date": "2026-02-28", "amount": "-1.00", "currency": "EUR"}).status_code == 303
    assert send(desk, f"{path}/publication").status_code == 303
    desk.work()
    assert "3 rows were booked." in page(desk, path).text
    assert send(desk, f"{path}/reversal").status_code == 303
    desk.work()
    assert "taken back out of the books" in page(desk, path).text
    assert "UTF-8" not in page(desk, path).text.replace("charset=utf-8", ""), "how a file is encoded is for its columns"
    listed = page(desk, "/imports").text
    assert "march.csv" in listed
    assert "Undone" in listed


def test_the_fragment_that_polls_is_the_body_alone_and_leads_on_when_columns_are_needed(desk: Any) -> None:
    path = drop(desk, "Alpha;Beta;Gamma\n01/02/2026;Shop;-1,00\n03/02/2026;Shop;-2,00\n")
    headers = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#import-body"}
    fragment = page(desk, path, headers=headers).text.strip()
    assert fragment.startswith('<div id="import-body"')
    assert 'data-hx-trigger="every 2s"' in fragment
    assert "<html" not in fragment
    desk.work()
    answer = page(desk, path, headers=headers)
    assert answer.headers["HX-Redirect"].endswith(f"{path}/mapping")
    assert page(desk, path).status_code == 303


def test_columns_are_chosen_with_a_live_sample_and_remembered(desk: Any) -> None:
    text = "Alpha;Beta;Gamma\n01/02/2026;Shop;-1,00\n03/02/2026;Shop;-2,00\n"
    path = drop(desk, text)
    desk.work()
    assert "What do the columns mean?" in page(desk, f"{path}/mapping").text
    form = {
        "column-0": "date",
        "column-1": "counterparty",
        "column-2": "amount",
        "delimiter": ";",
        "decimal": ",",
        "date_format": "%d/%m/%Y",
        "encoding": "utf-8",
        "header_line": "1",
        "multiplier": "1",
    }
    sample = send(desk, f"{path}/mapping/sample", form)
    assert sample.status_code == 200
    assert re.search(r"Feb 1, 2026", sample.text)
    # Half-way through a change of the delimiter the form still names columns that the file has no more.
    between = send(desk, f"{path}/mapping/sample", form | {"delimiter": ","})
    assert between.status_code == 200
    assert "Alpha;Beta;Gamma" in between.text
    assert '<input type="hidden" name="column-2" value="amount">' in between.text
    parted = send(desk, f"{path}/mapping", form | {"delimiter": ","})
    assert parted.status_code == 422
    assert "which is the amount" in parted.text
    incomplete = send(desk, f"{path}/mapping", form | {"column-2": ""})
    assert incomplete.status_code == 422
    assert "which is the amount" in incomplete.text
    twice = send(desk, f"{path}/mapping", form | {"column-1": "date"})
    assert twice.status_code == 422
    assert send(desk, f"{path}/mapping", form).status_code == 303
    desk.work()
    assert "Publish 2 rows" in page(desk, path).text
    second = drop(desk, text.replace("Shop", "Market"))
    desk.work()
    assert "Read as you said the last time" in page(desk, second).text


def test_doubtful_rows_stand_beside_the_entry_and_are_decided(desk: Any) -> None:
    desk.post(desk.account(), "-12.34", "2026-03-05", "Rewe supermarket")
    path = drop(desk, HEADER + "2026-03-02,REWE,Groceries,-12.34,EUR\n")
    desk.work()
    review = page(desk, path).text
    assert "Rewe supermarket" in review
    assert "They are the same: merge" in review
    early = send(desk, f"{path}/publication")
    assert early.status_code == 303
    assert send(desk, f"{path}/decisions", {"tab": "doubtful", "positions": "1", "decision": "skip"}).status_code == 303
    assert "Finish without booking" in page(desk, path).text
    taken_back = {"tab": "skipped", "positions": "1", "decision": "reopen"}
    assert send(desk, f"{path}/decisions", taken_back).status_code == 303
    assert "They are the same: merge" in page(desk, path).text


def test_hostile_text_is_shown_and_never_run(desk: Any) -> None:
    path = drop(desk, HEADER + "2026-03-02,<script>alert(1)</script>,<img src=x onerror=alert(1)>,-1.00,EUR\n")
    desk.work()
    shown = page(desk, path).text
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)" in shown


def test_a_missing_file_is_told_at_the_field_and_a_failed_file_says_why(desk: Any) -> None:
    missing = send(desk, "/imports", {"account_id": str(desk.account())})
    assert missing.status_code == 422
    assert "Choose the statement" in missing.text
    empty = send(desk, "/imports", {"account_id": str(desk.account()), "file": (io.BytesIO(b""), "empty.csv")})
    assert empty.status_code == 422
    assert "The file is empty." in empty.text
    assert "empty.csv" not in empty.text
    path = drop(desk, "%PDF-1.7 nothing")
    desk.work()
    assert "This is a PDF" in page(desk, path).text


def test_an_auditor_looks_and_is_offered_nothing(desk: Any) -> None:
    path = drop(desk, MARCH)
    desk.work()
    browser = desk.cast.carol.browser()
    shown = browser.get(f"/t/{desk.cast.acme.slug}{path}").text
    assert "Publish 2 rows" not in shown
    assert "Cancel import" not in shown
    assert "Drop a bank" not in browser.get(f"/t/{desk.cast.acme.slug}/imports").text


def test_a_balance_that_the_bank_states_is_shown_with_what_it_differs_by(desk: Any) -> None:
    rows = "2026-01-01,A,-10.00,90.00\n2026-01-02,B,-20.00,70.00\n2026-01-03,C,5.00,75.00\n"
    path = drop(desk, f"Date,Payee,Amount,Balance\n{rows}")
    desk.work()
    shown = re.sub(r"<[^>]+>", "", page(desk, path).text)
    assert "The bank's balance of Jan 3, 2026 differs from the books by €100.00." in shown
    assert "The new rows of this file are counted in." in shown
    desk.post(desk.account(), "100.00", "2026-01-01", "Opening balance")
    agrees = page(desk, path).text
    assert "differs from the books" not in agrees
    assert "Agrees" in agrees


def test_one_mistyped_day_does_not_turn_every_date_round(desk: Any) -> None:
    rows = "05.11.2026;Bäcker;-3,20\n11.31.2026;Miete;-850,00\n10.12.2025;Lohn;1200,00\n"
    found = desk.bring(f"Datum;Text;Betrag\n{rows}")
    assert [row["date"] for row in desk.rows(found["id"], "new")] == ["2026-11-05", "2025-12-10"]
    assert [row["raw"][:10] for row in desk.rows(found["id"], "wrong")] == ["11.31.2026"]
    path = drop(desk, f"Alpha;Text;Amount\n{rows.replace('31', '30')}")
    desk.work()
    shown = " ".join(re.sub(r"<[^>]+>", "", page(desk, f"{path}/mapping").text).split())
    assert "05.11.2026 is Nov 5, 2026 with the day first, and May 11, 2026 with the month first. Of the file's" in shown
    assert "Of the file's first 3 dates, 2 are days with the day first, 3 with the month first." in shown


def test_where_both_orders_of_day_and_month_fit_the_page_says_so(desk: Any) -> None:
    path = drop(desk, "Date,Text,Amount\n03/04/2026,Shop,-1.00\n05/04/2026,Shop,-2.00\n")
    desk.work()
    assert desk.get(int(path.rsplit("/", 1)[1]))["state"] == "needs_mapping"
    shown = " ".join(re.sub(r"<[^>]+>", "", page(desk, f"{path}/mapping").text).split())
    assert "Does the day or the month come first?" in shown
    assert "03/04/2026 is Apr 3, 2026 with the day first, and Mar 4, 2026 with the month first." in shown
    assert "Both ways fit every date of the file's beginning." in shown


def test_a_refused_mapping_comes_back_as_it_was_typed(desk: Any) -> None:
    path = drop(desk, "Alpha;Beta;Gamma\n01/02/2026;Shop;-1,00\n03/02/2026;Shop;-2,00\n")
    desk.work()
    form = {"column-1": "counterparty", "delimiter": ";", "encoding": "utf-8", "header_line": "x1", "multiplier": "ten"}
    for address in ("mapping", "mapping/sample"):
        refused = send(desk, f"{path}/{address}", form)
        assert refused.status_code == 422
        assert 'value="x1"' in refused.text
        assert 'value="ten"' in refused.text
        assert '<option value="counterparty" selected>' in refused.text


def test_the_mapping_page_begins_with_what_was_recognised_and_names_the_account(desk: Any) -> None:
    path = drop(desk, "Export of my bank\nBranch 12\n\nAlpha;Beta;Gamma\nfoo;bar;baz\nbar;baz;foo\n")
    desk.work()
    shown = page(desk, f"{path}/mapping").text
    assert re.search(r'<option value=";" selected>', shown)
    assert re.search(r'name="header_line"[^>]*value="4"|value="4"[^>]*name="header_line"', shown)
    assert ">Beta<" in shown
    assert "into Bank" in shown


def test_a_category_in_another_currency_is_refused_at_its_field_and_the_ticks_stay(desk: Any) -> None:
    food = desk.account("Food", kind="expense")
    desk.account("Yen food", kind="expense", currency="JPY")
    desk.account("Dollar food", kind="expense", currency="USD")
    path = drop(desk, HEADER + "2026-01-01,A,b,-10.00,EUR\n2026-01-02,C,d,-2000,JPY\n")
    desk.work()
    offered = page(desk, path).text
    assert "Food (EUR)" in offered
    assert "Yen food (JPY)" in offered
    assert "Dollar food" not in offered
    refused = send(desk, f"{path}/categories", {"category_id": str(food), "positions": "2", "tab": "new", "cursor": ""})
    assert refused.status_code == 422
    assert "The category is kept in another currency than these rows." in refused.text
    assert f'<option value="{food}" selected>' in refused.text
    assert re.search(r'value="2" checked aria-label="Select line 3"', refused.text)
    assert not re.search(r'value="1" checked', refused.text)
    taken = send(desk, f"{path}/categories", {"category_id": str(food), "positions": "1", "tab": "new", "cursor": ""})
    assert taken.status_code == 303


def test_what_was_merged_is_told_before_and_after(desk: Any) -> None:
    desk.post(desk.account(), "-12.34", "2026-03-05", "Rewe supermarket")
    path = drop(desk, HEADER + "2026-03-02,REWE,Groceries,-12.34,EUR\n2026-03-05,Acme Industries,Salary,25.00,EUR\n")
    desk.work()
    assert "Merge takes the entry in the books for the row" in page(desk, path).text
    merged = {"tab": "doubtful", "positions": "1", "decision": "merge"}
    assert send(desk, f"{path}/decisions", merged).status_code == 303
    assert "Publish 2 rows" in page(desk, path).text
    assert send(desk, f"{path}/publication").status_code == 303
    desk.work()
    published = page(desk, path).text
    assert "1 row was booked." in published
    assert "1 was merged into an entry that was there." in published


def test_what_an_undone_import_leaves_is_listed_once_with_the_reason_of_each(desk: Any) -> None:
    path = drop(desk, HEADER + "2026-03-02,REWE,Groceries,-12.34,EUR\n2026-03-05,Acme Industries,Salary,25.00,EUR\n")
    desk.work()
    assert send(desk, f"{path}/publication").status_code == 303
    desk.work()
    entries = {one["counterparty"]: one for one in desk.alice.api("GET", "/entries").json["data"]}
    with desk.cast.acme.begin() as session:
        close_entry(session=session, actor=desk.alice.actor, at=utc_now(), entry_id=entries["REWE"]["id"])
    salary = entries["Acme Industries"]
    body = {
        "date": salary["date"],
        "description": "Wages",
        "counterparty": "Acme Industries",
        "postings": [{k: p[k] for k in ("account_id", "amount", "currency")} for p in salary["postings"]],
    }
    assert desk.alice.api("PUT", f"/entries/{salary['id']}", json=body, headers={"If-Match": '"v1"'}).status_code == 200
    assert send(desk, f"{path}/reversal").status_code == 303
    desk.work()
    shown = page(desk, path).text
    assert "0 of 2 entries were taken out of the books, 2 wait for you." in shown
    assert "This import was taken back out of the books." not in shown
    assert "notice--warn" in shown
    listed = page(desk, "/imports").text
    assert "Undone in part" in listed
    assert "2 entries wait for you" in listed
    assert shown.count("Wages") == 1
    assert "Locked since it was imported, so it stayed in the books." in shown
    assert "Changed since it was imported, so it stayed in the books." in shown
    assert shown.count('value="reverse"') == 3  # each of the two, and all
    assert "Reverse all" in shown
    assert send(desk, f"{path}/rows/1/settlement", {"decision": "keep"}).status_code == 303
    assert send(desk, f"{path}/settlement", {"decision": "reverse"}).status_code == 303
    settled = page(desk, path).text
    assert "Of those that stayed: kept 1, reversed 1." in settled
    assert "Reverse all" not in settled
    assert "entries wait for you" not in page(desk, "/imports").text
    assert "Kept in the books." in page(desk, path).text


def test_another_delimiter_brings_its_header_and_forms_but_never_instead_of_what_was_chosen(desk: Any) -> None:
    path = drop(desk, "Bank|Export\nBranch|12\n\nWann,Alpha;Beta;Gamma\n01/02/2026;a,b;-1,00\n13/02/2026;c,d;-2,00\n")
    desk.work()
    form = {
        "delimiter": ";",
        "decimal": ".",
        "date_format": "%Y-%m-%d",
        "header_line": "1",
        "encoding": "utf-8",
        "multiplier": "1",
        **{f"proposed-{k}": v for k, v in (("delimiter", ","), ("decimal", "."), ("date_format", "%Y-%m-%d"))},
        "proposed-header_line": "1",
    }
    headers = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#mapping-sample"}

    def shown(values: dict[str, str]) -> tuple[str, ...]:
        text = desk.alice.post(f"/t/{desk.cast.acme.slug}{path}/mapping/sample", values, headers=headers).text
        chosen = re.findall(r'<option value="([^"]*)" selected>|name="header_line"[^>]*value="(\d+)"', text)
        return tuple(one or other for one, other in chosen if one or other)

    assert shown(form) == ("%d/%m/%Y", ",", "4")
    assert shown(form | {"header_line": "2", "date_format": "%m/%d/%Y"}) == ("%m/%d/%Y", ",", "2")
    assert shown(form | {"proposed-delimiter": ";"}) == ()
    whole = send(desk, f"{path}/mapping/sample", form).text
    assert "hx-partial" not in whole
    assert re.search(r'name="header_line"[^>]*value="4"', whole)


def test_the_frame_asks_for_its_running_jobs_until_there_are_none(desk: Any) -> None:
    path = drop(desk, MARCH)
    line = page(desk, path).text.partition('id="jobs-line"')[2].partition("</div>")[0]
    assert "1 job running" in line
    assert f'data-hx-get="/t/{desk.cast.acme.slug}/jobs"' in line
    assert 'data-hx-select="#jobs-line"' in line
    desk.work()
    line = page(desk, "/jobs").text.partition('id="jobs-line"')[2].partition("</div>")[0]
    assert "data-hx-get" not in line


def test_one_room_of_the_navigation_is_lit_on_an_accounts_page(desk: Any) -> None:
    shown = page(desk, f"/accounts/{desk.account()}").text
    sidebar = shown.partition('class="sidebar__wings"')[2].partition("</nav>")[0]
    assert sidebar.count('aria-current="page"') == 1
    assert "Accounts" in sidebar.partition('aria-current="page"')[2].partition("</a>")[0]


def test_an_instant_is_written_with_the_dates_of_everywhere_else(desk: Any) -> None:
    drop(desk, MARCH)
    assert re.search(r'<span class="sub">[A-Z][a-z]{2} \d{1,2}, \d{4}', page(desk, "/imports").text)
