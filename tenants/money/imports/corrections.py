"""A row that could not be read, corrected by a person in place."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tenants.money.accounts import queries as account_queries
from tenants.money.imports import account_plan, commands, decisions, duplicates, fingerprints, sealing
from tenants.money.imports.models import Import, ImportRow
from tenants.money.imports.readers.amounts import AmountError, to_minor
from tenants.money.imports.readers.dates import DateError, to_day
from tenants.money.imports.refusals import MESSAGES, NotNow, RowNotDecidable
from tenants.money.imports.rules import COUNTERPARTY_MAX, DESCRIPTION_MAX, PlannedAccount, RowState, State, storable
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.kernel.money import decimal


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person typed for a row, as text; the date as ISO 8601 or as the file writes it."""

    date: str
    amount: str
    currency: str
    counterparty: str
    text: str


def correct_row(
    *, session: Session, actor: Actor, at: datetime, import_id: int, position: int, typed: Correction
) -> None:
    """Read a wrong row again from what a person typed, and look for it in the books.

    Raises NotFound, NotNow, RowNotDecidable, Invalid (date, amount, currency, counterparty, text).
    """
    found = commands.lock(session, import_id)
    if found.state != State.REVIEW:
        raise NotNow(state=found.state)
    row = session.execute(
        select(ImportRow.reason, ImportRow.fingerprint).where(
            ImportRow.import_id == import_id,
            ImportRow.position == position,
            ImportRow.state == RowState.WRONG.value,
        ),
    ).first()
    if row is None:
        raise RowNotDecidable
    day, minor, currency = _read(typed, found)
    plan = _place(session, found, currency)
    ((_, said),) = sealing.said(session=session, import_id=import_id, positions=[position])
    identity = row.fingerprint
    # A row that could be read, and was refused for its day only, keeps its identity: it is what the bank wrote.
    if said.params is not None:
        secret, ordinal = sealing.secret(session=session), said.params.get("ordinal", 0)
        corrected = (day.isoformat(), minor, currency, plan.label, said.raw, ordinal)
        identity = UUID(fingerprints.of_corrected(secret, *corrected))
    session.execute(
        update(ImportRow)
        .where(ImportRow.import_id == import_id, ImportRow.position == position)
        .values(
            state=RowState.NEW.value,
            reason=None,
            params={},
            day=day,
            amount=minor,
            currency=currency,
            counterparty=_text(typed.counterparty),
            description=_text(typed.text),
            account_id=plan.account_id,
            label=plan.label_id,
            fingerprint=identity,
            match_entry_id=None,
            decided_by=actor.person_id,
        ),
    )
    duplicates.mark(session=session, import_id=import_id, only=position)
    decisions.recount(session=session, import_id=import_id, at=at)
    record(
        session=session,
        actor=actor,
        at=at,
        action="import.row_corrected",
        object_type="import",
        object_id=import_id,
        difference={
            "position": (None, position),
            "reason": (row.reason, None),
            "date": (None, day.isoformat()),
            "amount": (None, f"{decimal(minor, currency)} {currency}"),
        },
    )


def _read(typed: Correction, found: Import) -> tuple[date, int, str]:
    errors: list[FieldError] = []
    day, minor, currency = date.min, 0, typed.currency.strip().upper()
    try:
        day = _day(typed.date.strip(), found)
    except DateError as error:
        errors.append(FieldError("date", error.code, MESSAGES[error.code], dict(error.params)))
    if not errors and not 1900 <= day.year <= 2999:  # noqa: PLR2004 - the years of entries
        errors.append(FieldError("date", "day_range", MESSAGES["day_range"], {"value": day.isoformat()}))
    try:
        minor, currency = to_minor(typed.amount, currency)
    except AmountError as error:
        field = "currency" if error.code == "unknown_currency" else "amount"
        errors.append(FieldError(field, error.code, MESSAGES[error.code], dict(error.params)))
    else:
        if minor == 0:
            errors.append(FieldError("amount", "zero", MESSAGES["zero"]))
    lengths = (("counterparty", typed.counterparty, COUNTERPARTY_MAX), ("text", typed.text, DESCRIPTION_MAX))
    for name, value, most in lengths:
        if len(value) > most:
            errors.append(FieldError(name, "length", N_("At most %(maximum)s characters."), {"maximum": most}))
        elif not storable(value):
            errors.append(FieldError(name, "characters", N_("It holds characters that cannot be stored.")))
    if errors:
        raise Invalid(errors=tuple(errors))
    return day, minor, currency


def _text(typed: str) -> str:
    """Return a text as it was typed; one that shows nothing is none."""
    return typed if typed.strip() else ""


def _day(text: str, found: Import) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return to_day(text, (found.mapping or {}).get("date_format") or "%Y-%m-%d")


def _place(session: Session, found: Import, currency: str) -> PlannedAccount:
    """Return the account and label of a corrected row: where the file's rows of that currency go.

    Raises Invalid (currency) when the file has no other row of that currency and the account is kept in another.
    """
    for plan in account_plan.kept(session=session, import_id=found.id, sealed=found.accounts_sealed):
        if plan.currency == currency:
            return plan
    known = account_queries.currencies_of(session=session, ids=[found.account_id])
    if known.get(found.account_id) == currency:
        return PlannedAccount(None, currency, 0, found.account_id)
    raise Invalid(
        errors=(
            FieldError(
                "currency",
                "currency",
                N_("The account is kept in %(expected)s, not in %(given)s."),
                {"expected": known.get(found.account_id, ""), "given": currency[:12]},
            ),
        )
    )
