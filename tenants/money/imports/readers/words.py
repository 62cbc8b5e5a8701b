"""Words that banks put into rows: totals, states, and the direction of an amount."""

import re

from tenants.money.imports.readers.amounts import AmountError

TOTAL = re.compile(
    r"\W*(?:(?:sub|sous|zwischen)?[\s-]?(?:totals?|totaux|summen?|gesamt(?:summe)?|suma|sommes?)"
    r"|المجموع|الإجمالي|مجموع)\b",
    re.IGNORECASE,
)
BALANCE_WORD = re.compile(r"\W*(?:solde|balance|saldo|kontostand|guthaben|الرصيد|رصيد)\b", re.IGNORECASE)
PENDING = re.compile(r"pend|vorgemerkt|ausstehend|attente|en cours|venir|hold|authori[sz]|معلق|قيد", re.IGNORECASE)
REVERTED = re.compile(
    r"revert|cancel|declin|fail|reject|void|refund pending|storn|abgelehnt|annul|rejet|rechaz|refus|ملغ|مرفوض",
    re.IGNORECASE,
)
OUT = frozenset(
    (
        "d",
        "db",
        "dr",
        "debit",
        "débit",
        "dbit",
        "s",
        "soll",
        "debe",
        "cargo",
        "-",
        "out",
        "af",
        "ausgabe",
        "sortie",
        "مدين",
    )
)
IN = frozenset(
    (
        "c",
        "cr",
        "credit",
        "crédit",
        "crdt",
        "h",
        "haben",
        "haber",
        "abono",
        "+",
        "in",
        "bij",
        "einnahme",
        "entrée",
        "دائن",
    )
)


def signed(minor: int, mark: str) -> int:
    """Give an amount the direction of its sign column. Raises AmountError `bad_sign`."""
    word = mark.strip().strip(".").casefold()
    if word in OUT:
        return -abs(minor) if minor > 0 else minor
    if word in IN:
        return minor
    if not word and minor < 0:
        return minor
    raise AmountError("bad_sign", {"value": mark.strip()[:20]})


def is_sign(text: str) -> bool:
    """Tell whether a text says in or out."""
    return text.strip().strip(".").casefold() in OUT | IN
