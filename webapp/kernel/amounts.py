"""Amounts as people type them, read exactly: "1 234,56", "1,234.56", Arabic-Indic digits, "12+3*2". No float."""

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache
from typing import Any

from babel.numbers import get_currency_symbol

from webapp.kernel.errors import N_
from webapp.kernel.money import LIMIT_MINOR, exponent

LANGUAGES = ("en", "fr", "ar")
LENGTH_MAX = 100
DEPTH_MAX = 12
GROUP = 3
"""Digits between two grouping signs."""

_MARKS = dict.fromkeys(map(ord, "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"))
_SPACES = dict.fromkeys(map(ord, "\t\u00a0\u202f\u2009\u2007\u2008\u3000"), " ")
_SIGNS = dict.fromkeys(map(ord, "\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d"), "-")
_OTHERS = {
    ord(a): b
    for a, b in (
        ("\u00d7", "*"),
        ("\u00f7", "/"),
        ("\uff0b", "+"),
        ("\u066b", ","),
        ("\u066c", "'"),
        ("\u2019", "'"),
        ("\u060c", ","),
        ("\u02bc", "'"),
    )
}
_CLEANED = _MARKS | _SPACES | _SIGNS | _OTHERS
_TOKEN = re.compile(r"\s*([0-9.,][0-9.,' ]*|[-+*/()])", re.ASCII)
_IN_BRACKETS = re.compile(r"\(\s*([0-9.,][0-9.,' ]*)\s*\)", re.ASCII)


class AmountError(ValueError):
    """A text that is no amount, or an amount that cannot be held; `message` is English with %(name)s placeholders."""

    def __init__(self, code: str, message: str, params: dict[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.params = params or {}


def read_amount(text: str, currency: str, *, decimal_sign: str = "") -> int:
    """Return the minor units of what a person typed; `decimal_sign` ("." or ",") is the habit of their language.

    "(12.50)" and "12.50-" are negative, as accountants write. A result of * or / is rounded half away from zero; a
    number as such is not: more decimals than the currency has are refused.
    Raises AmountError: `empty`, `not_an_amount`, `too_precise`, `too_large`, `division_by_zero`.
    """
    places = exponent(currency)
    cleaned = _bare(text, currency)
    if not cleaned:
        raise AmountError("empty", N_("Write an amount."))
    if len(cleaned) > LENGTH_MAX:
        raise _not_an_amount(text)
    if bracketed := _IN_BRACKETS.fullmatch(cleaned):
        cleaned = f"-{bracketed[1]}"
    elif cleaned.endswith("-") and cleaned[:1].isdigit():
        cleaned = f"-{cleaned[:-1]}"
    reader = _Reader(_tokens(cleaned, text), text, places, decimal_sign)
    minor = reader.expression(0) * 10**places
    if reader.rest:
        raise _not_an_amount(text)
    if minor.denominator != 1 and not reader.calculated:
        raise AmountError(
            "too_precise", N_("%(currency)s has %(places)s decimals."), {"currency": currency, "places": places}
        )
    whole = _rounded(minor)
    if abs(whole) > LIMIT_MINOR:
        raise AmountError("too_large", N_("The amount is larger than an entry can hold."))
    return whole


def _bare(text: str, currency: str) -> str:
    """Return the text with plain digits, signs and spaces, and without the currency at either end."""
    plain = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text).translate(_CLEANED)
    plain = "".join(c for c in plain if unicodedata.category(c) != "Sc").strip()
    sign = plain[:1] if plain[:1] in {"-", "+"} else ""
    plain = plain[len(sign) :].strip()
    for word in _names(currency):
        plain = plain.removeprefix(word).removesuffix(word).strip()
    return sign + plain


@lru_cache(maxsize=256)
def _names(currency: str) -> tuple[str, ...]:
    """Return how a currency is written beside an amount in the languages of the pages, longest first."""
    symbols = (get_currency_symbol(currency, language).translate(_CLEANED) for language in LANGUAGES)
    bare = {"".join(c for c in symbol if unicodedata.category(c) != "Sc").strip() for symbol in symbols}
    return tuple(sorted({currency, currency.lower()} | (bare - {""}), key=len, reverse=True))


def _tokens(cleaned: str, text: str) -> list[str]:
    found, at = [], 0
    while at < len(cleaned):
        match = _TOKEN.match(cleaned, at)
        if match is None:
            raise _not_an_amount(text)
        found.append(match[1].strip())
        at = match.end()
    return found


class _Reader:
    """Recursive descent over + - * / and brackets."""

    def __init__(self, tokens: list[str], text: str, places: int, decimal_sign: str) -> None:
        self.rest = tokens
        self.text = text
        self.places = places
        self.decimal_sign = decimal_sign
        self.calculated = False

    def expression(self, depth: int) -> Fraction:
        value = self.term(depth)
        while self.rest and self.rest[0] in "+-":
            value = value + self.term(depth) if self.rest.pop(0) == "+" else value - self.term(depth)
        return value

    def term(self, depth: int) -> Fraction:
        value = self.factor(depth)
        while self.rest and self.rest[0] in "*/":
            self.calculated = True
            sign, right = self.rest.pop(0), self.factor(depth)
            if sign == "/" and right == 0:
                raise AmountError("division_by_zero", N_("Nothing can be divided by zero."))
            value = value * right if sign == "*" else value / right
        return value

    def factor(self, depth: int) -> Fraction:
        if not self.rest or depth > DEPTH_MAX:
            raise _not_an_amount(self.text)
        part = self.rest.pop(0)
        if part in {"+", "-"}:
            value = self.factor(depth + 1)
            return value if part == "+" else -value
        if part == "(":
            value = self.expression(depth + 1)
            if not self.rest or self.rest.pop(0) != ")":
                raise _not_an_amount(self.text)
            return value
        if part in ")*/":
            raise _not_an_amount(self.text)
        return self.number(part)

    def number(self, token: str) -> Fraction:
        sign = _decimal_sign(token, self.places, self.decimal_sign)
        whole, _, fraction = token.rpartition(sign) if sign else (token, "", "")
        digits = _ungrouped(whole) if whole else "0"
        if digits is None or (fraction and not fraction.isdigit()) or not (whole or fraction):
            raise _not_an_amount(self.text)
        return Fraction(int(digits + fraction), 10 ** len(fraction))


def _decimal_sign(token: str, places: int, habit: str) -> str:
    """Return the decimal sign of one number, or nothing: the last of . and , unless it can only be a grouping sign."""
    dot, comma = token.rfind("."), token.rfind(",")
    if dot < 0 and comma < 0:
        return ""
    sign = "." if dot > comma else ","
    if dot >= 0 and comma >= 0:
        return sign
    after = len(token) - token.rfind(sign) - 1
    if token.count(sign) > 1:
        return ""
    if after == GROUP and "'" not in token and " " not in token and 1 <= token.rfind(sign) <= GROUP:
        # "1,234" is one thousand and more, unless the reader's language or the currency's decimals say otherwise.
        return sign if habit == sign or (not habit and places == GROUP) else ""
    return sign


def _ungrouped(whole: str) -> str | None:
    """Return the digits of a whole number without grouping signs; None if the groups are not those of one number."""
    signs = {c for c in whole if not c.isdigit()}
    if not signs:
        return whole
    groups = re.split(r"[., ']", whole)
    grouped = len(signs) == 1 and 1 <= len(groups[0]) <= GROUP and len(groups[-1]) == GROUP
    # Lakhs and crores are grouped by two, so two or three digits may stand in the middle.
    return "".join(groups) if grouped and all(len(group) in {2, 3} for group in groups[1:]) else None


def _rounded(value: Fraction) -> int:
    whole = (abs(value.numerator) * 2 + value.denominator) // (value.denominator * 2)
    return -whole if value < 0 else whole


def _not_an_amount(text: str) -> AmountError:
    return AmountError(
        "not_an_amount", N_("“%(text)s” is not an amount. Write it like 1234.56 or 12+3*2."), {"text": text[:40]}
    )
