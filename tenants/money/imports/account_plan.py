"""Where the rows of a file with several accounts or currencies go: planned at the check, made at publication."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from tenants.money.accounts import commands as account_commands
from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.rules import AccountDraft, Kind, clean_iban
from tenants.money.imports import sealing
from tenants.money.imports.rules import KnownAccount, PlannedAccount, plan_accounts
from webapp.kernel.actor import Actor
from webapp.kernel.errors import NotFound

_MOVE = text("""
    UPDATE import_row SET account_id = CAST(:account AS bigint)
    WHERE import_id = :id AND label IS NOT DISTINCT FROM CAST(:label AS integer) AND currency = :currency
        AND state NOT IN ('wrong', 'ignored') AND account_id IS DISTINCT FROM CAST(:account AS bigint)
""")


def plan(
    *,
    session: Session,
    account_id: int,
    found: dict[tuple[str | None, str], int],
    label_ids: Mapping[str | None, int],
) -> list[PlannedAccount]:
    """Return where the rows of each (label, currency) go; rows carry the ids of their labels.

    Raises NotFound for an account that is gone.
    """
    known = [
        KnownAccount(one.id, one.name, one.currency, one.kind, one.parent_id, one.code)
        for one in account_queries.accounts(session=session, kinds=[Kind.ASSET, Kind.LIABILITY])
        if one.closed_on is None or one.id == account_id
    ]
    chosen = next((one for one in known if one.id == account_id), None)
    if chosen is None:
        raise NotFound
    labels = {label for label, _ in found if label}
    numbered = account_queries.ids_by_bank_number(session=session, said=labels if len(labels) > 1 else ())
    planned = plan_accounts(chosen, [one for one in known if one.id != account_id], found, numbered)
    return [replace(one, label_id=label_ids.get(one.label)) for one in planned]


def place_rows(*, session: Session, import_id: int, planned: list[PlannedAccount]) -> None:
    """Put the rows on their planned accounts; those of an account still to be made stay without one."""
    for one in planned:
        session.execute(
            _MOVE,
            {
                "id": import_id,
                "account": one.account_id,
                "label": one.label_id,
                "currency": one.currency,
            },
        )


def is_simple(planned: list[PlannedAccount], account_id: int, first_label: str | None) -> bool:
    """Tell whether every row lies where it was put while it was read."""
    return [(one.account_id, one.label) for one in planned] in ([], [(account_id, first_label)])


def open_planned(
    *, session: Session, actor: Actor, at: datetime, import_id: int, planned: list[PlannedAccount]
) -> list[PlannedAccount]:
    """Open the accounts that are still planned and put their rows on them; return the plan as it is now.

    Raises what opening an account raises.
    """
    made = []
    for one in planned:
        if one.account_id is None and one.rows:
            made.append(replace(one, account_id=_open(session, actor, at, one)))
        else:
            made.append(one)
    if made != planned:
        place_rows(
            session=session,
            import_id=import_id,
            planned=[new for new, old in zip(made, planned, strict=True) if new != old],
        )
    return made


def _open(session: Session, actor: Actor, at: datetime, planned: PlannedAccount) -> int:
    parent = account_queries.account(session=session, account_id=planned.parent_id or 0)
    if parent is None:
        raise NotFound
    iban, number = planned.iban, planned.number
    if iban is not None:
        try:
            iban = clean_iban(iban)
        except ValueError:
            iban, number = None, (planned.iban or "")[:64]
    draft = AccountDraft(
        name=planned.name,
        kind=Kind(parent.kind),
        currency=planned.currency,
        parent_id=parent.id,
        iban=iban,
        number=number,
    )
    return account_commands.open_account(session=session, actor=actor, at=at, draft=draft).id


def sealed(*, session: Session, import_id: int, planned: list[PlannedAccount]) -> bytes:
    """Return a plan as it is kept."""
    values = [asdict(one) for one in planned]
    return sealing.sealed_list(session=session, import_id=import_id, column="accounts", values=values)


def kept(*, session: Session, import_id: int, sealed: bytes | None) -> list[PlannedAccount]:
    """Return a plan that is kept."""
    values = sealing.opened_list(session=session, import_id=import_id, column="accounts", kept=sealed)
    return [PlannedAccount(**value) for value in values]
