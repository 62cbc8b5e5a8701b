"""What a person said of a bank's columns once is used for the next file of the same header, and of the same account."""

from dataclasses import replace
from typing import Any

import pytest

from tenants.money.imports.readers.mapping import Mapping
from tenants.money.imports.readers.reuse import laid, renumbered

FIRST = "Alpha;Beta;Gamma\n01/02/2026;Shop;-1,00\n03/02/2026;Shop;-2,00\n"
SAID = {
    "date": 0,
    "counterparty": [1],
    "amount": 2,
    "delimiter": ";",
    "decimal": ",",
    "date_format": "%d/%m/%Y",
    "header_line": 1,
    "width": 3,
}


def said_once(desk: Any, content: str | bytes = FIRST, **more: Any) -> Any:
    """Bring a file that nobody knows, say what its columns mean, and return the import as it is then read."""
    found = desk.bring(content)
    assert found["state"] == "needs_mapping", found
    mapping = (found["mapping"] or {}) | SAID | more
    answer = desk.alice.api("PUT", f"/imports/{found['id']}/mapping", json={"mapping": mapping})
    assert answer.status_code == 202, answer.text
    desk.work()
    read = desk.get(found["id"])
    assert (read["state"], read["mapping_by"]) == ("review", "person"), read
    return read


def read_rows(desk: Any, found: Any) -> list[tuple[str, str, str]]:
    return [(row["date"], row["counterparty"], row["amount"]) for row in desk.rows(found["id"])]


@pytest.mark.parametrize(
    "content",
    [
        "Gamma;Alpha;Beta\n-3,00;05/02/2026;Market\n",
        'Alpha,Beta,Gamma\n05/02/2026,Market,"-3,00"\n',
        "Gamma\tBETA\tAlpha\n-3,00\tMarket\t05/02/2026\n",
        "Gamma;Alpha;Beta\n-3,00;05/02/2026;Market\n".encode("utf-16"),
    ],
    ids=["other order", "other delimiter", "other order, case and delimiter", "other encoding"],
)
def test_the_same_header_is_known_in_another_order_and_with_other_marks_between(
    desk: Any, content: str | bytes
) -> None:
    said_once(desk)
    found = desk.bring(content)
    assert (found["state"], found["mapping_by"]) == ("review", "remembered"), found
    assert read_rows(desk, found) == [("2026-02-05", "Market", "-3.00")]


def test_another_account_with_the_same_header_is_asked_and_shown_what_was_said_for_the_first(desk: Any) -> None:
    said_once(desk)
    other = desk.account("Savings")
    asked = desk.bring("Gamma;Alpha;Beta\n-3,00;05/02/2026;Market\n", account=other)
    assert (asked["state"], asked["mapping_by"]) == ("needs_mapping", "recognised")
    shown = asked["mapping"]
    assert (shown["amount"], shown["date"], shown["counterparty"], shown["decimal"]) == (0, 1, [2], ",")
    turned = desk.alice.api("PUT", f"/imports/{asked['id']}/mapping", json={"mapping": shown | {"flip_sign": True}})
    assert turned.status_code == 202, turned.text
    desk.work()
    assert read_rows(desk, asked) == [("2026-02-05", "Market", "3.00")]
    for account, amount in ((desk.account(), "-4.00"), (other, "4.00")):
        again = desk.bring("Alpha;Beta;Gamma\n06/02/2026;Baker;-4,00\n", account=account)
        assert (again["mapping_by"], read_rows(desk, again)) == ("remembered", [("2026-02-06", "Baker", amount)])


def test_another_header_is_asked_for(desk: Any) -> None:
    said_once(desk)
    assert desk.bring(FIRST.replace("Beta", "Delta"))["state"] == "needs_mapping"


def test_what_a_person_said_of_a_known_bank_goes_before_what_is_known(desk: Any) -> None:
    header = "Date,Payee,Description,Amount,Currency\n"
    found = desk.bring(header + "2026-03-02,REWE,Groceries,12.34,EUR\n")
    mapping = found["mapping"] | {"flip_sign": True}
    desk.alice.api("PUT", f"/imports/{found['id']}/mapping", json={"mapping": mapping})
    desk.work()
    again = desk.bring("Amount,Date,Payee,Description,Currency\n5.00,2026-03-03,REWE,Groceries,EUR\n")
    assert again["mapping_by"] == "remembered"
    assert read_rows(desk, again) == [("2026-03-03", "REWE", "-5.00")]


def test_a_header_line_that_was_said_is_found_again_below_other_lines(desk: Any) -> None:
    content = "aa;bb;cc\nAlpha;Beta;Gamma\n01/02/2026;Shop;-1,00\n03/02/2026;Shop;-2,00\n"
    found = desk.bring(content)
    mapping = (found["mapping"] or {}) | SAID | {"header_line": 2}
    desk.alice.api("PUT", f"/imports/{found['id']}/mapping", json={"mapping": mapping})
    desk.work()
    assert len(read_rows(desk, found)) == 2
    again = desk.bring("aa;bb;cc\nGamma;Alpha;Beta\n-3,00;05/02/2026;Market\n")
    assert (again["state"], again["mapping_by"]) == ("review", "remembered"), again
    assert read_rows(desk, again) == [("2026-02-05", "Market", "-3.00")]


def test_an_encoding_that_was_said_holds_where_the_same_one_is_taken_for_it() -> None:
    found = Mapping(encoding="cp1252")
    said = replace(found, encoding="cp1250")
    assert laid(said, found=found, now=Mapping(encoding="cp1252")).encoding == "cp1250"
    assert laid(said, found=found, now=Mapping(encoding="utf-8")).encoding == "utf-8"


def test_columns_of_one_name_keep_their_order_and_a_missing_one_is_missed() -> None:
    mapping = Mapping(date=0, amount=2, text=(1, 3), width=4)
    layout = Mapping(width=4)
    before = ["Date", "Text", "Amount (EUR)", "Text"]
    moved = renumbered(mapping, before=before, header=["text", "AMOUNT (EUR)", "Text", "date"], layout=layout)
    assert moved is not None
    assert (moved.date, moved.amount, moved.text) == (3, 1, (0, 2))
    assert renumbered(mapping, before=before, header=["Text", "Amount (USD)", "Text", "Date"], layout=layout) is None
    assert renumbered(mapping, before=[], header=[], layout=layout) == replace(mapping, width=4)
