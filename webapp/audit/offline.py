"""Verify an exported trail of Comptoir without Comptoir: Python 3.9 or newer, nothing else, no network.

Run: python3 verify_trail.py export.jsonl [--key PUBLIC_KEY_HEX]. Exit code 0: whole and signed; 1: something was
changed, removed, inserted or moved, and every such row is named; 2: the file cannot be read as a trail.

The format is described in docs/trail-format.md. The product itself uses the same functions to seal.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

FORMAT = 1
GENESIS = "0" * 64
LINE_BYTES_MAX = 64 * 1024 * 1024
FINDINGS_MAX = 1000


def canonical(value: Any) -> bytes:
    """Write JSON in the one form that is hashed: keys sorted, no spaces, ASCII with escapes for all else, one line."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _hash(kind: str, content: bytes) -> bytes:
    return hashlib.sha256(f"comptoir-trail/{FORMAT} {kind}\n".encode() + content).digest()


def leaf_of(line: bytes) -> bytes:
    """Hash one event: its line as it stands in the export, without the line end."""
    return _hash("event", line)


def root_of(events: Iterable[tuple[int, bytes]]) -> bytes:
    """Hash the events of a seal: of each its id (8 bytes, big-endian) and its hash, in their order."""
    return _hash("events", b"".join(number.to_bytes(8, "big") + leaf for number, leaf in events))


def seal_hash(seal: dict[str, Any]) -> bytes:
    """Hash a seal: everything that it says of itself, with the hash of the seal before it."""
    names = ("at", "chain", "count", "number", "previous", "root", "total")
    return _hash("seal", canonical({name: seal[name] for name in names}))


def checkpoint_message(checkpoint: dict[str, Any]) -> bytes:
    """Return the bytes that a checkpoint's signature signs."""
    names = ("at", "chain", "hash", "key", "number", "total")
    return f"comptoir-trail/{FORMAT} checkpoint\n".encode() + canonical({name: checkpoint[name] for name in names})


def key_id_of(public_key: bytes) -> str:
    """Return the name of a key: the first 16 hexadecimal digits of its hash."""
    return hashlib.sha256(public_key).hexdigest()[:16]


# Ed25519 (RFC 8032, 5.1.7), in whole numbers: points are (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z.
_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)
Point = tuple[int, int, int, int]


def _add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c, d = 2 * one[3] * other[3] * _D % _P, 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: Point) -> Point:
    result: Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            result = _add(result, point)
        point, factor = _add(point, point), factor >> 1
    return result


def _point(encoded: bytes) -> Point | None:
    """Decode a point (RFC 8032, 5.1.3), or return None when there is no such point."""
    number = int.from_bytes(encoded, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_1 % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


_BASE = _point((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether an Ed25519 signature is the key's own (RFC 8032, without the factor 8, so the stricter way)."""
    if len(public_key) != 32 or len(signature) != 64 or _BASE is None:  # noqa: PLR2004 - RFC 8032
        return False
    key, nonce = _point(public_key), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or nonce is None or s >= _L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % _L
    left, right = _times(s, _BASE), _add(nonce, _times(h, key))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 and (left[1] * right[2] - right[1] * left[2]) % _P == 0


@dataclass
class Report:
    """What a verification found: nothing in `findings` means that the trail is whole and signed."""

    chain: str = ""
    events: int = 0
    withheld: int = 0
    seals: int = 0
    first_seal: int = 0
    last_seal: int = 0
    checkpoint: dict[str, Any] | None = None
    findings: list[str] = field(default_factory=list)

    def find(self, text: str) -> None:
        """Note something that is not as it was sealed; the first thousand are kept."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(text)


@dataclass
class _Reading:
    report: Report
    keys: dict[str, bytes]
    number: int | None = None
    hash: str = GENESIS
    pending: list[tuple[int, bytes, int]] = field(default_factory=list)
    inserted: dict[int, str] = field(default_factory=dict)
    removed: dict[int, str] = field(default_factory=dict)
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    hashes: dict[int, str] = field(default_factory=dict)
    ended: bool = False
    is_filtered: bool = False
    shown: int = 0


class NotATrail(ValueError):
    """The file is no export of a trail in a format that this script knows."""


def verify_lines(lines: Iterable[bytes], trusted: dict[str, bytes] | None = None) -> Report:
    """Verify an export, line by line, against the keys (by name) that are trusted, else those that the file names.

    Raises NotATrail.
    """
    reading: _Reading | None = None
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip(b"\n")
        try:
            value = json.loads(line)
            kind = value["type"]
        except (ValueError, TypeError, KeyError):
            value, kind = {}, ""
        if reading is None:
            if kind != "trail" or value.get("format") != FORMAT:
                raise NotATrail(f"line 1 is not the head of a trail in format {FORMAT}")
            keys = {name: bytes.fromhex(text) for name, text in value.get("keys", {}).items()}
            reading = _Reading(Report(chain=value["chain"]), {key_id_of(key): key for key in keys.values()})
            reading.is_filtered = bool(value.get("filter"))
            if trusted is not None:
                reading.keys = trusted
            continue
        try:
            _take(reading, kind, value, line, number)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError):
            reading.report.find(f"line {number} was changed: it is no line of a trail any more")
    if reading is None:
        raise NotATrail("the file is empty")
    _conclude(reading)
    return reading.report


def _take(reading: _Reading, kind: str, value: dict[str, Any], line: bytes, number: int) -> None:
    report = reading.report
    if reading.ended:
        report.find(f"line {number} stands behind the end")
    if kind == "event":
        reading.pending.append((int(value["id"]), leaf_of(line), number))
        reading.shown += 1
    elif kind == "seal":
        _take_seal(reading, value)
    elif kind == "checkpoint":
        if reading.number is None:
            # The events before it were removed when their time was over: the chain begins behind it.
            reading.number, reading.hash = value["number"], value["hash"]
            reading.hashes[value["number"]] = value["hash"]
        reading.checkpoints.append(value)
    elif kind == "end":
        reading.ended = True
        if value.get("events") != reading.shown:
            report.find(f"line {number} was changed, or events were taken out: it counts {value.get('events')} events")
    else:
        report.find(f"line {number} was changed: it is no line of a trail any more")


def _take_seal(reading: _Reading, seal: dict[str, Any]) -> None:
    report, name = reading.report, f"seal {seal['number']}"
    follows = (reading.number or 0) + 1
    if seal["number"] != follows:
        report.find(f"{name} stands where seal {follows} belongs: a seal was removed, inserted or moved")
    elif seal["previous"] != reading.hash:
        report.find(f"{name} does not follow on the seal before it: one of the two was changed")
    if seal["chain"] != report.chain:
        report.find(f"{name} belongs to another trail")
    if seal_hash(seal).hex() != seal["hash"]:
        report.find(f"{name} was changed: its hash is not that of what it says")
    reading.number, reading.hash = seal["number"], seal["hash"]
    reading.hashes[seal["number"]] = seal["hash"]
    report.seals += 1
    report.first_seal, report.last_seal = report.first_seal or seal["number"], seal["number"]
    if "events" not in seal:
        report.withheld += seal["count"]
        for event, _leaf, line in reading.pending:
            reading.inserted[event] = f"event {event} (line {line}) was inserted: {name} shows no event"
    else:
        _compare(reading, seal, name)
    reading.pending = []


def _compare(reading: _Reading, seal: dict[str, Any], name: str) -> None:
    report = reading.report
    listed = [(int(event), bytes.fromhex(leaf)) for event, leaf in seal["events"]]
    if root_of(listed).hex() != seal["root"] or len(listed) != seal["count"]:
        report.find(f"{name} was changed: its list of events is not the one that was sealed")
    withheld = set(seal.get("withheld", ()))
    report.withheld += len(withheld)
    expected = {event: leaf for event, leaf in listed if event not in withheld}
    seen: dict[int, int] = {}
    for event, leaf, line in reading.pending:
        if event not in expected or event in seen:
            reading.inserted[event] = f"event {event} (line {line}) was inserted: {name} does not hold it there"
            continue
        seen[event] = line
        if leaf != expected[event]:
            report.find(f"event {event} (line {line}) was changed since {name}")
        else:
            report.events += 1
    for event in expected:
        if event not in seen:
            reading.removed[event] = f"event {event} was removed: {name} holds it"
    right = [event for event in expected if event in seen]
    for event, should in zip(seen, right):  # noqa: B905 - both hold the same events
        if event != should:
            report.find(f"event {event} (line {seen[event]}) was moved: event {should} belongs there")


def _conclude(reading: _Reading) -> None:
    report = reading.report
    for event, _leaf, line in reading.pending:
        reading.inserted[event] = f"event {event} (line {line}) was inserted: no seal holds it there"
    for event, text in reading.inserted.items():
        report.find(f"event {event} was moved to another seal's events" if event in reading.removed else text)
    for event, text in reading.removed.items():
        if event not in reading.inserted:
            report.find(text)
    if report.withheld and not reading.is_filtered:
        report.find(f"{report.withheld} events were taken out: the head says that no filter left any out")
    if not reading.ended:
        report.find("the end is missing: the file was cut off")
    for one in reading.checkpoints:
        if reading.hashes.get(one.get("number", 0)) != one.get("hash"):
            report.find(
                f"the checkpoint at seal {one.get('number')} does not fit that seal: one of the two was changed"
            )
    _check_signatures(reading)


def _check_signatures(reading: _Reading) -> None:
    """Check the newest signature, which covers all before it; where it fails, tell which older one still holds."""
    report = reading.report
    if report.first_seal > 1 and reading.checkpoints and not _is_signed(reading, reading.checkpoints[0]):
        report.find(f"the checkpoint before seal {report.first_seal} is not signed by a known key")
    for one in reversed(reading.checkpoints):
        if _is_signed(reading, one):
            report.checkpoint = one
            break
        report.find(f"the checkpoint at seal {one.get('number')} is not signed by a known key")
    signed = report.checkpoint["number"] if report.checkpoint else 0
    if report.seals and signed < report.last_seal:
        report.find(f"what follows on seal {signed} is covered by no valid signature")


def _is_signed(reading: _Reading, checkpoint: dict[str, Any]) -> bool:
    try:
        key = reading.keys.get(checkpoint["key"], b"")
        good = checkpoint["chain"] == reading.report.chain
        return good and verify_signature(key, checkpoint_message(checkpoint), bytes.fromhex(checkpoint["signature"]))
    except (KeyError, TypeError, ValueError):
        return False


def describe(report: Report, *, key_given: bool) -> list[str]:
    """Return the lines that tell a person what was found."""
    lines = list(report.findings)
    span = f"{report.events} events in seals {report.first_seal} to {report.last_seal}"
    if report.withheld:
        lines.append(f"partial: {report.withheld} more events are withheld by a filter; only their hashes are here")
    if report.first_seal > 1:
        lines.append(f"begins after seal {report.first_seal - 1}: what was before had reached the end of its time")
    if report.checkpoint:
        lines.append(
            f"signed up to seal {report.last_seal} at {report.checkpoint['at']}, key {report.checkpoint['key']}"
        )
        if not key_given:
            lines.append("the key is the one that the file names: compare it, or give it with --key")
    lines.append(f"{'NOT AS SEALED' if report.findings else 'whole'}: {span} of trail {report.chain}")
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Verify the file that the command line names and return the exit code."""
    parser = argparse.ArgumentParser(description="Verify an exported trail of Comptoir.")
    parser.add_argument("file", help="the export, JSON lines")
    parser.add_argument("--key", help="the public key (64 hexadecimal digits) that must have signed it")
    asked = parser.parse_args(arguments)
    try:
        key = bytes.fromhex(asked.key) if asked.key else None
        with open(asked.file, "rb") as file:  # noqa: PTH123 - a script of its own
            lines = iter(lambda: file.readline(LINE_BYTES_MAX), b"")
            report = verify_lines(lines, {key_id_of(key): key} if key else None)
    except (OSError, ValueError) as error:
        print(f"cannot verify: {error}", file=sys.stderr)  # noqa: T201 - a script of its own
        return 2
    print("\n".join(describe(report, key_given=key is not None)))  # noqa: T201 - a script of its own
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
