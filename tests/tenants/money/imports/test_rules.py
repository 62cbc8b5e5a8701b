"""What is similar, where rows go, how rows are told apart, what is harmless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.money.imports.fingerprints import Fingerprints, of_corrected
from tenants.money.imports.rules import KnownAccount, Wording, harmless, plan_accounts, shown_state, similar, words


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (("REWE", ""), ("", "Rewe supermarket, Bahnhofstr."), True),
        (("EDF", "Prélèvement"), ("", "Electricity EDF"), True),
        (("Coffee Corner", ""), ("Coffee House", ""), True),
        (("Shop 12", "Purchase"), ("Shop 97", "Purchase"), False),
        (("Landlord", "Rent"), ("Bakery", "Bread"), False),
        (("Müller GmbH", ""), ("Mueller AG", ""), False),
        (("Müller GmbH", ""), ("MULLER", "invoice"), True),
        (("", ""), ("Landlord", ""), True),
        (("GmbH", "Miete"), ("GmbH", "Strom"), False),
    ],
)
def test_counterparties_are_similar_when_half_of_their_words_are(
    one: tuple[str, str], other: tuple[str, str], alike: bool
) -> None:
    assert similar(Wording.of(*one), Wording.of(*other)) is alike
    assert similar(Wording.of(*other), Wording.of(*one)) is alike


def test_words_are_without_case_accents_and_what_says_nothing() -> None:
    assert words("Die ÉLECTRICITÉ de France SA, N° 12") == {"electricite", "france", "12"}


CHOSEN = KnownAccount(1, "Bank", "EUR", "asset", None, "512")


def test_one_label_means_the_chosen_account_whatever_it_says() -> None:
    (plan,) = plan_accounts(CHOSEN, [], {("DE99 elsewhere", "EUR"): 3})
    assert (plan.account_id, plan.rows) == (1, 3)


def test_several_labels_find_their_accounts_or_get_new_ones() -> None:
    savings = KnownAccount(2, "Savings", "EUR", "asset", 1, None)
    found = {("FR76 3000 6000 0112 3456 7890 189", "EUR"): 1, ("000123", "EUR"): 2, ("Loan 7", "EUR"): 4}
    one, two, three = plan_accounts(CHOSEN, [savings], found, {"000123": {2}, "FR76 3000 6000 0112 3456 7890 189": {1}})
    assert (one.account_id, two.account_id, three.account_id) == (1, 2, None)
    assert (three.name, three.parent_id, three.number) == ("Loan 7", 1, "Loan 7")


def test_another_currency_goes_to_the_account_below_or_to_a_new_one() -> None:
    found = {(None, "EUR"): 3, (None, "JPY"): 1}
    _, new = plan_accounts(CHOSEN, [], found)
    assert (new.account_id, new.name, new.parent_id) == (None, "Bank (JPY)", 1)
    yen = KnownAccount(5, "Yen", "JPY", "asset", 1, None)
    _, below = plan_accounts(CHOSEN, [yen], found)
    assert below.account_id == 5


@given(
    st.lists(
        st.tuples(st.sampled_from(["2026-01-01", "2026-01-02"]), st.integers(-3, 3), st.sampled_from("ab")), max_size=30
    )
)
def test_every_row_of_a_file_has_an_identity_of_its_own_and_the_same_in_every_file(
    rows: list[tuple[str, int, str]],
) -> None:
    first, second = Fingerprints(b"secret"), Fingerprints(b"secret")
    one = [first.of_raw(day, minor, "EUR", None, raw) for day, minor, raw in rows]
    other = [second.of_raw(day, minor, "EUR", None, raw) for day, minor, raw in rows]
    assert one == other
    assert len(set(one)) == len(rows)


def test_a_banks_own_number_is_one_movement_and_corrected_rows_never_meet_others() -> None:
    prints = Fingerprints(b"secret")
    assert prints.of_bank_id("7", None, "EUR")[1] is False
    assert prints.of_bank_id("7", None, "EUR")[1] is True
    said = ("2026-01-01", 1, "EUR", None, "a")
    assert of_corrected(b"secret", *said, 0) != prints.of_raw(*said)
    assert Fingerprints(b"another").of_raw(*said) != Fingerprints(b"secret").of_raw(*said), "nobody else can try texts"


@given(st.text(max_size=20))
def test_no_text_is_left_that_a_spreadsheet_would_run(text: str) -> None:
    written = harmless(text)
    assert written.removeprefix("'") == text or written == text
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r", "\0", "＝", "＋", "－", "＠"))


def test_a_new_row_is_published_with_its_import() -> None:
    assert shown_state("new", "published") == "published"
    assert shown_state("new", "reversed") == "reversed"
    assert shown_state("duplicate", "published") == "duplicate"
