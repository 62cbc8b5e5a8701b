"""Propose a mapping for a table that no known format fits: by the names of its columns, else by what they hold."""

import re
from collections.abc import Sequence
from dataclasses import replace

from tenants.money.imports.readers.amounts import (
    AmountError,
    clean,
    exponent_of,
    is_currency,
    parts_of,
    split_currency,
)
from tenants.money.imports.readers.dates import Order, judge, looks_like_day, order_of
from tenants.money.imports.readers.headers import normal, role_of
from tenants.money.imports.readers.mapping import COLUMNS_MAX, Mapping
from tenants.money.imports.readers.words import is_sign

_DAY_FIRST = re.compile(
    r"\b(?:libelle|montant|devise|valeur|sens|solde|operation|motif|tiers|fecha|importe|monto|concepto|descripcion|saldo"
    r"|cargo|abono|divisa|datum|betrag|buchung\w*|valuta|verwendungszweck|beschreibung|umsatz|wahrung)\b|[\u0621-\u064a]"
)
"""Names of columns in languages whose dates begin with the day."""


def propose(header: Sequence[str], sample_rows: Sequence[Sequence[str]]) -> Mapping | None:
    """Return a mapping of the columns with its doubts; None when a person has to say what they mean.

    An empty header means that the table has none. Encoding, delimiter and header line are the caller's to fill in.
    """
    rows = [list(row) for row in sample_rows]
    width = len(header) or max((len(row) for row in rows), default=0)
    if not 2 <= width <= COLUMNS_MAX:
        return None
    columns = [[row[i].strip() for row in rows if i < len(row) and row[i].strip()] for i in range(width)]
    mapping = _by_name(header, columns, rows) if header else _by_content(columns, rows)
    return None if mapping is None else settle(mapping, columns, header)


def _by_name(header: Sequence[str], columns: list[list[str]], rows: list[list[str]]) -> Mapping | None:
    """Give each role to the column with the best name for it."""
    found: dict[str, list[tuple[int, int]]] = {}
    for index, name in enumerate(header):
        known = role_of(name)
        if known and _fits(known[0], columns[index], len(rows)):
            found.setdefault(known[0], []).append((known[1], index))
    best = {role: min(places)[1] for role, places in found.items()}
    if "date" not in best and "value_day" in best:
        best["date"] = best.pop("value_day")
    if "date" not in best or not best.keys() & {"amount", "debit", "credit"}:
        return None
    if "amount" in best:
        best.pop("debit", None)
        best.pop("credit", None)
    if "amount" not in best or not columns[best["amount"]]:
        best.pop("sign", None)
    named = (normal(header[best[role]])[1] for role in ("amount", "debit", "credit") if role in best)
    currency = next((code for code in named if code), "")
    lists = {role: tuple(sorted(i for _, i in found.get(role, ()))) for role in ("counterparty", "text")}
    single = {role: index for role, index in best.items() if role not in lists}
    return Mapping(
        **single,  # type: ignore[arg-type]  # roles of ROLES are fields of Mapping
        **lists,  # type: ignore[arg-type]  # the same
        width=len(header),
        fixed_currency="" if "currency" in best else currency,
    )


def _fits(role: str, values: list[str], rows: int) -> bool:
    """Tell whether what a column holds agrees with the role that its name suggests."""
    if not values:
        return role not in {"account_label", "status", "balance", "sign", "bank_id"}
    distinct = len(set(values))
    if role in {"date", "value_day"}:
        return sum(map(looks_like_day, values)) * 2 >= len(values)
    if role in {"amount", "debit", "credit", "balance"}:
        return sum(map(looks_like_amount, values)) * 2 >= len(values)
    if role == "sign":
        return all(map(is_sign, values))
    if role == "bank_id":
        return distinct == len(values) == rows and rows > 0
    if role in {"account_label", "status"}:
        return len(values) * 2 >= rows and distinct <= max(3, rows // 4)
    return True


def looks_like_amount(text: str) -> bool:
    """Tell whether a text is an amount, whatever its decimal sign."""
    try:
        parts_of(text)
    except AmountError:
        return False
    return len(text) < 40


def _by_content(columns: list[list[str]], rows: list[list[str]]) -> Mapping | None:
    """Give roles by what the columns hold."""
    days = [i for i, c in enumerate(columns) if c and all(map(looks_like_day, c))]
    money = [i for i, c in enumerate(columns) if i not in days and c and all(map(_is_money, c))]
    codes = [i for i, c in enumerate(columns) if c and all(map(is_currency, c))]
    words = [i for i, c in enumerate(columns) if i not in {*days, *money, *codes} and any(map(_has_letters, c))]
    if not days or not money:
        return None
    doubts: tuple[str, ...] = ("no_header",)
    apart = len(money) >= 2 and all(sum(bool(row[i].strip()) for i in money[:2] if i < len(row)) <= 1 for row in rows)
    directions = {"debit": money[0], "credit": money[1]} if apart else {"amount": money[0]}
    if apart:
        doubts += ("direction",)
    return Mapping(
        header_line=0,
        width=len(columns),
        date=days[0],
        value_day=days[1] if len(days) > 1 else None,
        currency=codes[0] if codes else None,
        balance=money[1] if len(money) == 2 and not apart else None,
        text=tuple(words),
        doubts=doubts,
        **directions,  # type: ignore[arg-type]  # amount, debit and credit are fields of Mapping
    )


def _is_money(text: str) -> bool:
    return looks_like_amount(text) and (any(c in text for c in ".,") or len(text) <= 7)


def _has_letters(text: str) -> bool:
    return any(map(str.isalpha, text))


def settle(mapping: Mapping, columns: list[list[str]], header: Sequence[str] = ()) -> Mapping:
    """Find out how dates and amounts are written, from every row of the sample; what stays open becomes a doubt."""
    doubts = list(mapping.doubts)
    days = [text for i in (mapping.date, mapping.value_day) if i is not None for text in columns[i]]
    names = {normal(name)[0] for name in header}
    prefer: Order = "mdy" if names & {"post date", "memo", "check number"} else "dmy"
    date_format, doubt = judge(days, prefer=prefer)
    if doubt and days and not (order_of(date_format) == "dmy" and writes_day_first(header)):
        doubts.append("date_order")
    amounts = [i for i in (mapping.amount, mapping.debit, mapping.credit, mapping.balance) if i is not None]
    currencies = columns[mapping.currency] if mapping.currency is not None else [mapping.fixed_currency]
    decimal, unsure = judge_decimal([t for i in amounts for t in columns[i]], currencies)
    if unsure:
        doubts.append("decimal_sign")
    signed = mapping.debit is not None and any(clean(text)[:1] in {"-", "("} for text in columns[mapping.debit])
    return replace(
        mapping,
        date_format=date_format or mapping.date_format,
        decimal=decimal or mapping.decimal,
        debit_signed=signed,
        doubts=tuple(dict.fromkeys(doubts)),
    )


def writes_day_first(header: Sequence[str]) -> bool:
    """Tell whether the names of columns are of a language whose dates begin with the day."""
    return bool(_DAY_FIRST.search(" ".join(normal(name)[0] for name in header)))


def judge_decimal(texts: Sequence[str], currencies: Sequence[str]) -> tuple[str, bool]:
    """Decide the decimal sign of a column of amounts on the whole sample; returns (sign or "", whether in doubt)."""
    votes = {".": 0, ",": 0}
    open_signs: list[str] = []
    grouped_otherwise = False
    for text in texts:
        number = split_currency(clean(text))[0].strip("+-()").replace("\uf8ff", "")
        signs = [c for c in number if c in ".,"]
        grouped_otherwise = grouped_otherwise or " " in number or "'" in number
        if not signs:
            continue
        last = signs[-1]
        other = "," if last == "." else "."
        behind = len(number) - number.rfind(last) - 1
        if len(set(signs)) == 2:
            votes[last] += 1
        elif len(signs) > 1:
            votes[other] += 1
        elif behind != 3 or number.startswith(("0", last)):
            votes[last] += 1
        else:
            open_signs.append(last)
    if votes["."] != votes[","]:
        return max(votes, key=lambda sign: votes[sign]), min(votes.values()) > 0
    if votes["."]:
        return ".", True
    if not open_signs:
        return "", False
    three = bool(currencies) and all(exponent_of(code) == 3 for code in currencies)
    if three or grouped_otherwise:
        return open_signs[0], len(set(open_signs)) > 1
    # "1,234" alone: a currency with two decimals hardly ever shows three
    return ("." if open_signs[0] == "," else ","), True
