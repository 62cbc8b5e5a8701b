"""Field 86 of MT940: who and what for, in the three ways that banks write it."""

import re
from itertools import pairwise
from typing import NamedTuple

from tenants.money.imports.readers.lines import collapse, joined

_NUMBERED = re.compile(r"^\d{3}([?>^~+$@%*])\d{2}")
_MARKERS = re.compile(r"(EREF|KREF|MREF|BREF|RREF|CRED|DEBT|COAM|OAMT|SVWZ|ABWA|ABWE|IBAN|BIC|PURP|SQTP)[+:]")
_CODES = [
    "EREF",
    "MARF",
    "PREF",
    "RTRN",
    "BENM",
    "ORDP",
    "CNTP",
    "CSID",
    "REMI",
    "ISDT",
    "PURP",
    "ULTC",
    "ULTD",
    "ULTB",
    "TRTP",
    "IBAN",
    "BIC",
    "NAME",
    "ID",
    "ADDR",
    "CITY",
    "OCMT",
    "CHGS",
    "EXCH",
    "USTD",
    "STRD",
    "RTYP",
    "TRAN",
    "SVCL",
    "ACCW",
    "IBK",
    "AC",
    "NAR",
    "KREF",
    "SVWZ",
]
_SLASHED = re.compile(rf"/({'|'.join(_CODES)})/")
_NAMED = re.compile(r"(?:NAAM|NAME|NOM)\s*:\s*(.{2,70}?)(?=\s{2,}|\s[A-Z]{3,}\s?:|$)")
_WIDTH = 65
"""Length of a full line of field 86: a longer text is broken there, even inside a word."""
_PIECE = 27


class Details(NamedTuple):
    """Who is on the other side, and what the bank says that it was for."""

    counterparty: str
    text: str


def details(lines: list[str]) -> Details:
    """Read the lines of a field 86."""
    if not lines:
        return Details("", "")
    if numbered := _NUMBERED.match(lines[0]):
        return _of_numbers("".join(lines), numbered[1])
    together = _together(lines)
    if len(_SLASHED.findall(together)) >= 2:
        return _of_codes(together)
    name = _NAMED.search(together)
    return Details(collapse(name[1]) if name else "", collapse(together))


def _together(lines: list[str]) -> str:
    """Join lines, without a space where a full line broke a word."""
    text = lines[0]
    for before, line in pairwise(lines):
        text += line if len(before) >= _WIDTH - 1 else f" {line}"
    return text


def _of_numbers(text: str, separator: str) -> Details:
    """Read the numbered subfields of the German structure: 20-29 and 60-63 purpose, 32-33 name, 00 the kind."""
    pieces = re.split(rf"{re.escape(separator)}(?=\d{{2}})", text)[1:]
    found = [(int(piece[:2]), piece[2:]) for piece in pieces]
    purpose = _pieced([value for number, value in found if 20 <= number <= 29 or 60 <= number <= 63])
    name = collapse("".join(value for number, value in found if number in {32, 33}))
    kind = collapse("".join(value for number, value in found if number == 0))
    marked = _marked(purpose)
    said = marked.get("SVWZ", "") or marked.get("", "") or (purpose if not marked else "")
    other = marked.get("ABWA") or marked.get("ABWE") or ""
    return Details(name or collapse(other), collapse(said) or kind)


def _pieced(values: list[str]) -> str:
    """Join pieces of 27 characters: a full one goes on in the next, a shorter one is a line of its own."""
    text = ""
    for value in values:
        text += value if len(value) >= _PIECE else f"{value} "
    return text


def _marked(purpose: str) -> dict[str, str]:
    """Return the parts behind SEPA markers such as SVWZ+; what stands before the first is under ""."""
    parts = _MARKERS.split(purpose)
    if len(parts) == 1:
        return {}
    found = {"": parts[0].strip()}
    for marker, value in zip(parts[1::2], parts[2::2], strict=True):
        found.setdefault(marker, value.strip())
    return found


def _of_codes(text: str) -> Details:
    """Read the slashed codes of the Dutch structure: /NAME/ who, /REMI/ what for."""
    parts = _SLASHED.split(text)
    found: dict[str, str] = {}
    for code, value in zip(parts[1::2], parts[2::2], strict=True):
        found.setdefault(code, value.strip("/ "))
    name = found.get("NAME", "")
    if not name and "CNTP" in found:
        name = [*found["CNTP"].split("/"), "", "", ""][2]
    said = found.get("REMI") or found.get("USTD") or found.get("STRD") or ""
    said = re.sub(r"^(?:USTD|STRD)/+", "", said)
    fallback = joined([found.get("TRTP", ""), found.get("EREF", ""), parts[0]])
    return Details(collapse(name), collapse(said) or fallback)
