"""The search line: what it finds, what it says of what it cannot read."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.money.ledger import register
from tenants.money.ledger.search import line_of, read_search, terms_of
from tests.tenants.money.ledger.conftest import Books
from webapp.kernel.errors import Invalid


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-11-20", date(2026, 11, 20), date(2026, 11, 20)),
        ("20/11/2026", date(2026, 11, 20), date(2026, 11, 20)),
        ("20.11.2026", date(2026, 11, 20), date(2026, 11, 20)),
        ("2026-02", date(2026, 2, 1), date(2026, 2, 28)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("date:2026", date(2026, 1, 1), date(2026, 12, 31)),
        ("2026-Q3", date(2026, 7, 1), date(2026, 9, 30)),
        ("date:2026-01..2026-03", date(2026, 1, 1), date(2026, 3, 31)),
        ("date:..2026-03", date(1900, 1, 1), date(2026, 3, 31)),
        ("date:2026-03-05..", date(2026, 3, 5), date(2999, 12, 31)),
        ("date:>2026-03", date(2026, 4, 1), date(2999, 12, 31)),
        ("date:<=2026-03", date(1900, 1, 1), date(2026, 3, 31)),
        ("date:<2026-03-02", date(1900, 1, 1), date(2026, 3, 1)),
        ("2026-02 2026-02-10..2026-05-01", date(2026, 2, 10), date(2026, 2, 28)),
    ],
)
def test_a_date_is_a_range_of_days(text: str, first: date, last: date) -> None:
    [criteria] = read_search(text, accounts=list)
    assert (criteria.first_day, criteria.last_day) == (first, last)
    assert criteria.only_days


@pytest.mark.parametrize("text", ["date:2026-13", "date:yesterday", "date:2026-02-30", "is:lost", "account:nowhere"])
def test_what_cannot_be_read_is_named(text: str) -> None:
    error = pytest.raises(Invalid, read_search, text, accounts=list).value
    assert error.errors[0].field == "q"
    assert error.errors[0].params["term"] == text.partition(":")[2]


@given(st.text(max_size=600))
def test_any_line_is_read_or_refused(text: str) -> None:
    try:
        assert read_search(text, accounts=list)
    except Invalid as error:
        assert error.errors[0].field == "q"


@given(
    st.lists(
        st.sampled_from(["rent", "-paris", '"two words"', "amount:>5", "date:2026-01", "is:open", "12,50"]), max_size=8
    )
)
def test_terms_are_the_line_again(parts: list[str]) -> None:
    assert line_of(terms_of(" ".join(parts))) == " ".join(parts)


@pytest.fixture(params=[register.GLANCE, 1, 3], ids=["all seen", "all looked up", "some seen"])
def shop(books: Books, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Books:
    """Return books to search, where a glance reaches beyond the last row, or only a few rows far."""
    monkeypatch.setattr(register, "GLANCE", request.param)
    books.entries = {
        "bread": books.pay("2026-11-03", "Card payment", 850, payee="Boulangerie du Port"),
        "rent": books.pay("2026-11-01", "Rent for November", 85000, of="Rent", payee="SCI Les-Tilleuls"),
        "sale": books.book("2026-10-15", "Invoice F-2026/117", ("Bank", 120050), ("Sales", -120050), payee="Nour"),
        "move": books.book("2026-10-10", "To the cash box", ("Bank", -20000), ("Cash box", 20000)),
        "split": books.book("2026-10-05", "Market", ("Card", -3000), ("Food", 1000), ("Rent", 2000)),
        "new": books.pay("2026-09-30", "Unknown", 1250, of="To categorise"),
        "dinar": books.book("2026-09-29", "Souk", ("Dinars", -1250), ("Trade", 1250), currency="TND"),
    }
    return books


FINDS = [
    ("", ["bread", "rent", "sale", "move", "split", "new", "dinar"]),
    ("boul", ["bread"]),
    ("PORT boulangerie", ["bread"]),
    ("ulangerie", []),
    ("tilleuls", ["rent"]),
    ('"f-2026"', ["sale"]),
    ('"2026 117"', ["sale"]),
    ('"117 2026"', []),
    ("-card -rent", ["sale", "move", "split", "new", "dinar"]),
    ("8,50", ["bread"]),
    ("8.50", ["bread"]),
    ("amount:850", ["rent"]),
    ("850", ["rent"]),
    ("117", ["sale"]),
    ("12.50", ["new"]),
    ("1,250", ["dinar"]),
    ("amount:>500", ["rent", "sale"]),
    ("amount:8..12,50", ["bread", "split", "new"]),
    ("amount:<9", ["bread", "dinar"]),
    ("account:512", ["bread", "rent", "sale", "move", "new"]),
    ('account:"cash box"', ["move"]),
    ("category:Rent", ["rent", "split"]),
    ("category:Living", ["bread", "rent", "split"]),
    ("account:512 category:Food", ["bread"]),
    ("account:512 2026-10", ["sale", "move"]),
    ("is:uncategorised", ["new"]),
    ("is:cleared", []),
    ("is:uncleared boul", ["bread"]),
    ("is:closed", []),
    ("is:open nour", ["sale"]),
]


def test_a_line_finds_what_it_says(shop: Books) -> None:
    names = {key: name for name, key in shop.entries.items()}
    found = {}
    for line, _expected in FINDS:
        answer = shop.cast.alice.api("GET", "/entries", query_string={"q": line})
        assert answer.status_code == 200, answer.text
        found[line] = [names[entry["id"]] for entry in answer.json["data"]]
    assert found == dict(FINDS)


def test_a_search_does_not_mind_accents(books: Books) -> None:
    ours = {
        books.book("2026-11-01", name, ("Bank", -100), ("Food", 100))
        for name in ("Café Würth à Besançon", "CAFE WURTH A BESANCON", "مُحَمَّد أحمد", "محمد احمد")
    }
    for line, expected in (
        ("wurth cafe besancon", 2),
        ("Würth café", 2),
        ("WURTH", 2),
        ('"cafe wur"', 2),
        ("محمد", 2),
        ("أحمد", 2),
        ("-würth", 2),
    ):
        found = books.cast.alice.api("GET", "/entries", query_string={"q": line}).json["data"]
        assert len(ours & {one["id"] for one in found}) == expected, line


def test_an_account_finds_in_its_postings_what_a_line_says(shop: Books) -> None:
    rows = {"": 5, "boul": 1, "-card": 4, "amount:>500": 2, "850": 1, "category:Rent": 1, "is:uncleared": 5, "zebra": 0}
    browser, where = shop.cast.alice.browser(), f"/t/{shop.cast.acme.slug}/accounts/{shop.ids['Bank']}"
    found = {}
    for line in rows:
        page = browser.get(where, query_string={"q": line}).get_data(as_text=True)
        found[line] = sum(f"/entries/{key}" in page for key in shop.entries.values())
    assert found == rows


def test_pages_by_key_give_every_row_once_in_both_directions(shop: Books) -> None:
    for sort in ("-date", "date"):
        seen, cursor = [], None
        while True:
            query = {"limit": 2, "sort": sort, "q": "-zzz"} | ({"cursor": cursor} if cursor else {})
            page = shop.cast.alice.api("GET", "/entries", query_string=query).json
            seen += [(entry["date"], entry["id"]) for entry in page["data"]]
            cursor = page["next_cursor"]
            if not page["has_more"]:
                break
        assert len(seen) == 7
        assert seen == sorted(seen, reverse=sort == "-date")


def test_typed_filters_and_fields_narrow_the_answer(shop: Books) -> None:
    answer = shop.cast.alice.api(
        "GET",
        "/entries",
        query_string={
            "account_id": shop.ids["Living"],
            "date_from": "2026-11-01",
            "date_to": "2026-11-30",
            "amount": "850",
            "fields": "id,date",
        },
    )
    assert answer.json["data"] == [{"id": shop.entries["rent"], "date": "2026-11-01"}]
    assert shop.cast.alice.api("GET", "/entries", query_string={"fields": "id,colour"}).status_code == 422
    assert shop.cast.alice.api("GET", "/entries", query_string={"q": "account:nowhere"}).status_code == 422
