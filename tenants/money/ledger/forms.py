"""Entry forms: text to drafts, errors at the field. The last empty amount of an entry is what the others leave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from tenants.money.accounts.queries import AccountView
from tenants.money.ledger.bulk import BulkChange
from tenants.money.ledger.content import draft_of
from tenants.money.ledger.queries import EntryView
from tenants.money.ledger.rows import Row
from tenants.money.ledger.rules import EntryDraft, PostingDraft, read_tags
from webapp.kernel.amounts import AmountError, read_amount
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.kernel.money import decimal

LINES = 4
"""Lines of a new entry's form."""
LINES_MORE = 4
LINES_MAX = 100


@dataclass(frozen=True, slots=True)
class LineText:
    """One line of the form as it was typed."""

    account_id: str = ""
    amount: str = ""
    memo: str = ""

    @property
    def is_blank(self) -> bool:
        """Tell whether nothing was typed."""
        return not (self.account_id or self.amount.strip() or self.memo)


def lines_in(form: Any, *, at_least: int = LINES) -> list[LineText]:
    """Return the lines of a form as typed, filled up with blank ones."""
    ids, amounts, memos = (form.getlist(name)[:LINES_MAX] for name in ("account_id", "amount", "memo"))
    lines = [LineText(*parts) for parts in zip(ids, amounts, memos, strict=False)]
    return lines + [LineText()] * (at_least - len(lines))


def lines_of(entry: EntryView) -> list[LineText]:
    """Return the lines that the form shows of an entry, and one blank."""
    lines = [LineText(str(p.account_id), decimal(p.amount, p.currency), p.memo) for p in entry.postings]
    return [*lines, LineText()]


def values_of(entry: EntryView) -> dict[str, str]:
    """Return the texts that the form shows of an entry."""
    return {
        "date": entry.day.isoformat(),
        "description": entry.description,
        "counterparty": entry.counterparty,
        "note": entry.note,
        "tags": " ".join(entry.tags),
        "rate": entry.rate or "",
    }


def read_entry(form: Any, accounts: Mapping[int, AccountView], *, decimal_sign: str) -> EntryDraft:
    """Read the form of an entry.

    Raises Invalid (date, postings/N/account_id, postings/N/amount, …).
    """
    errors: list[FieldError] = []
    day = read_day(form.get("date", ""), errors)
    postings = _postings(lines_in(form, at_least=0), accounts, decimal_sign, errors)
    if errors:
        raise Invalid(errors=tuple(errors))
    return EntryDraft(
        day=day,
        description=_text(form, "description"),
        counterparty=_text(form, "counterparty"),
        note=_text(form, "note"),
        rate=_text(form, "rate") or None,
        tags=read_tags(form.get("tags", "")),
        postings=tuple(postings),
    )


@dataclass(frozen=True, slots=True)
class Remainder:
    """What the lines of a form leave, by currency; `unread` names by line the amounts that cannot be booked."""

    missing: dict[str, int]
    unread: list[FieldError]
    is_whole: bool
    """Whether every line has what it needs, so that nothing missing means that it balances."""


def remainder(form: Any, accounts: Mapping[int, AccountView], *, decimal_sign: str) -> Remainder:
    """Return what is missing for the lines to balance, and which of them cannot be read."""
    missing: dict[str, int] = {}
    unread, is_whole = [], True
    for number, line in enumerate(lines_in(form, at_least=0), 1):
        account = _account(line.account_id, accounts)
        if account is None or not line.amount.strip():
            is_whole = is_whole and line.is_blank
            continue
        try:
            minor = read_amount(line.amount, account.currency, decimal_sign=decimal_sign)
        except AmountError as error:
            unread.append(FieldError(str(number), error.code, error.message, error.params))
            continue
        if minor == 0:
            unread.append(FieldError(str(number), "zero", N_("A posting is not zero.")))
        missing[account.currency] = missing.get(account.currency, 0) - minor
    return Remainder(missing, unread, is_whole and not unread)


def read_row(
    form: Mapping[str, str], row: Row, accounts: Mapping[int, AccountView], *, decimal_sign: str
) -> EntryDraft:
    """Read a register row's editor into the whole entry's draft.

    Raises Invalid (date, amount, category_id, account_id).
    """
    errors: list[FieldError] = []
    draft = draft_of(row.entry)
    day = read_day(form.get("date", ""), errors)
    postings = list(draft.postings)
    if row.is_simple and row.other is not None:
        own, other = row.own.position - 1, row.other.position - 1
        for name, index in (("account_id", own), ("category_id", other)):
            if name in form:
                account = _account(form[name], accounts)
                if account is None:
                    errors.append(FieldError(name, "unknown", N_("Choose an account.")))
                else:
                    postings[index] = replace(postings[index], account_id=account.id)
        minor = _row_amount(form, row, decimal_sign, errors)
        if minor is not None:
            postings[own], postings[other] = replace(postings[own], minor=minor), replace(postings[other], minor=-minor)
    if errors:
        raise Invalid(errors=tuple(errors))
    return replace(
        draft,
        day=day,
        counterparty=_text(form, "counterparty"),
        description=_text(form, "description"),
        postings=tuple(postings),
    )


def _row_amount(form: Mapping[str, str], row: Row, decimal_sign: str, errors: list[FieldError]) -> int | None:
    if "amount" not in form:
        return None
    try:
        minor = read_amount(form["amount"], row.own.currency, decimal_sign=decimal_sign)
    except AmountError as error:
        errors.append(FieldError("amount", error.code, error.message, error.params))
        return None
    if minor == 0:
        errors.append(FieldError("amount", "zero", N_("A posting is not zero.")))
        return None
    # A transfer's row shows what arrives; its own posting is what leaves.
    return -minor if row.turned or row.shape == "transfer" else minor


def read_bulk(form: Mapping[str, str]) -> BulkChange:
    """Read what to change in all selected entries; empty fields change nothing.

    Raises Invalid.
    """
    act = form.get("act", "set")
    if act in {"cleared", "uncleared"}:
        return BulkChange(cleared=act == "cleared")
    if act == "delete":
        return BulkChange(delete=True)
    errors: list[FieldError] = []
    day = read_day(form["date"], errors) if form.get("date", "").strip() else None
    change = BulkChange(
        category_id=_id(form.get("category_id", "")),
        account_id=_id(form.get("account_id", "")),
        day=day,
        counterparty=_text(form, "counterparty") or None,
        note=_text(form, "note") or None,
        add_tags=read_tags(form.get("add_tags", "")),
        remove_tags=read_tags(form.get("remove_tags", "")),
    )
    if not errors and change == BulkChange():
        errors.append(FieldError("form", "empty", N_("Say what to change.")))
    if errors:
        raise Invalid(errors=tuple(errors))
    return change


def read_day(text: str, errors: list[FieldError]) -> date:
    """Read a day as date fields send it (ISO 8601)."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        message = N_("“%(text)s” is not a date. Write it like 2026-11-20.") if text.strip() else N_("Choose a date.")
        errors.append(FieldError("date", "date", message, {"text": text[:40]}))
        return date.min


def _postings(
    lines: Sequence[LineText], accounts: Mapping[int, AccountView], decimal_sign: str, errors: list[FieldError]
) -> list[PostingDraft]:
    postings: list[PostingDraft] = []
    open_line: tuple[int, AccountView, str] | None = None
    for index, line in enumerate(lines):
        if line.is_blank:
            continue
        account = _account(line.account_id, accounts)
        if account is None:
            errors.append(FieldError(f"postings/{index}/account_id", "unknown", N_("Choose an account.")))
            continue
        if not line.amount.strip() and open_line is None:
            open_line = (len(postings), account, line.memo)
            continue
        try:
            minor = read_amount(line.amount, account.currency, decimal_sign=decimal_sign)
        except AmountError as error:
            errors.append(FieldError(f"postings/{index}/amount", error.code, error.message, error.params))
            continue
        postings.append(PostingDraft(account.id, minor, account.currency, line.memo))
    if open_line is not None:
        place, account, memo = open_line
        rest = -sum(posting.minor for posting in postings if posting.currency == account.currency)
        postings.insert(place, PostingDraft(account.id, rest, account.currency, memo))
    return postings


def _account(text: str, accounts: Mapping[int, AccountView]) -> AccountView | None:
    account_id = _id(text)
    return None if account_id is None else accounts.get(account_id)


def _id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None  # noqa: PLR2004 - a bigint


def _text(form: Mapping[str, str], name: str) -> str:
    """Return a text as it was typed, with the line ends that a browser changes put back."""
    return form.get(name, "").replace("\r\n", "\n")
