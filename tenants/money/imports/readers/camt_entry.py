"""One Ntry of a CAMT file to its rows: one line, or one for each payment of a batch whose amounts are given."""

from datetime import date

from tenants.money.imports.readers.amounts import AmountError, to_minor
from tenants.money.imports.readers.camt_node import Node, canonical, entry_day
from tenants.money.imports.readers.dates import DateError
from tenants.money.imports.readers.lines import Ignored, Line, Row, Wrong, bank_id, collapse, joined, labelled

BATCH_TEXTS_MAX = 10
"""How many payments of a batch are named in the text of its one line."""


def entry_rows(entry: Node, *, label: str | None, owner: str, currency: str) -> list[Row]:
    """Return what an entry says (camt.053.001.02 to .12: Ntry/Sts is a code, from version 4 on also Sts/Cd)."""
    raw = canonical(entry)
    status = entry.said("Sts/Cd", "Sts/Prtry", "Sts").upper()
    if status in {"PDNG", "FUTR"}:
        return [Ignored(entry.line, raw, "pending")]
    if status == "INFO":
        return [Ignored(entry.line, raw, "information")]
    payments = entry.all("NtryDtls/TxDtls")
    amount_node = entry.find("Amt")
    named = (amount_node.attributes.get("Ccy", "") if amount_node else "").strip().upper() or currency
    outward = _outward(entry)
    amount = ("-" if outward else "") + entry.said("Amt")
    fields = {
        "date": entry.said("BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm")[:10],
        "amount": amount,
        "currency": named,
        "counterparty": joined(_counterparty(entry, p, owner) for p in payments[:1]),
        "text": _text(entry, payments),
        **labelled(label),
    }
    if status not in {"", "BOOK"}:
        return [Wrong(entry.line, raw, "unknown_status", {"value": status[:40]}, fields)]
    if outward is None:
        return [Wrong(entry.line, raw, "bad_sign", {"value": entry.said("CdtDbtInd")[:20]}, fields)]
    try:
        day = entry_day(fields["date"])
        minor, named = to_minor(amount, named, ".")
        value_day = _value_day(entry)
    except (DateError, AmountError) as error:
        code = "missing_date" if error.code == "bad_date" and not fields["date"] else error.code
        code = "missing_amount" if code == "bad_amount" and amount in {"", "-"} else code
        return [Wrong(entry.line, raw, code, error.params, fields)]
    if minor == 0:
        return [Ignored(entry.line, raw, "zero")]
    # NtryRef is a number within the statement and EndToEndId the payer's own: neither identifies the entry at the bank
    reference = entry.said("AcctSvcrRef")
    parts = _parts(payments, entry_outward=outward, currency=named, total=minor)
    whole = Line(
        entry.line,
        raw,
        day,
        value_day,
        minor,
        named,
        fields["counterparty"] if len(payments) <= 1 else _counterparties(entry, payments, owner),
        fields["text"],
        bank_id(reference or (payments[0].said("Refs/AcctSvcrRef") if len(payments) == 1 else ""), day, minor),
        label,
    )
    if not parts:
        return [whole]
    rows: list[Row] = []
    for number, (payment, part) in enumerate(zip(payments, parts, strict=True), 1):
        own = payment.said("Refs/AcctSvcrRef")
        identity = own if own and own != reference else f"{reference}/{number}" if reference else ""
        rows.append(
            whole._replace(
                line=payment.line,
                raw=f"{_head(entry)}{canonical(payment)}",
                minor=part,
                counterparty=_counterparty(entry, payment, owner),
                text=_text(entry, [payment]),
                bank_id=bank_id(identity, day, part),
            )
        )
    return rows


def _head(entry: Node) -> str:
    """Write an entry without its payments: the source text that the lines of a batch share."""
    kept = [child for child in entry.children if child.name != "NtryDtls"]
    return canonical(Node(entry.name, entry.attributes, entry.line, "", kept))


def _outward(node: Node) -> bool | None:
    """Tell whether money goes out. The indicator already says so for reversals (RvslInd) too."""
    return {"DBIT": True, "CRDT": False}.get(node.said("CdtDbtInd").upper())


def _value_day(entry: Node) -> date | None:
    text = entry.said("ValDt/Dt", "ValDt/DtTm")
    return entry_day(text) if text else None


def _parts(payments: list[Node], *, entry_outward: bool, currency: str, total: int) -> list[int]:
    """Return the signed amounts of a batch's payments if all are given and add up to the entry; else nothing."""
    if len(payments) < 2:
        return []
    parts: list[int] = []
    for payment in payments:
        amount = next(
            (n for path in ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/InstdAmt/Amt") for n in payment.all(path)), None
        )
        if amount is None or amount.attributes.get("Ccy", currency).upper() != currency:
            return []
        try:
            minor = to_minor(amount.text, currency, ".")[0]
        except AmountError:
            return []
        outward = _outward(payment)
        parts.append(-minor if (entry_outward if outward is None else outward) else minor)
    return parts if sum(parts) == total and all(parts) else []


def _party(payment: Node, role: str) -> str:
    """Return a party's name: Nm before version 8, Pty/Nm since."""
    base = f"RltdPties/{role}"
    return collapse(payment.said(f"{base}/Nm", f"{base}/Pty/Nm", f"{base}/Agt/FinInstnId/Nm"))


def _counterparty(entry: Node, payment: Node, owner: str) -> str:
    """Return who is on the other side: of money that came in the debtor, unless it is our own payment coming back."""
    came_in = _outward(payment) is False if payment.said("CdtDbtInd") else _outward(entry) is False
    reversal = entry.said("RvslInd").lower() in {"true", "1"}
    other, own = ("Dbtr", "Cdtr") if came_in != reversal else ("Cdtr", "Dbtr")
    names = [_party(payment, role) for role in (other, f"Ultmt{other}", own, f"Ultmt{own}")]
    return next((name for name in names if name and name.casefold() != owner.casefold()), "")


def _counterparties(entry: Node, payments: list[Node], owner: str) -> str:
    names = joined((_counterparty(entry, payment, owner) for payment in payments[:BATCH_TEXTS_MAX]), ", ")
    return names if len(payments) <= BATCH_TEXTS_MAX or not names else f"{names}, …"


def _text(entry: Node, payments: list[Node]) -> str:
    """Return what the payments are for: the remittance texts, else references, else what the bank adds."""
    parts: list[str] = []
    for payment in payments[:BATCH_TEXTS_MAX]:
        said = [node.text for node in payment.all("RmtInf/Ustrd")]
        said += [node.text for node in payment.all("RmtInf/Strd/CdtrRefInf/Ref")]
        said += [node.text for node in payment.all("RmtInf/Strd/AddtlRmtInf")]
        parts += said or [payment.said("AddtlTxInf")]
    return joined(parts) or collapse(entry.said("AddtlNtryInf"))
