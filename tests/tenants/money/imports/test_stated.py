"""Balances that a file states: what comes after one in the file is not in it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parents[3] / "samples" / "statements"


def message(opening: str, rows: list[str], closing: str) -> str:
    """Write one message of MT940: balances as "C260301EUR10,00", rows as "2603010301D5,00"."""
    number = f"{opening[1:7]}{len(rows)}" + rows[0][10:].replace(",", "")
    lines = [f":61:{row}NTRFNONREF//{number}{n}\n:86:MOVEMENT {number}{n}" for n, row in enumerate(rows)]
    return "\n".join([f":20:{number}", ":25:NL00BANK01", ":28C:1", f":60F:{opening}", *lines, f":62F:{closing}", "-\n"])


def camt(*statements: tuple[str, list[tuple[str, str]], str]) -> str:
    """Write a CAMT.053 of statements of 2 March on one line: opening, rows as (amount, CRDT or DBIT), closing."""
    day = "<Dt><Dt>2026-03-02</Dt></Dt>"
    parts = []
    for number, (opening, rows, closing) in enumerate(statements):
        entries = "".join(
            f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{way}</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-03-02'
            f"</Dt></BookgDt><AcctSvcrRef>S{number}N{n}</AcctSvcrRef></Ntry>"
            for n, (amount, way) in enumerate(rows)
        )
        stated = "".join(
            f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{amount}</Amt>'
            f"<CdtDbtInd>CRDT</CdtDbtInd>{day}</Bal>"
            for code, amount in (("OPBD", opening), ("CLBD", closing))
        )
        parts.append(f"<Stmt><Acct><Id><IBAN>NL00</IBAN></Id><Ccy>EUR</Ccy></Acct>{stated}{entries}</Stmt>")
    name = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"
    return f'<Document xmlns="{name}"><BkToCstmrStmt>{"".join(parts)}</BkToCstmrStmt></Document>'


def differences(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return kind and difference of an import's balances."""
    return [(one["kind"], one["difference"]["amount"]) for one in found["balances"]]


def in_review_and_after(desk: Any, content: str | bytes) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the differences before a statement is published, and after."""
    found = desk.bring(content, name="statement.sta")
    assert found["state"] == "review", found
    before = differences(found)
    assert desk.act(found["id"], "publication").status_code == 202
    return before, differences(desk.get(found["id"]))


def test_an_opening_balance_is_the_one_before_the_rows_of_its_day(desk: Any) -> None:
    statement = (SAMPLES / "mt940" / "knab.sta").read_bytes().partition(b"-\n")[0] + b"-\n"
    before, after = in_review_and_after(desk, statement)
    assert before == after == [("opening", "0.00"), ("closing", "0.00")]


def test_an_opening_balance_that_is_wrong_differs_by_what_is_missing(desk: Any) -> None:
    before, after = in_review_and_after(desk, message("C260301EUR100,00", ["2603010301D5,00"], "C260301EUR95,00"))
    assert before == after == [("opening", "100.00"), ("closing", "100.00")]


@pytest.mark.parametrize("order", [lambda parts: parts, lambda parts: parts[::-1]], ids=["forwards", "backwards"])
def test_daily_statements_in_one_file_open_where_the_one_before_closed(
    desk: Any, order: Callable[[list[str]], list[str]]
) -> None:
    desk.post(desk.account(), "100.00", "2026-02-01", "What was there")
    parts = [
        message("C260301EUR100,00", ["2603010301D5,00", "2603010301D6,00"], "C260301EUR89,00"),
        message("C260302EUR89,00", ["2603020302C1,00"], "C260302EUR90,00"),
        message("C260303EUR90,00", ["2603030303D20,00"], "C260303EUR70,00"),
    ]
    before, after = in_review_and_after(desk, "".join(order(parts)))
    assert before == after == [("opening", "0.00"), ("closing", "0.00")] * 3


def test_two_statements_of_one_day_are_compared_where_they_stand(desk: Any) -> None:
    first = message("C260301EUR0,00", ["2603010301C5,00"], "C260301EUR5,00")
    second = message("C260301EUR5,00", ["2603010301C7,00"], "C260301EUR12,00")
    before, after = in_review_and_after(desk, first + second)
    assert before == after == [("opening", "0.00"), ("closing", "0.00")] * 2


def test_a_balance_between_two_pages_is_not_compared(desk: Any) -> None:
    pages = message("C260301EUR0,00", ["2603010301C5,00"], "C260301EUR5,00").replace(":62F:", ":62M:")
    pages += message("C260301EUR5,00", ["2603010301C7,00"], "C260301EUR12,00").replace(":60F:", ":60M:")
    before, after = in_review_and_after(desk, pages)
    assert before == after == [("opening", "0.00"), ("closing", "0.00")]


def test_statements_of_camt_open_before_their_entries_and_close_behind_them(desk: Any) -> None:
    found = camt(("0.00", [("5.00", "CRDT"), ("1.00", "DBIT")], "4.00"), ("4.00", [("6.00", "CRDT")], "10.00"))
    before, after = in_review_and_after(desk, found)
    assert before == after == [("opening", "0.00"), ("closing", "0.00")] * 2


def test_a_row_that_is_in_the_books_already_is_no_part_of_the_balance_before_it(desk: Any) -> None:
    content = message("C260301EUR0,00", ["2603010301C5,00"], "C260301EUR5,00")
    in_review_and_after(desk, content)
    again = desk.bring(content + "\n", name="again.sta")
    assert again["counts"]["duplicate"] == 1
    assert differences(again) == [("opening", "0.00"), ("closing", "0.00")]


def test_the_balance_above_a_table_is_the_one_before_all_its_rows(desk: Any) -> None:
    table = (
        "Solde initial au 02/03/2026;0,00;EUR;\nDate;Libelle;Montant;Devise\n"
        "03/03/2026;B;-2,00;EUR\n02/03/2026;A;12,00;EUR\n02/03/2026;C;15,00;EUR\n"
    )
    before, after = in_review_and_after(desk, table)
    assert before == after == [("opening", "0.00")]


def test_the_dashboard_heeds_what_a_statement_states_and_no_file_that_could_not_be_read(desk: Any) -> None:
    day = datetime.now(UTC).date()
    bank = desk.account()
    desk.post(desk.account("Till"), "1.00", day.isoformat(), "Change")

    def shown() -> tuple[str, str]:
        (card,) = [one for one in desk.alice.api("GET", "/dashboard").json["accounts"] if one["account_id"] == bank]
        html = desk.alice.browser().get(f"/t/{desk.cast.acme.slug}/").text
        return card["freshness"], html[html.rindex(">Bank</a>") :].partition("</li>")[0]

    def publish(text: str) -> int:
        found = desk.bring(text)
        desk.act(found["id"], "publication")
        return int(found["id"])

    assert desk.bring("<!doctype html><html><body>No statement</body></html>")["state"] == "failed"
    state, card = shown()
    assert state == "unused"
    assert 'class="freshness' not in card
    publish(f"Date,Payee,Amount,Balance\n{day},A,-10.00,-10.00\n")
    assert desk.bring("<!doctype html><html><body>No statement</body></html>")["state"] == "failed"
    assert shown()[0] == "checked"
    differs = publish(f"Date,Payee,Amount,Balance\n{day},B,-5.00,85.00\n")
    state, card = shown()
    assert state == "failed"
    assert f'href="/t/{desk.cast.acme.slug}/imports/{differs}"' in card
    assert "differs by" in card
    assert "€100.00" in card
    asked = {"date": day.isoformat(), "balance": "-15.00"}
    path = f"/reconciliations/{desk.alice.api('POST', f'/accounts/{bank}/reconciliations', json=asked).json['id']}"
    ids = [one["id"] for one in desk.alice.api("GET", "/entries?q=account:Bank").json["data"]]
    desk.alice.api("POST", f"{path}/ticks", json={"entry_ids": ids, "ticked": True})
    assert desk.alice.api("POST", f"{path}/completion", json={}).status_code == 201
    assert shown()[0] == "checked"
