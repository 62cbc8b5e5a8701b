"""Imports and rows as JSON, and their reasons in the reader's language; shared by the API and the pages."""

from datetime import datetime
from typing import Any

from flask import Response

from tenants.money.imports.queries import ImportView, RowView
from tenants.money.imports.receiving import CHUNK_BYTES
from tenants.money.imports.refusals import MESSAGES, FileTooLarge
from tenants.money.imports.stated import BalanceView
from tenants.schemas import money_out
from webapp.kernel.money import MoneyError, decimal
from webapp.web.problem import answer, translate
from webapp.web.state import services


def said(code: str, params: dict[str, Any] | None = None) -> str:
    """Return the words of a code in the reader's language."""
    message = MESSAGES.get(code)
    if message is None:
        return code
    try:
        return translate(message, params or {})
    except KeyError:
        return translate(MESSAGES["bad_record"], {})


def choice(name: str, currency: str) -> str:
    """Return what an account is called among others to choose from: its currency is named once."""
    return name if name.endswith(f"({currency})") else f"{name} ({currency})"


def too_large(_error: Exception) -> Response:
    """Answer an upload that was refused before it was read, with the size that is taken."""
    return answer(FileTooLarge(megabytes=services().settings.upload_bytes_max // CHUNK_BYTES))


def reason_of(row: RowView) -> str | None:
    """Return why a row is what it is."""
    if row.reason is None or (row.reason == "near_match" and row.state in {"new", "published"}):
        return None
    params = row.params or {}
    return said(params.get("because", row.reason) if row.reason == "left" else row.reason, params.get("params"))


def counts_out(view: ImportView) -> dict[str, int]:
    """Write the counts of an import."""
    return {
        "rows": view.rows_total,
        "new": view.rows_new,
        "duplicate": view.rows_duplicate,
        "doubtful": view.rows_doubtful,
        "wrong": view.rows_wrong,
        "published": view.rows_published,
        "ignored": view.rows_ignored,
        "skipped": view.rows_skipped,
        "merged": view.rows_merged,
    }


def import_out(view: ImportView, at: datetime) -> dict[str, Any]:
    """Write an import for JSON, without its balances."""
    job = view.job if view.is_working else None
    return {
        "id": view.id,
        "state": view.state,
        "account_id": view.account_id,
        "file_name": view.file_name,
        "size_bytes": view.size_bytes,
        "format": view.format,
        "encoding": view.encoding,
        "header": view.header,
        "mapping": view.mapping,
        "mapping_by": view.mapping_by,
        "counts": counts_out(view),
        "accounts": [{name: said for name, said in one.items() if name != "label_id"} for one in view.accounts],
        "progress": None
        if job is None
        else {
            "done": job.progress_done,
            "total": job.progress_total,
            "seconds_left": job.seconds_left(at),
        },
        "error": None
        if view.error_code is None
        else {
            "code": view.error_code,
            "detail": said(view.error_code, view.error_params),
        },
        "publish": "auto" if view.publish_auto else None,
        "job_id": None if view.job_id is None else str(view.job_id),
        "created_at": view.created_at.isoformat(),
        "created_by": str(view.created_by),
        "published_at": None if view.published_at is None else view.published_at.isoformat(),
    }


def balance_out(balance: BalanceView) -> dict[str, Any]:
    """Write a stated balance beside the books."""
    return {
        "account_id": balance.account_id,
        "account_label": balance.account_label,
        "kind": balance.kind,
        "date": balance.day.isoformat(),
        "stated": money_out(balance.stated, balance.currency),
        "booked": money_out(balance.booked, balance.currency),
        "difference": money_out(balance.difference, balance.currency),
    }


def amount_of(row: RowView) -> str | None:
    """Return a row's amount as plain decimal."""
    if row.amount is None or row.currency is None:
        return None
    try:
        return decimal(row.amount, row.currency)
    except MoneyError:
        return None


def row_out(row: RowView) -> dict[str, Any]:
    """Write a row for JSON."""
    plain = (
        "position",
        "line",
        "raw",
        "state",
        "counterparty",
        "description",
        "bank_id",
        "account_id",
        "account_label",
        "category_id",
        "currency",
    )
    match = row.match
    return {
        **{name: getattr(row, name) for name in plain},
        "reason": reason_of(row),
        "reason_code": row.reason if reason_of(row) is not None else None,
        "fields": (row.params or {}).get("fields"),
        "date": row.day.isoformat() if row.day else None,
        "value_date": row.value_day.isoformat() if row.value_day else None,
        "amount": amount_of(row),
        "amount_minor": row.amount,
        "suggestion": None
        if row.suggested_id is None
        else {
            "category_id": row.suggested_id,
            "percent": row.suggestion_percent,
        },
        "match": None
        if match is None
        else {
            "entry_id": match.id,
            "date": match.day.isoformat(),
            "description": match.description,
            "counterparty": match.counterparty,
            "state": "open" if match.closed_at is None else "closed",
        },
    }
