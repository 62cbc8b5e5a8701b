"""The demonstration is the same for the same seed and day, and it balances."""

from collections import Counter
from datetime import UTC, date, datetime
from hashlib import sha256

from sqlalchemy import text

from tenants.demo.commands import SEED, tell_story
from tenants.demo.company import ACCOUNTS, story
from tenants.demo.statements import samples
from tests.cast import STAGE, Workspace

TODAY = date(2026, 11, 20)


def test_the_same_seed_and_day_tell_the_same_story() -> None:
    told = [sha256(repr(list(story(SEED, TODAY))).encode()).hexdigest() for _ in range(2)]
    assert told[0] == told[1]
    assert repr(list(story(SEED + 1, TODAY))) != repr(list(story(SEED, TODAY)))
    assert samples(SEED, TODAY) == samples(SEED, TODAY)


def test_the_story_is_24_months_and_about_4000_balanced_entries() -> None:
    months = list(story(SEED, TODAY))
    entries = [entry for month in months for entry in month]
    assert len(months) == 24
    assert 3_800 <= len(entries) <= 4_200
    for entry in entries:
        sums: Counter[str] = Counter()
        for line in entry.lines:
            sums[ACCOUNTS[line.account].currency] += line.minor
        assert not any(sums.values()), entry
        assert entry.day <= TODAY


def test_the_story_is_told_through_commands_and_leaves_the_bank_in_credit(acme: Workspace) -> None:
    with acme.begin() as session:
        told = tell_story(session=session, actor=STAGE, at=datetime.now(UTC), today=TODAY)
    with acme.begin() as session:
        assert session.scalar(text("SELECT count(*) FROM entry")) == told
        balance = session.scalar(
            text(
                "SELECT balance FROM account_balance b JOIN account a ON a.id = b.account_id WHERE a.code = '512100'",
            )
        )
        assert balance > 0
