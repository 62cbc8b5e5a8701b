"""Amounts as banks write them, read exactly into minor units. No float."""

import re
import unicodedata
from collections.abc import Callable

from webapp.kernel.money import LIMIT_MINOR, currencies, exponent

_MARKS = {ord(c): None for c in "\u200e\u200f\u061c\u202a\u202b\u202c\ufeff"}
_SPACES = {ord(c): " " for c in "\t\u00a0\u202f\u2009\u2007\u2008\u200a\u2006\u2005\u2004\u2003\u2002\u3000"}
_SIGNS = {ord(c): "-" for c in "\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d"}
_OTHERS = {ord(c): "'" for c in "\u2019\u2018`\u00b4\u066c"} | {0xFF0B: "+", 0x066B: "\uf8ff"}
_CLEANED = _MARKS | _SPACES | _SIGNS | _OTHERS
_LOOSE_SPACES = re.compile(r"(?<![0-9]) +| +(?![0-9])", re.ASCII)
_SHAPE = re.compile(r"(?P<sign>[+-]?)(?P<body>[0-9][0-9., ']*|[.,][0-9]+)", re.ASCII)
_WORDS = {
    "€": "EUR",
    "£": "GBP",
    "₺": "TRY",
    "₹": "INR",
    "₽": "RUB",
    "zł": "PLN",
    "Kč": "CZK",
    "Ft": "HUF",
    "Fr": "CHF",
}
_WORDS |= {"DH": "MAD", "DHS": "MAD", "DT": "TND", "د.م": "MAD", "د.ت": "TND", "US$": "USD", "R$": "BRL"}
_SILENT = frozenset({"$", "¥", "kr", "¤", "KR", "lei", "ر.س"})
_CODES = frozenset(currencies())


class AmountError(ValueError):
    """A text that is no amount, or one that cannot be held; `code` names why."""

    def __init__(self, code: str, params: dict[str, str]) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


def plain_digits(text: str) -> str:
    """Return the text with every decimal digit of Unicode as an ASCII digit."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def places(currency: str) -> int:
    """Return the currency's number of decimals. Raises AmountError `unknown_currency`."""
    if currency not in _CODES:
        raise AmountError("unknown_currency", {"value": currency[:12]})
    return exponent(currency)


def split_currency(text: str) -> tuple[str, str | None]:
    """Take a currency's sign or code off either end: ("12.30", "EUR") from "12.30€"."""
    at = [i for i, c in enumerate(text) if c in "0123456789"]
    if not at:
        return text, None
    before, number, after = text[: at[0]], text[at[0] : at[-1] + 1], text[at[-1] + 1 :]
    left, right = before.strip("+-("), after.strip("+-)")
    words = [word for word in (left, right) if word not in {"", ".", ","}]
    if len(words) != 1:
        return text, None
    word = words[0].strip(".")
    code = _WORDS.get(word) or (word.upper() if word.upper() in _CODES else None)
    if code is None and word not in _SILENT:
        return text, None
    if words[0] == left:
        before = before.replace(left, "", 1)
    else:
        after = after.replace(right, "", 1)
    return before + number + after, code


def digits_of(text: str, decimal: str) -> tuple[bool, str, str]:
    """Read (negative, whole digits, fraction digits) of a cleaned amount. `decimal` is ".", "," or "" to find out.

    Raises AmountError `bad_amount`.
    """
    wrong = AmountError("bad_amount", {"value": text[:40]})
    body = text
    negative = False
    if body.startswith("(") and body.endswith(")"):
        negative, body = True, body[1:-1]
    if body.endswith(("-", "+")) and body[:1] not in {"-", "+"}:
        body = body[-1] + body[:-1]
    match = _SHAPE.fullmatch(body)
    if match is None or (negative and match["sign"]):
        raise wrong
    negative = negative or match["sign"] == "-"
    number = match["body"]
    sign = decimal or _decimal_of(number)
    other = "," if sign == "." else "."
    whole, _, fraction = number.partition(sign)
    if sign in fraction or other in fraction:
        # several decimal signs can only be a grouping: "1.234.567"
        if decimal or other in number:
            raise wrong
        whole, fraction, other = number, "", sign
    whole = _ungrouped(whole, other)
    if whole is None or not (whole + fraction).isdigit():
        raise wrong
    return negative, whole or "0", fraction


def _ungrouped(whole: str, point: str) -> str | None:
    """Return the whole digits without grouping signs; None if the groups are not those of one number."""
    found = [mark for mark in (point, " ", "'") if mark in whole]
    if not found:
        return whole
    groups = whole.split(found[0])
    good = len(found) == 1 and 1 <= len(groups[0]) <= 3 and len(groups[-1]) == 3
    return "".join(groups) if good and all(len(g) in {2, 3} for g in groups[1:-1]) else None


def _decimal_of(number: str) -> str:
    """Guess the decimal sign of one number: the last sign is it, unless it appears more than once."""
    last = max(number.rfind("."), number.rfind(","))
    return number[last] if last >= 0 else "."


def clean(text: str) -> str:
    """Return an amount's text with ASCII digits, signs and grouping marks, spaces left only between digits."""
    if not text.isascii():
        text = plain_digits(text).translate(_CLEANED)
    return _LOOSE_SPACES.sub("", text.replace("\t", " "))


def parts_of(text: str, decimal: str = "") -> tuple[tuple[bool, str, str], str | None]:
    """Read an amount as ((negative, whole digits, fraction digits), the currency that it names).

    Raises AmountError: `missing_amount`, `bad_amount`.
    """
    cleaned = clean(text)
    if not cleaned:
        raise AmountError("missing_amount", {})
    if "\uf8ff" in cleaned:  # the Arabic decimal sign leaves no doubt
        cleaned, decimal = cleaned.replace(",", "").replace("\uf8ff", "."), "."
    cleaned, named = split_currency(cleaned)
    try:
        return digits_of(cleaned[:60], decimal), named
    except AmountError:
        raise AmountError("bad_amount", {"value": text.strip()[:40]}) from None


def to_minor(text: str, currency: str, decimal: str = "") -> tuple[int, str]:
    """Read an amount into minor units, with the currency that it names itself, else the one given.

    Raises AmountError: `missing_amount`, `bad_amount`, `unknown_currency`, `too_precise`, `too_large`.
    """
    (negative, whole, fraction), named = parts_of(text, decimal)
    currency = named or currency
    return scale(negative=negative, whole=whole, fraction=fraction, currency=currency, text=text), currency


def scale(*, negative: bool, whole: str, fraction: str, currency: str, text: str) -> int:
    """Return the minor units of digits. Raises AmountError `unknown_currency`, `too_precise`, `too_large`."""
    width = places(currency)
    whole = whole.lstrip("0") or "0"
    if len(fraction) > width:
        fraction = fraction[:width] + fraction[width:].rstrip("0")
        if len(fraction) > width:
            params = {"value": text.strip()[:40], "currency": currency, "places": str(width)}
            raise AmountError("too_precise", params)
    if len(whole) > 18:
        raise AmountError("too_large", {"value": text.strip()[:40]})
    minor = int(whole + fraction.ljust(width, "0"))
    if minor > LIMIT_MINOR:
        raise AmountError("too_large", {"value": text.strip()[:40]})
    return -minor if negative else minor


def fast_reader(currency: str, decimal: str) -> Callable[[str], int | None]:
    """Return a reader of the plain form ("-1234.50") for one currency; it answers None for every other form."""
    width = places(currency)
    sign = re.escape(decimal or ".")
    pattern = rf"[+-]?[0-9]{{1,10}}(?:{sign}[0-9]{{{width}}})?" if width else r"[+-]?[0-9]{1,12}"
    matches = re.compile(pattern, re.ASCII).fullmatch
    mark = decimal or "."
    factor: int = 10**width

    def read(text: str) -> int | None:
        if matches(text) is None:
            return None
        if mark in text:
            return int(text.replace(mark, ""))
        return int(text) * factor

    return read


def currency_code(text: str) -> str:
    """Return the ISO code that a currency cell means ("€", "eur", "Euro"), the cell itself if it is unknown."""
    word = text.strip()
    if word in _CODES:
        return word
    return _WORDS.get(word) or (word.upper() if word.upper() in _CODES else _NAMES.get(word.casefold(), word))


_NAMES = {
    "euro": "EUR",
    "euros": "EUR",
    "dollar": "USD",
    "dirham": "MAD",
    "dirhams": "MAD",
    "درهم": "MAD",
    "دينار": "TND",
}


def is_currency(code: str) -> bool:
    """Tell whether money can be held in a currency."""
    return code in _CODES


def exponent_of(code: str) -> int | None:
    """Return a currency's number of decimals, None if it is not known."""
    return exponent(code) if code in _CODES else None
