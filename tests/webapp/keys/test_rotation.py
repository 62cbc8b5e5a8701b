"""A rotation while everything runs: new keys, fields sealed anew, nothing lost when it is killed in the middle."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import LargeBinary, text

from tenants.money.accounts import queries as accounts
from tenants.money.accounts.commands import open_account
from tenants.money.accounts.rules import AccountDraft, Kind
from tests import hands
from tests.cast import STAGE, Cast, newcomer
from tests.webapp.cli.test_commands import PROGRAM, Run, comptoir  # noqa: F401
from webapp.audit import signing
from webapp.identity import queries as people
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import sealed_by
from webapp.kernel.db import PlatformBase, TenantBase
from webapp.kernel.sealed import SUFFIX, sealed_columns
from webapp.keys import commands, jobs, places
from webapp.keys.queries import scopes
from webapp.settings import Settings
from webapp.web.state import KEY, Services

IBAN = "FR7630006000011234567890189"


def key_ids(cast: Cast) -> set[int]:
    with cast.acme.begin() as session:
        rows = session.execute(text("SELECT iban_sealed FROM account WHERE iban_sealed IS NOT NULL"))
        return {sealed_by(bytes(row[0])) for row in rows}


def find_people(services: Services, *emails: str) -> None:
    """See that people are found by their addresses, whichever key marks them, and that nobody else gets one."""
    with services.database.platform() as session:
        for email in emails:
            found = people.person_by_email(session=session, email=email.upper())
            assert found and found.email == email
            assert people.is_taken(session=session, email=email.upper())


@contextmanager
def killed_when(condition: Callable[[], bool]) -> Iterator[None]:
    """Let a job die at a beat, as when its worker is killed."""

    def beat(*_args: Any, **_more: Any) -> None:
        if condition():
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("webapp.jobs.context.JobContext.beat", beat)
        with pytest.raises(KeyboardInterrupt):
            yield


def test_keys_are_rotated_and_retired_while_everything_runs(
    cast: Cast,
    settings: Settings,
    comptoir: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = cast.app.extensions[KEY]
    monkeypatch.setattr(jobs.queries, "BATCH_MAX", 2)
    monkeypatch.setattr(commands.reseal_some, "__kwdefaults__", {"after": None, "limit": 2})
    draft = AccountDraft("Bank", Kind.ASSET, "EUR", iban=IBAN)
    with cast.acme.begin() as session:
        for number in range(5):
            open_account(session=session, actor=STAGE, at=utc_now(), draft=replace(draft, name=f"Bank {number}"))
    before, email = key_ids(cast), newcomer(cast.app, None)

    assert comptoir("keys", "list").code == 0
    # A process of its own: it has loaded nothing but what the command loads.
    asked = subprocess.run(
        [sys.executable, "-c", PROGRAM, "keys", "rotate"], capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0 and "is queued under master key" in asked.stdout, asked.stderr
    again = comptoir("keys", "rotate")
    assert again.code == 1 and "a rotation is at work" in again.err
    assert hands.work(settings, commands.ROTATE) == 1
    assert key_ids(cast) == before, "nothing is sealed anew before every process knows the new key"
    with cast.acme.begin() as session:
        assert accounts.ids_by_bank_number(session=session, said=[IBAN])[IBAN], "searches go on meanwhile"
    find_people(services, email)

    soon = hands.Clock(utc_now() + timedelta(minutes=1))
    with killed_when(lambda: len(key_ids(cast)) == 2):
        hands.work(settings, commands.RESEAL, clock=soon)
    soon.forward(minutes=1)
    assert len(key_ids(cast)) == 2, "the job died in the middle of the workspace"
    with services.database.platform() as session:
        session.execute(text("UPDATE job SET state = 'queued' WHERE kind = 'keys.reseal' AND state = 'running'"))
    assert hands.work(settings, commands.RESEAL, clock=soon) == 1
    (now,) = key_ids(cast)
    assert now not in before
    services.keys.forget()
    with cast.acme.begin() as session:
        assert {one.iban for one in accounts.accounts(session=session)} == {IBAN}, "the rows and their marks agree"
        assert len(accounts.ids_by_bank_number(session=session, said=[IBAN])[IBAN]) == 5

    early = comptoir("keys", "retire")
    assert early.code == 1 and "less than an hour ago" in early.err
    with services.database.platform() as session:
        old = [key for one in scopes(session=session) for key in one.old]
        late = utc_now() + timedelta(hours=2)
        with pytest.raises(commands.StillInUse, match="still sealed"):
            commands.retire(session=session, actor=STAGE, at=late, old=old, is_left=lambda: True)
    monkeypatch.setattr(commands, "RETIRE_AFTER", timedelta(0))
    ended = comptoir("keys", "retire")
    assert ended.code == 0 and "1 master keys wrap nothing any more" in ended.out, ended
    listed = comptoir("keys", "list").out
    assert "test" not in listed and " old" not in listed and "platform" not in listed.replace("data\tplatform", "")
    services.keys.forget()
    find_people(services, email)
    assert IBAN in cast.carol.browser().get(f"/t/{cast.acme.slug}/accounts").text
    assert comptoir("keys", "retire").out.startswith("0 data keys"), "there is nothing left to retire"


def test_keys_that_no_file_holds_are_not_made_by_the_command(
    comptoir: Run,  # noqa: F811
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COMPTOIR_MASTER_KEYS_FILE")
    monkeypatch.setenv("COMPTOIR_MASTER_KEYS", Path(settings.master_keys_file).read_text(encoding="utf-8"))
    refused = comptoir("keys", "rotate")
    assert refused.code == 1
    assert "comptoir keys rotate --keep-master" in refused.err


def test_every_sealed_column_says_its_context_so_that_a_rotation_finds_it() -> None:
    found = [*places.columns(of_tenant=True), *places.columns(of_tenant=False)]
    assert {(one.table.name, one.name) for one in found} >= {("account", "iban_sealed"), ("account", "number_sealed")}
    for base in (TenantBase, PlatformBase):
        named = {
            (table.name, column.name)
            for table in base.metadata.sorted_tables
            for column in table.columns
            if column.name.endswith(SUFFIX)
        }
        assert named <= {(one.table.name, one.name) for one in sealed_columns(base.metadata)}
    (audit,) = places.BY_HAND
    assert (audit.context, found[-1]) == (signing.CONTEXT, audit)
    for one in found:
        assert isinstance(one.table.c[one.name].type, LargeBinary)
        names = dict.fromkeys(one.table.c.keys(), "7")
        assert one.context_of(names, "00000000-0000-0000-0000-000000000001").startswith(f"{one.context.split('/')[0]}/")


SEALERS = {
    "webapp/backups/erasures.py": "erasure.",
    "webapp/backups/exports.py": "export_piece.content",
    "tenants/idempotency.py": "idempotency.",
    "tenants/money/imports/sealing.py": "import_",
    "tenants/money/accounts/commands.py": "account.",
    "webapp/audit/signing.py": "audit_key.",
    "webapp/identity/addresses.py": "email_change.",
    "webapp/identity/contacts.py": "person.",
    "webapp/identity/totp.py": "totp.",
    "webapp/jobs/commands.py": "job.",
    "webapp/keys/commands.py": "",
    "webapp/oauth/signing.py": "oauth_key.",
    "webapp/sso/commands.py": "sso_",
    "webapp/tenancy/commands.py": "invitation.",
}
"""Who seals, and the beginning of the context; `webapp/keys` seals anew what is found by it."""
PASSING = {"webapp/sso/confirming.py": "minutes, in Valkey: gone long before a key is retired"}
"""Who seals what is never kept in the database."""


def test_whoever_seals_has_said_so_or_a_retired_key_would_take_the_value_along() -> None:
    root = Path(__file__).parents[3]
    sealing = {
        path.relative_to(root).as_posix()
        for floor in ("webapp", "tenants")
        for path in (root / floor).rglob("*.py")
        if re.search(r"\.seal\(.+context=", path.read_text(encoding="utf-8"))
    }
    assert sealing == SEALERS.keys() | PASSING.keys(), "name the new one here, and its column by kernel.sealed.sealed()"
    known = [one.context for flag in (True, False) for one in places.columns(of_tenant=flag)]
    assert all(any(one.startswith(beginning) for one in known) for beginning in SEALERS.values())
