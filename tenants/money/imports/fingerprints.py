"""The identity of a statement's row, computed from what the bank wrote, before any mapping of words or categories."""

from hashlib import blake2b

SEPARATOR = "\x1f"


class Fingerprints:
    """Gives every row of one file its 128-bit identity, as 32 hexadecimal digits.

    The bank's own number is the identity where there is one: a second row with it is the same movement. Elsewhere it is
    account label, day, amount, raw text, and the ordinal among rows that are equal in all of it: two equal purchases of
    one day are two. The workspace's secret goes into it: whoever has the database only learns nothing by trying texts.
    """

    def __init__(self, secret: bytes) -> None:
        self._seen: dict[bytes, int] = {}
        self._keyed = _keyed(secret)

    def of_bank_id(self, bank_id: str, label: str | None, currency: str) -> tuple[str, bool]:
        """Return the identity of a row with a bank's number, and whether this file has brought it before."""
        key = _digest(self._keyed, f"id{SEPARATOR}{label}{SEPARATOR}{currency}{SEPARATOR}{bank_id}")
        again = key in self._seen
        self._seen[key] = 1
        return key.hex(), again

    def of_raw(self, day: str, minor: int, currency: str, label: str | None, raw: str) -> str:
        """Return the identity of a row without a bank's number."""
        base = _digest(self._keyed, SEPARATOR.join((day, str(minor), currency, label or "", raw.strip())))
        before = self._seen.get(base, 0)
        self._seen[base] = before + 1
        return base.hex() if before == 0 else _digest(self._keyed, f"{base.hex()}{SEPARATOR}{before}").hex()

    def ordinal_of_unread(self, raw: str) -> int:
        """Return how many rows before it could not be read and say the same."""
        key = _digest(self._keyed, f"unread{SEPARATOR}{raw.strip()}")
        before = self._seen.get(key, 0)
        self._seen[key] = before + 1
        return before


def of_corrected(secret: bytes, day: str, minor: int, currency: str, label: str | None, raw: str, ordinal: int) -> str:
    """Return the identity of an unreadable row that a person corrected; `ordinal` is `Fingerprints.ordinal_of_unread`.

    It never meets the identity of a row that could be read as it stood.
    """
    said = ("corrected", day, str(minor), currency, label or "", raw.strip(), str(ordinal))
    return _digest(_keyed(secret), SEPARATOR.join(said)).hex()


def _keyed(secret: bytes) -> blake2b:
    return blake2b(key=secret, digest_size=16)


def _digest(keyed: blake2b, text: str) -> bytes:
    made = keyed.copy()
    made.update(text.encode("utf-8", "surrogatepass"))
    return made.digest()
