"""How figures are read: walking back, flows, freshness."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.money.dashboard import rules

TODAY = date(2026, 11, 20)


def test_months_end_with_todays() -> None:
    assert rules.months_until(TODAY, 3) == (date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1))
    assert rules.add_months(date(2026, 1, 31), -1) == date(2025, 12, 1)


@given(
    st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=24),
    st.integers(-(10**12), 10**12),
    st.integers(-(10**12), 10**12),
)
def test_walking_back_is_walking_forward_turned_round(moved: list[int], start: int, later: int) -> None:
    months = rules.months_until(TODAY, len(moved))
    expected = [start]
    for amount in moved:
        expected.append(expected[-1] + amount)
    found = rules.walk_back(expected[-1] + later, months, dict(zip(months, moved, strict=True)), later)
    assert list(found) == expected


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12))
def test_a_flow_is_never_negative_and_keeps_its_net(income: int, expense: int) -> None:
    flow = rules.month_flow(TODAY, income, expense)
    assert flow.income >= 0
    assert flow.expense >= 0
    assert flow.net == income - expense


def test_what_was_left_is_told_in_per_cent_of_the_income() -> None:
    flows = [rules.month_flow(TODAY, 1000, 600), rules.month_flow(TODAY, 1000, 900)]
    assert rules.savings_percent(flows) == 25
    assert rules.savings_percent([rules.month_flow(TODAY, 0, 5)]) is None
    assert rules.change_percent(200, 250) == 25.0
    assert rules.change_percent(-5, 100) is None


DAYS = {"today": TODAY, "recent": TODAY - timedelta(days=10), "old": TODAY - timedelta(days=46), "never": None}


@pytest.mark.parametrize(
    ("agrees", "checked", "booked", "expected"),
    [
        (False, "recent", "recent", "failed"),
        (True, "recent", "recent", "checked"),
        (True, "recent", "never", "checked"),
        (True, "recent", "today", "unchecked"),
        (True, "old", "old", "stale"),
        (True, "old", "recent", "unchecked"),
        (None, "never", "recent", "unchecked"),
        (None, "never", "old", "stale"),
        (None, "never", "never", "unused"),
    ],
)
def test_the_state_table_of_freshness(agrees: bool | None, checked: str, booked: str, expected: str) -> None:
    assert rules.freshness(today=TODAY, agrees=agrees, checked_on=DAYS[checked], last_booked=DAYS[booked]) == expected
