"""Acts on the chart of accounts."""

from collections.abc import Callable, Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tenants.money.accounts import queries
from tenants.money.accounts.charts import CHARTS, ChartAccount, ChartTemplate
from tenants.money.accounts.models import Account
from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.rules import (
    DEPTH_MAX,
    AccountDraft,
    Kind,
    Purpose,
    bare_number,
    clean_iban,
    draft_errors,
    life_errors,
    masked,
    stored_name,
)
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.crypto import of_bound_tenant, ring_of
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound, Stale

SEALED = ("iban", "number")
"""What of an account is kept sealed."""
PURPOSE_KINDS: dict[Purpose, Kind] = {
    Purpose.TO_CATEGORISE: Kind.EXPENSE,
    Purpose.TRADING: Kind.EQUITY,
    Purpose.OPENING: Kind.EQUITY,
}


class CodeTaken(Conflict):
    """Another account has this code."""

    code = "code_taken"
    message = N_("Another account already has the code %(code)s.")


class TooManyAccounts(Conflict):
    """The workspace has as many accounts as one may have."""

    code = "too_many_accounts"
    message = N_("A workspace has at most %(maximum)s accounts.")


class ChartNotEmpty(Conflict):
    """There are accounts already; a chart is only for a start."""

    code = "chart_not_empty"
    message = N_("There are accounts already. A chart to start from can only be taken while there are none.")


class AccountInUse(Conflict):
    """A part of the account that its postings rely on cannot change."""

    code = "account_in_use"
    message = N_("The account has postings; its kind and its currency stay as they are.")


def open_account(*, session: Session, actor: Actor, at: datetime, draft: AccountDraft) -> AccountView:
    """Add an account and return it.

    Raises Invalid (name, code, currency, iban, parent_id, dates), CodeTaken, TooManyAccounts.
    """
    values = _checked(session, draft)
    if queries.accounts_count(session=session) >= queries.LIST_MAX:
        raise TooManyAccounts(maximum=queries.LIST_MAX)
    try:
        with session.begin_nested():
            account_id = session.execute(
                insert(Account).values(created_at=at, **_sealed(session, values)).returning(Account.id),
            ).scalar_one()
    except IntegrityError:
        raise CodeTaken(code=draft.code) from None
    record(
        session=session,
        actor=actor,
        at=at,
        action="account.opened",
        object_type="account",
        object_id=account_id,
        difference={name: (None, _told(name, value)) for name, value in values.items() if value is not None},
    )
    return _view(session, account_id)


def change_account(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    account_id: int,
    version: int | None,
    draft: AccountDraft,
) -> AccountView:
    """Change what is said of an account; `version` is the one that was read, None to change whatever it is now.

    Its days hold all of its entries. Raises NotFound, Stale, Invalid, CodeTaken, AccountInUse.
    """
    before = queries.account(session=session, account_id=account_id)
    if before is None:
        raise NotFound
    locked = session.scalar(select(Account.version).where(Account.id == account_id).with_for_update())
    if version is not None and locked != version:
        raise Stale
    values = _checked(session, draft, account_id=account_id)
    if (draft.opened_on, draft.closed_on) != (before.opened_on, before.closed_on):
        _keep_entries(session, account_id, draft)
    if before.postings and (values["kind"], values["currency"]) != (before.kind, before.currency):
        raise AccountInUse
    difference = {
        name: (_told(name, getattr(before, name)), _told(name, value))
        for name, value in values.items()
        if getattr(before, name) != value
    }
    if not difference:
        return before
    try:
        with session.begin_nested():
            session.execute(
                update(Account)
                .where(Account.id == account_id)
                .values(version=Account.version + 1, **_sealed(session, values)),
            )
    except IntegrityError:
        raise CodeTaken(code=draft.code) from None
    record(
        session=session,
        actor=actor,
        at=at,
        action="account.changed",
        object_type="account",
        object_id=account_id,
        difference=difference,
    )
    return _view(session, account_id)


def adopt_chart(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    template: ChartTemplate,
    currency: str,
    translate: Callable[[str], str] = str,
) -> int:
    """Open all accounts of a chart in one currency and return how many; `translate` names them in a language.

    Raises ChartNotEmpty, Invalid (currency).
    """
    if queries.accounts_count(session=session, own=True):
        raise ChartNotEmpty
    opened = 0

    def open_all(accounts: tuple[ChartAccount, ...], parent_id: int | None) -> None:
        nonlocal opened
        for one in accounts:
            draft = AccountDraft(translate(one.name), one.kind, currency, code=one.code, parent_id=parent_id)
            made = open_account(session=session, actor=actor, at=at, draft=draft)
            opened += 1
            open_all(one.below, made.id)

    open_all(CHARTS[template], None)
    record(
        session=session,
        actor=actor,
        at=at,
        action="chart.adopted",
        object_type="chart",
        object_id=template.value,
        difference={"currency": (None, currency), "accounts": (None, opened)},
    )
    return opened


def ensure_purpose_account(*, session: Session, actor: Actor, at: datetime, purpose: Purpose, currency: str) -> int:
    """Return the id of the account that the product itself posts to, made at its first use."""
    query = select(Account.id).where(Account.purpose == purpose.value, Account.currency == currency)
    if (found := session.scalar(query)) is not None:
        return found
    values = {"kind": PURPOSE_KINDS[purpose].value, "name": stored_name(purpose, currency), "currency": currency}
    made = session.scalar(
        upsert(Account)
        .values(**values, purpose=purpose.value, created_at=at)
        .on_conflict_do_nothing(index_elements=["purpose", "currency"])
        .returning(Account.id),
    )
    if made is None:
        return session.execute(query).scalar_one()
    record(
        session=session,
        actor=actor,
        at=at,
        action="account.opened",
        object_type="account",
        object_id=made,
        difference={"purpose": (None, purpose.value), "currency": (None, currency)},
    )
    return made


def _checked(session: Session, draft: AccountDraft, *, account_id: int | None = None) -> dict[str, Any]:
    errors = list(draft_errors(draft))
    if draft.parent_id is not None:
        errors += _parent_errors(session, draft, account_id)
    if errors:
        raise Invalid(errors=tuple(errors))
    values = asdict(draft)
    values["kind"] = draft.kind.value
    values["iban"] = clean_iban(draft.iban) if draft.iban else None
    return values


def _keep_entries(session: Session, account_id: int, draft: AccountDraft) -> None:
    lock_balances(session=session, account_ids=[account_id])
    days = queries.booked_days(session=session, account_id=account_id)
    if days is not None and (errors := life_errors(draft, *days)):
        raise Invalid(errors=errors)


def _parent_errors(session: Session, draft: AccountDraft, account_id: int | None) -> list[FieldError]:
    """Walk up the tree: the parent exists, is of the same kind, and is not below the account itself."""
    parent_id, depth = draft.parent_id, 1
    while parent_id is not None:
        row = session.execute(select(Account.parent_id, Account.kind).where(Account.id == parent_id)).first()
        if row is None:
            return [FieldError("parent_id", "unknown", N_("There is no such account."))]
        if row.kind != draft.kind.value:
            return [FieldError("parent_id", "kind", N_("An account and the one above it are of the same kind."))]
        if parent_id == account_id or depth >= DEPTH_MAX:
            return [FieldError("parent_id", "depth", N_("The tree of accounts would be a ring or too deep."))]
        parent_id, depth = row.parent_id, depth + 1
    return []


def _view(session: Session, account_id: int) -> AccountView:
    found = queries.account(session=session, account_id=account_id)
    if found is None:
        raise NotFound
    return found


def _sealed(session: Session, values: dict[str, Any]) -> dict[str, Any]:
    """Return an account's columns with its bank numbers sealed, each beside the mark by which it is found."""
    kept = {name: value for name, value in values.items() if name not in SEALED}
    for name in SEALED:
        plain, context = values[name], of_bound_tenant(f"account.{name}", session)
        kept[f"{name}_sealed"] = None if plain is None else ring_of(session).seal(plain.encode(), context=context)
        # A number of signs alone has a mark as well, by which nothing is ever found.
        mark = None if plain is None else ring_of(session).blind(bare_number(plain), context=context)
        kept[f"{name}_blind"] = mark
    return kept


def _told(name: str, value: Any) -> Any:
    """Return what the trail keeps of a value: of a bank number its end only, for the trail is not sealed."""
    if name in SEALED:
        return masked(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


_LOCK_BALANCES = text("SELECT FROM account_balance WHERE account_id = ANY (:ids) ORDER BY account_id FOR UPDATE")


def lock_balances(*, session: Session, account_ids: Collection[int]) -> None:
    """Lock the balances of all accounts that an act of several statements will move, before the first of them.

    One statement locks in the order of ids by itself; two after another would wait for each other's in a ring.
    """
    session.execute(_LOCK_BALANCES, {"ids": sorted(account_ids)})
