"""The chart of accounts: charts to start from, the tree with its sums, the form."""

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tenants.money.accounts import queries
from tenants.money.accounts.charts import CHARTS, ChartAccount, ChartTemplate
from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.tree import freshness, sections
from tests.cast import Cast
from tests.tenants.money.stage import move, open_account, refused


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.get_data(as_text=True))


def flat(accounts: tuple[ChartAccount, ...]) -> list[ChartAccount]:
    return [one for account in accounts for one in (account, *flat(account.below))]


@pytest.mark.parametrize("template", ChartTemplate)
def test_a_chart_is_opened_whole_and_only_once(cast: Cast, template: ChartTemplate) -> None:
    path = f"/t/{cast.acme.slug}/accounts"
    assert cast.alice.post(f"{path}/chart", {"template": template.value, "currency": "EUR"}).status_code == 303
    with cast.acme.begin() as session:
        found = queries.accounts(session=session)
    assert [one.name for one in found] == [one.name for one in flat(CHARTS[template])]
    again = cast.alice.post(f"{path}/chart", {"template": template.value, "currency": "EUR"})
    assert again.status_code == 409


def test_the_companys_chart_has_french_numbers_and_the_api_offers_it(cast: Cast) -> None:
    answer = cast.alice.api("POST", "/chart", json={"template": "company", "currency": "EUR"})
    assert answer.status_code == 201
    names = {one["code"]: one for one in cast.alice.api("GET", "/accounts?limit=500").json["data"]}
    assert names["512"]["name"] == "Banque"
    assert names["6132"]["parent_id"] == names["613"]["id"]
    assert cast.carol.api("POST", "/chart", json={"template": "company", "currency": "EUR"}).status_code == 403
    assert cast.mallory.api("POST", "/chart", json={"template": "company", "currency": "XXY"}).status_code == 422


def test_an_account_is_opened_changed_and_closed(cast: Cast) -> None:
    path = f"/t/{cast.acme.slug}/accounts"
    form = {
        "name": "Current",
        "kind": "asset",
        "currency": "EUR",
        "iban": "FR76 3000 6000 0112 3456 7890 189",
        "overdraft_limit": "1 500,00",
        "code": "512",
    }
    made = cast.alice.post(path, form)
    assert made.status_code == 303
    account_id = int(made.location.rsplit("/", 1)[1])
    account = cast.alice.api("GET", f"/accounts/{account_id}").json
    assert account["iban"] == "FR7630006000011234567890189"
    assert account["overdraft_limit"]["amount_minor"] == 150_000
    assert cast.alice.post(f"{path}/{account_id}", form | {"name": "Everyday", "version": "1"}).status_code == 303
    assert cast.alice.post(f"{path}/{account_id}/closing", {"closed_on": "2026-01-31"}).status_code == 303
    listed = text_of(cast.carol.browser().get(path))
    assert "Everyday" not in listed
    assert "Show 1 closed account" in listed
    assert "Everyday" in text_of(cast.carol.browser().get(f"{path}?closed=1"))


def test_an_account_closes_after_its_last_entry_and_says_what_is_left_on_it(cast: Cast) -> None:
    base, alice = f"/t/{cast.acme.slug}", cast.alice
    bank, sales = open_account(cast.acme, "Bank"), open_account(cast.acme, "Sales", "income")
    entry_id = move(cast.acme, sales, bank, 10_00, day=date(2026, 3, 5))
    form = {"name": "Bank", "kind": "asset", "currency": "EUR", "version": "1"}
    early, after = {"closed_on": "2026-03-04"}, "The account has an entry on 2026-03-05. Choose that day or a later one"
    for path, values in ((f"{base}/accounts/{bank}", form | early), (f"{base}/accounts/{bank}/closing", early)):
        answer = alice.post(path, values)
        assert (answer.status_code, after in text_of(answer)) == (422, True), path
        assert 'value="2026-03-04"' in text_of(answer)
    late = alice.post(f"{base}/accounts/{bank}", form | {"opened_on": "2026-03-06"})
    assert "Choose that day or an earlier one" in text_of(late)
    body = {"name": "Bank", "kind": "asset", "currency": "EUR"}
    told = alice.api("PUT", f"/accounts/{bank}", json=body | early, headers={"If-Match": '"v1"'})
    assert refused(told, 422, "invalid")
    assert told.json["errors"][0]["pointer"] == "/closed_on"

    browser = alice.browser()
    token = re.search(r'name="csrf_token" value="([^"]+)"', text_of(browser.get(f"{base}/accounts/{bank}/edit")))
    assert token
    closing = {"csrf_token": token[1], "closed_on": "2026-03-05"}
    page = text_of(browser.post(f"{base}/accounts/{bank}/closing", data=closing, follow_redirects=True))
    assert "The account is closed with €10.00 on it." in page

    chosen = f'<option value="{bank}" selected>Bank</option>'
    assert chosen in text_of(browser.get(f"{base}/entries/{entry_id}/edit"))
    partial = {"HX-Request": "true", "HX-Request-Type": "partial"}
    assert chosen in text_of(browser.get(f"{base}/entries/{entry_id}/editor", headers=partial))
    assert f'<option value="{bank}"' not in text_of(browser.get(f"{base}/entries/new"))
    lines = {"account_id": [bank, sales], "amount": ["10", "-10"], "memo": ["", ""]}
    change = {"date": "2026-03-05", "description": "Corrected", "version": "1"} | lines
    assert alice.post(f"{base}/entries/{entry_id}", change).status_code == 303
    moved = text_of(alice.post(f"{base}/entries/{entry_id}", change | {"date": "2026-03-06", "version": "2"}))
    assert "it was not open then" in moved
    assert chosen in moved


def test_a_wrong_account_comes_back_with_what_was_typed(cast: Cast) -> None:
    answer = cast.alice.post(
        f"/t/{cast.acme.slug}/accounts",
        {
            "name": "",
            "kind": "pocket",
            "currency": "EUR",
            "iban": "FR00 1234",
            "opened_on": "2026-02-30",
            "overdraft_limit": "much",
            "parent_id": "x",
        },
    )
    page = text_of(answer)
    assert answer.status_code == 422
    for said in ("FR00 1234", "much", "2026-02-30", "is not a date", "Choose what kind of account it is."):
        assert said in page
    answer = cast.alice.post(
        f"/t/{cast.acme.slug}/accounts", {"name": "", "kind": "asset", "currency": "EUR", "iban": "FR00 1234"}
    )
    assert "This IBAN is not valid" in text_of(answer)


def view(
    key: int, kind: str, balance: int, *, parent: int | None = None, currency: str = "EUR", name: str = ""
) -> AccountView:
    return AccountView(
        key,
        parent,
        kind,
        name or f"Account {key}",
        None,
        currency,
        None,
        None,
        None,
        None,
        None,
        None,
        1,
        balance,
        0,
        1,
    )


def test_sums_roll_up_by_currency_and_credit_kinds_are_turned() -> None:
    found = sections(
        [
            view(1, "income", 0),
            view(2, "income", -500, parent=1),
            view(3, "income", -70, parent=1, currency="USD"),
            view(4, "asset", 900),
        ],
        last_days={2: date(2026, 11, 1)},
        today=date(2026, 11, 20),
    )
    assert [section.kind.value for section in found] == ["asset", "income"]
    top, *_rest = found[1].branches
    assert top.totals == {"EUR": 500, "USD": 70}
    assert found[1].totals == {"EUR": 500, "USD": 70}
    assert [branch.depth for branch in found[1].branches] == [0, 1, 1]


@pytest.mark.parametrize(
    ("last", "state"),
    [
        (None, "unchecked"),
        (date(2026, 11, 20), "checked"),
        (date(2026, 10, 16), "checked"),
        (date(2026, 10, 15), "stale"),
    ],
)
def test_freshness_tells_how_long_nothing_was_booked(last: date | None, state: str) -> None:
    assert freshness(last, datetime(2026, 11, 20, tzinfo=UTC).date()) == state
