"""What a bookkeeper does in the register, with the keyboard, with the mouse, and without scripts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.charts import ChartTemplate
from tenants.money.accounts.commands import adopt_chart, ensure_purpose_account
from tenants.money.accounts.rules import Purpose
from tenants.money.ledger import queries
from tenants.money.ledger.commands import post_entries
from tenants.money.ledger.rules import EntryDraft, PostingDraft
from tests.cast import Cast, Person
from tests.journeys.conftest import Visit

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAYEES = ("Boulangerie du Port", "Client Nour", "EDF", "Garage Atlas", "Librairie")


@dataclass
class Shop:
    """Acme with a household's chart and some entries on its current account."""

    cast: Cast
    accounts: dict[str, int]
    ids: list[int]

    @property
    def path(self) -> str:
        return f"/t/{self.cast.acme.slug}"

    @property
    def alice(self) -> Person:
        return self.cast.alice

    def entry(self, entry_id: int) -> queries.EntryView:
        with self.cast.acme.begin() as session:
            found = queries.entry(session=session, entry_id=entry_id)
        assert found is not None
        return found

    def count(self) -> int:
        with self.cast.acme.begin() as session:
            return len(queries.entries(session=session, limit=500))


@pytest.fixture
def shop(cast: Cast) -> Shop:
    with cast.acme.begin() as session:
        actor = cast.alice.actor
        adopt_chart(session=session, actor=actor, at=AT, template=ChartTemplate.HOUSEHOLD, currency="EUR")
        ensure_purpose_account(session=session, actor=actor, at=AT, purpose=Purpose.TO_CATEGORISE, currency="EUR")
        accounts = {one.name: one.id for one in account_queries.accounts(session=session)}
        bank, other = accounts["Current account"], accounts["To categorise (EUR)"]
        ids = post_entries(
            session=session,
            actor=actor,
            at=AT,
            drafts=[
                EntryDraft(
                    date(2026, 11, 19) - timedelta(days=n),
                    f"Card {n}",
                    (
                        PostingDraft(bank, -1000 - n, "EUR"),
                        PostingDraft(other, 1000 + n, "EUR"),
                    ),
                    counterparty=PAYEES[n % 5],
                )
                for n in range(70)
            ],
        )
    return Shop(cast, accounts, ids)


def row(page: Page, entry_id: int) -> str:
    return f"tr[data-row='{entry_id}']"


def test_she_moves_edits_a_cell_and_goes_on_below_by_keyboard(shop: Shop, visit: Visit) -> None:
    page = visit(shop.alice, f"{shop.path}/entries")
    page.keyboard.press("j")
    expect(page.locator(row(page, shop.ids[0]))).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    page.keyboard.press("e")
    field = page.locator(f"{row(page, shop.ids[0])} [name=counterparty]")
    expect(field).to_be_visible()
    field.fill("Boulangerie du Vieux Port")
    page.keyboard.press("Tab")
    expect(page.locator(f"{row(page, shop.ids[0])} [name=description]")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    below = page.locator(f"{row(page, shop.ids[1])} [name=counterparty]")
    expect(below).to_be_focused()
    expect(page.locator(row(page, shop.ids[0]))).to_contain_text("Boulangerie du Vieux Port")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(f"{row(page, shop.ids[0])} [name=counterparty]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(row(page, shop.ids[0]))).to_be_focused()
    assert shop.entry(shop.ids[0]).counterparty == "Boulangerie du Vieux Port"


def test_escape_leaves_a_row_as_it_was(shop: Shop, visit: Visit) -> None:
    page = visit(shop.alice, f"{shop.path}/entries")
    page.keyboard.press("j")
    page.keyboard.press("e")
    page.locator("[name=counterparty]:focus, tr[data-editing] [name=counterparty]").first.fill("Typed in vain")
    page.keyboard.press("Escape")
    expect(page.locator(row(page, shop.ids[0]))).to_contain_text(PAYEES[0])
    assert shop.entry(shop.ids[0]).counterparty == PAYEES[0]


@pytest.fixture
def visit_early(shop: Shop, visit: Visit) -> Page:
    """The register with every timer that has no time of its own, htmx's among them, late by 400 ms."""
    page = visit(shop.alice, f"{shop.path}/entries")
    page.add_init_script("const later = setTimeout; window.setTimeout = (deed, ms) => later(deed, ms ?? 400);")
    page.reload()
    return page


def test_a_key_that_comes_before_the_page_is_taken_over_still_edits_in_place(shop: Shop, visit_early: Page) -> None:
    visit_early.keyboard.press("j")
    visit_early.keyboard.press("e")
    expect(visit_early.locator(f"{row(visit_early, shop.ids[0])} [name=counterparty]")).to_be_visible()
    assert visit_early.url.endswith("/entries")


def test_a_deletion_before_the_page_is_taken_over_still_offers_its_undo(shop: Shop, visit_early: Page) -> None:
    visit_early.keyboard.press("j")
    visit_early.keyboard.press("d")
    visit_early.locator(".toast").get_by_role("button", name="Undo").click()
    expect(visit_early.locator(row(visit_early, shop.ids[0]))).to_contain_text(PAYEES[0])
    assert shop.count() == 70


def test_c_opens_the_category_and_a_click_on_a_cell_its_field(shop: Shop, visit: Visit) -> None:
    page = visit(shop.alice, f"{shop.path}/entries")
    page.keyboard.press("j")
    page.keyboard.press("c")
    category = page.locator(f"{row(page, shop.ids[0])} [name=category_id]")
    expect(category).to_be_focused()
    category.select_option(str(shop.accounts["Groceries"]))
    page.keyboard.press("Control+Enter")
    expect(page.locator(row(page, shop.ids[0]))).to_contain_text("Groceries")
    expect(page.locator(row(page, shop.ids[0]))).to_be_focused()
    page.locator(f"{row(page, shop.ids[2])} td[data-edit=amount]").click()
    amount = page.locator(f"{row(page, shop.ids[2])} [name=amount]")
    expect(amount).to_be_focused()
    amount.fill("-(12+3)*2")
    page.keyboard.press("Control+Enter")
    expect(page.locator(f"{row(page, shop.ids[2])} .card-amount")).to_contain_text("30.00")
    assert {p.amount for p in shop.entry(shop.ids[2]).postings} == {-3000, 3000}


def test_an_entry_is_typed_and_booked_by_keyboard_alone(shop: Shop, visit: Visit) -> None:
    for key, field in (("Enter", "#f-counterparty"), ("Control+Enter", "#f-note")):
        page = visit(shop.alice, f"{shop.path}/entries/new")
        page.locator("[name=account_id]").nth(0).select_option(str(shop.accounts["Current account"]))
        page.locator("[name=account_id]").nth(1).select_option(str(shop.accounts["Groceries"]))
        page.locator("[name=amount]").nth(0).fill("-12.50")
        page.locator("#f-description").focus()
        page.keyboard.press("Tab")
        expect(page.locator("[name=account_id]").nth(0)).to_be_focused()
        page.locator(field).fill("By keyboard")
        page.keyboard.press(key)
        expect(page.locator(".toast")).to_contain_text("The entry is booked.")
        assert "By keyboard" in page.locator("main").inner_text()


def test_a_wrong_amount_is_told_at_its_cell_and_stays_as_typed(shop: Shop, visit: Visit) -> None:
    page = visit(shop.alice, f"{shop.path}/entries")
    page.locator(f"{row(page, shop.ids[0])} td[data-edit=amount]").click()
    page.locator("tr[data-editing] [name=amount]").fill("twelve")
    page.keyboard.press("Control+Enter")
    amount = page.locator("tr[data-editing] [name=amount][aria-invalid=true]")
    expect(amount).to_have_value("twelve")
    expect(page.locator("tr[data-editing]")).to_contain_text("“twelve” is not an amount")


def test_the_running_balance_follows_an_edited_amount(shop: Shop, visit: Visit) -> None:
    bank = shop.accounts["Current account"]
    page = visit(shop.alice, f"{shop.path}/accounts/{bank}")
    before = sum(-1000 - n for n in range(70))
    expect(page.locator(f"{row(page, shop.ids[0])} .reg-balance")).to_contain_text(f"{-before / 100:.2f}")
    page.locator(f"{row(page, shop.ids[3])} td[data-edit=amount]").click()
    page.locator("tr[data-editing] [name=amount]").fill("-110,03")
    page.keyboard.press("Control+Enter")
    expect(page.locator(f"{row(page, shop.ids[0])} .reg-balance")).to_contain_text(f"{(-before + 10000) / 100:,.2f}")


def test_she_selects_a_range_changes_it_and_undoes_it(shop: Shop, visit: Visit) -> None:
    page = visit(shop.alice, f"{shop.path}/entries")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Shift+Space")
    expect(page.locator("[data-bulk-text]")).to_have_text("3 selected, -€30.03")
    page.keyboard.press("c")
    expect(page.locator("#f-bulk-category")).to_be_focused()
    page.locator("#f-bulk-category").select_option(str(shop.accounts["Groceries"]))
    page.locator("#f-bulk-counterparty").fill("Market")
    page.get_by_role("button", name="Apply").last.click()
    expect(page.locator(".toast")).to_contain_text("3 entries changed.")
    expect(page.locator(row(page, shop.ids[1]))).to_contain_text("Market")
    expect(page.locator(row(page, shop.ids[3]))).not_to_contain_text("Market")
    assert all(shop.entry(key).postings[1].account_id == shop.accounts["Groceries"] for key in shop.ids[:3])
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(row(page, shop.ids[1]))).to_contain_text(PAYEES[1])
    assert all(shop.entry(key).counterparty == PAYEES[n] for n, key in enumerate(shop.ids[:3]))


def test_d_deletes_the_row_and_undo_brings_it_back(shop: Shop, visit: Visit) -> None:
    page = visit(shop.alice, f"{shop.path}/entries")
    page.keyboard.press("j")
    page.keyboard.press("d")
    expect(page.locator(row(page, shop.ids[0]))).to_have_count(0)
    assert shop.count() == 69
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(row(page, shop.ids[0]))).to_contain_text(PAYEES[0])
    assert shop.count() == 70


def test_all_that_match_are_selected_over_pages_with_the_servers_sum(shop: Shop, visit: Visit) -> None:
    page = visit(shop.alice, f"{shop.path}/entries")
    expect(page.locator("#totals")).to_contain_text("70 entries")
    page.locator("[data-select-all]").check()
    page.get_by_role("button", name="Select all 70 that match").click()
    expect(page.locator("[data-bulk-text]")).to_have_text("All 70 selected, -€724.15")
    page.locator(".bulk-bar [data-action=cleared]").click()
    expect(page.locator(".toast")).to_contain_text("70 entries changed.")
    assert shop.entry(shop.ids[69]).postings[0].cleared


def test_l_marks_u_duplicates_and_f_shows_the_selected_only(shop: Shop, visit: Visit) -> None:
    page = visit(shop.alice, f"{shop.path}/entries")
    page.keyboard.press("j")
    page.keyboard.press("l")
    expect(page.locator(f"{row(page, shop.ids[0])} [data-action=cleared]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(row(page, shop.ids[0]))).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("f")
    expect(page.locator(row(page, shop.ids[1]))).to_be_hidden()
    page.keyboard.press("f")
    page.keyboard.press("x")
    page.keyboard.press("u")
    page.wait_for_url("**/entries/new?like=*")
    expect(page.locator("[name=counterparty]")).to_have_value(PAYEES[0])


def test_the_question_mark_shows_every_key_and_escape_goes_back(shop: Shop, visit: Visit) -> None:
    page = visit(shop.alice, f"{shop.path}/entries")
    page.keyboard.press("?")
    overlay = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(overlay).to_be_visible()
    shown = set(overlay.locator("kbd").all_inner_texts())
    assert shown >= set("jkxecdulf/?")
    assert {"g d", "g e", "g a"} <= shown
    page.keyboard.press("Escape")
    expect(overlay).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url(f"**{shop.path}/accounts")


def test_a_key_is_changed_kept_restored_and_all_are_switched_off(shop: Shop, visit: Visit) -> None:
    page = visit(shop.alice, f"{shop.path}/entries")
    overlay = page.get_by_role("dialog", name="Keyboard shortcuts")
    selected = page.locator("tbody input[type=checkbox]:checked")

    def move_and(key: str) -> None:
        page.locator(row(page, shop.ids[0])).focus()
        page.keyboard.press(key)

    page.keyboard.press("?")
    overlay.locator("[data-key-id='row.select'] [data-key-change]").click()
    page.keyboard.press("v")
    expect(overlay.locator("[data-key-id='row.select'] kbd")).to_have_text("v")
    page.reload()
    move_and("x")
    expect(selected).to_have_count(0)
    move_and("v")
    expect(selected).to_have_count(1)
    page.keyboard.press("?")
    overlay.get_by_role("button", name="Restore the usual keys").click()
    expect(overlay.locator("[data-key-id='row.select'] kbd")).to_have_text("x")
    overlay.get_by_label("Single-key shortcuts are on").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    for key in ("x", "v", "d", "?"):
        move_and(key)
    expect(selected).to_have_count(0)
    expect(overlay).to_be_hidden()
    assert shop.count() == len(shop.ids)


def test_the_next_chunk_comes_when_it_is_seen(shop: Shop, visit: Visit) -> None:
    page = visit(shop.alice, f"{shop.path}/entries")
    expect(page.locator("tr[data-row]")).to_have_count(60)
    page.locator("tr[data-row]").last.scroll_into_view_if_needed()
    page.mouse.wheel(0, 5000)
    expect(page.locator("tr[data-row]")).to_have_count(70)


def test_a_search_is_its_address_and_its_chips(shop: Shop, visit: Visit) -> None:
    page = visit(shop.alice, f"{shop.path}/entries")
    page.keyboard.press("/")
    page.keyboard.type("nour date:2026-11")
    page.keyboard.press("Enter")
    page.wait_for_url("**/entries?q=nour+date*")
    expect(page.locator(".chip--removable")).to_have_count(2)
    expect(page.locator("tr[data-row]")).to_have_count(4)
    page.get_by_label("Remove filter Date 2026-11").click()
    expect(page.locator("tr[data-row]")).to_have_count(14)


def test_without_scripts_she_pages_searches_changes_and_undoes(shop: Shop, visit: Visit) -> None:
    page = visit(shop.alice, f"{shop.path}/entries", scripts=False)
    page.get_by_role("link", name="Next").click()
    expect(page.locator("tr[data-row]")).to_have_count(10)
    page.get_by_role("link", name="Previous").click()
    expect(page.locator("tr[data-row]")).to_have_count(60)
    page.locator(f"{row(page, shop.ids[0])} [data-select]").check()
    page.locator(".bulk-bar").get_by_role("button", name="Cleared", exact=True).click()
    assert shop.entry(shop.ids[0]).postings[0].cleared
    page.get_by_role("button", name="Undo").click()
    assert not shop.entry(shop.ids[0]).postings[0].cleared
    page.goto(f"{shop.path}/entries/new")
    page.get_by_label("Description").fill("Cash for the week")
    page.get_by_label("Account of line 1").select_option(str(shop.accounts["Current account"]))
    page.get_by_label("Amount of line 1").fill("−1 234,56")
    page.get_by_role("button", name="More lines").click()
    expect(page.get_by_label("Account of line 8")).to_be_visible()
    page.get_by_label("Account of line 5").select_option(str(shop.accounts["Cash"]))
    page.get_by_role("button", name="Book", exact=True).click()
    expect(page.get_by_role("heading", name="Cash for the week")).to_be_visible()
    expect(page.locator("main")).to_contain_text("€1,234.56")


def test_an_auditor_sees_no_control_that_writes(shop: Shop, visit: Visit) -> None:
    bank = shop.accounts["Current account"]
    for path in ("/entries", f"/accounts/{bank}", "/accounts", f"/entries/{shop.ids[0]}"):
        page = visit(shop.cast.carol, f"{shop.path}{path}")
        expect(page.locator("main form[method=post]:not([action*='/views'])")).to_have_count(0)
        expect(page.locator("main [data-action], main [data-select]")).to_have_count(0)
        expect(page.get_by_role("link", name="New")).to_have_count(0)


# The pages themselves are examined in test_every_page.py; these are states that only a person brings about.
STATES = ("/entries?q=nour+is:open", "/entries?q=amount:x", "/entries?q=zzzz", "/entries/new")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_while_she_searches_and_edits(
    shop: Shop, visit: Visit, find_faults: Callable[[Page], list[str]], scheme: str
) -> None:
    found = {}
    for path in STATES:
        page = visit(shop.alice, f"{shop.path}{path}", color_scheme=scheme, width=390 if scheme == "dark" else 1280)
        page.wait_for_load_state("networkidle")
        found[path] = find_faults(page)
        page.close()
    page = visit(shop.alice, f"{shop.path}/entries", color_scheme=scheme)
    page.locator("[data-select-all]").check()
    page.locator(f"{row(page, shop.ids[0])} td[data-edit=amount]").click()
    expect(page.locator("tr[data-editing]")).to_be_visible()
    found["editing"] = find_faults(page)
    assert {path: faults for path, faults in found.items() if faults} == {}


IN_SIGHT = """
  ([css, text]) => {
    const box = document.querySelector(css);
    if (text) box.textContent = text;
    const range = document.createRange(), words = document.createTreeWalker(box, NodeFilter.SHOW_TEXT).nextNode();
    range.setStart(words, 0);
    range.setEnd(words, 1);
    const first = range.getBoundingClientRect(), around = box.getBoundingClientRect();
    return around.left - 1 <= first.left && first.right <= around.right + 1;
  }
"""
"""Whether the first letter of an element is within it."""
INK = """
  element => {
    const range = document.createRange();
    range.selectNodeContents(element);
    return range.getBoundingClientRect().right;
  }
"""


def test_from_right_to_left_names_in_latin_letters_stand_at_the_right_and_keep_their_start(
    shop: Shop, visit: Visit
) -> None:
    bank, other = shop.accounts["Current account"], shop.accounts["To categorise (EUR)"]
    postings = (PostingDraft(bank, -500, "EUR"), PostingDraft(other, 500, "EUR"))
    with shop.cast.acme.begin() as session:
        draft = EntryDraft(date(2026, 11, 20), "Card 4711 paid in town", postings, counterparty="<b>x</b>")
        (marked,) = post_entries(session=session, actor=shop.alice.actor, at=AT, drafts=[draft])
    shop.alice.post("/profile", {"name": "أليس", "language": "ar", "theme": "light", "density": "comfortable"})
    page = visit(shop.alice, f"{shop.path}/entries", width=390)
    for entry_id in (marked, shop.ids[0]):
        payee = page.locator(f"{row(page, entry_id)} .reg-payee > a")
        described = page.locator(f"{row(page, entry_id)} .reg-payee > .sub")
        assert described.evaluate(INK) == pytest.approx(payee.evaluate(INK), abs=2)
    assert page.locator(f"{row(page, marked)} .reg-payee > a").evaluate("a => getComputedStyle(a).direction") == "ltr"
    page.set_viewport_size({"width": 1280, "height": 900})
    long = "Cabinet of accountants with a name that is longer than any side bar"
    assert page.evaluate(IN_SIGHT, [".sidebar .switcher .truncate", long])
