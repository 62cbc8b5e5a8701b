"""Bytes to text to numbered lines, without ever failing and in bounded memory."""

import codecs
import io
import re
from collections.abc import Iterable, Iterator

LINE_MAX = 64 * 1024
"""Longest physical line that is kept, in characters."""
_FALLBACK = "comptoir_mixed"
_CONTINENTAL = re.compile(rb"[0-9][ \xa0]?\xa4|\xa4[ \xa0]?[0-9]")
_LIGATURE = re.compile(rb"(?<=[a-zA-Z])[\xbd\xa6\xa8\xb4\xb8](?=[a-zA-Z])|(?<![0-9])\xbc(?=[a-zA-Z])")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def _single_bytes(error: UnicodeError) -> tuple[str, int]:
    """Read bytes that do not fit the encoding as cp1252, so that a file of mixed origin stays readable."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in bad), error.end


codecs.register_error(_FALLBACK, _single_bytes)


def detect(head: bytes, *, whole: bool) -> str:
    """Return the encoding of a file from its first bytes: a BOM, UTF-16 without one, UTF-8, else a single-byte one."""
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    if wide := _wide_without_bom(head):
        return wide
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=whole)
    except UnicodeDecodeError:
        return _single_byte(head)
    return "utf-8"


def _wide_without_bom(head: bytes) -> str | None:
    """Return UTF-16 with its byte order if every other byte of the beginning is zero."""
    start = head[:400]
    if len(start) < 8 or b"\0" not in start:
        return None
    even, odd = start[::2], start[1::2]
    if odd.count(0) > 0.6 * len(odd) and even.count(0) == 0:
        return "utf-16-le"
    if even.count(0) > 0.6 * len(even) and odd.count(0) == 0:
        return "utf-16-be"
    return None


def _single_byte(head: bytes) -> str:
    """Tell cp1252, ISO-8859-15 and ISO-8859-1 apart by the few bytes in which they differ."""
    if any(0x80 <= byte <= 0x9F for byte in head):
        return "cp1252"
    if _CONTINENTAL.search(head) or _LIGATURE.search(head):
        return "iso-8859-15"
    return "iso-8859-1"


def decode(head: bytes, encoding: str) -> str:
    """Return the text of a file's beginning; a character cut off at the end is left out."""
    return "".join(texts([head], encoding, final=False))


def texts(chunks: Iterable[bytes], encoding: str, *, final: bool = True) -> Iterator[str]:
    """Decode chunks one after the other, with one kind of line end and zero bytes made visible."""
    name = "utf-8-sig" if encoding == "utf-8" else encoding
    errors = _FALLBACK if not encoding.startswith("utf-16") and encoding != "utf-32" else "replace"
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(name)(errors), translate=True)
    for chunk in chunks:
        yield _visible(_decoded(decoder, chunk))
    if final:
        yield _visible(_decoded(decoder, b"", final=True))


def _decoded(decoder: io.IncrementalNewlineDecoder, chunk: bytes, *, final: bool = False) -> str:
    """Decode one chunk. UTF-16 without the BOM that its name promises is read in the usual byte order."""
    try:
        return decoder.decode(chunk, final=final)
    except UnicodeError:
        return chunk.decode("utf-16-le", "replace").replace("\r\n", "\n")


def _visible(text: str) -> str:
    """Make zero bytes visible: a database's text cannot hold them."""
    return text.replace("\0", "\u2400") if "\0" in text else text


def numbered_lines(parts: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield batches of physical lines without their ends: (number of the batch's first line from 1, lines).

    A line longer than LINE_MAX comes as its first LINE_MAX + 1 characters.
    """
    number = 1
    tail = ""
    skipping = False
    for part in parts:
        if skipping:
            end = part.find("\n")
            if end < 0:
                continue
            part, skipping = part[end:], False  # noqa: PLW2901 - the rest of this part is the part
        lines = (tail + part).split("\n")
        tail = lines.pop()
        if len(tail) > LINE_MAX:
            tail, skipping = tail[: LINE_MAX + 1], True
        if lines:
            yield number, lines
            number += len(lines)
    if tail:
        yield number, [tail]
