"""Policy text as tokens: parts it into policies, finds places in it, refuses what is too large or too deep.

The grammar is Cedar's own (docs.cedarpolicy.com, "Policy grammar"); only its lexical part is known here. Every limit is
checked before the text reaches the engine, whose parser works by recursion.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from webapp.kernel.errors import N_

MAX_TEXT_CHARS = 400_000
MAX_POLICIES = 2_000
MAX_POLICY_CHARS = 10_000
MAX_POLICY_TOKENS = 1_000
MAX_DEPTH = 24
"""So many brackets, records, sets and `if` may stand inside one another."""
MAX_SCHEMA_CHARS = 60_000
MAX_SCHEMA_NAMES = 10_000
"""So many names may a schema have when every common type stands written out wherever it is used."""

EFFECTS = frozenset({"permit", "forbid"})
END_OF_INPUT = "unexpected end of input"
"""What the engine's parser says of a text that breaks off."""

_TOKEN = re.compile(
    r'\s+|//[^\n\r]*|(?P<token>"(?:[^"\\]|\\.)*"|\??[A-Za-z_][A-Za-z0-9_]*|[0-9]+|::|==|!=|<=|>=|&&|\|\||.)', re.DOTALL
)
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
_NAMED = re.compile(r"`([^`]+)`|: ([\w:]+)$")


@dataclass(frozen=True, slots=True)
class Token:
    """One token and the offset of its first character."""

    text: str
    at: int

    @property
    def end(self) -> int:
        """Return the offset behind its last character."""
        return self.at + len(self.text)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a text and where: line and column count from 1, 0 when it is about the whole."""

    line: int
    column: int
    message: str
    params: dict[str, str | int]
    policy: str = ""

    @property
    def said(self) -> str:
        """Return the message in English."""
        return self.message % self.params if self.params else self.message


@dataclass(frozen=True, slots=True)
class Chunk:
    """One policy of a text, as its tokens; the last one may break off."""

    source: str
    tokens: tuple[Token, ...]

    @property
    def text(self) -> str:
        """Return the policy as it was written, comments inside it included."""
        return self.source[self.tokens[0].at : self.tokens[-1].end]

    @property
    def head(self) -> str:
        """Return annotations, effect and scope alone, as a policy without conditions."""
        return self.source[self.tokens[0].at : self.tokens[self._scope_end()].end] + ";"

    def clauses(self) -> Iterator[tuple[str, list[str]]]:
        """Return each `when` and `unless` of a sound policy with the conditions that must all hold in it."""
        number = self._scope_end() + 1
        while number < len(self.tokens) and self.tokens[number].text in {"when", "unless"}:
            word, begin = self.tokens[number].text, number + 2
            number = _closing(self.tokens, number + 1)
            yield word, [self.source[part[0].at : part[-1].end] for part in _conjuncts(self.tokens[begin:number])]
            number += 1

    def _scope_end(self) -> int:
        """Return the number of the bracket that closes the scope, the first one after the effect."""
        for number, token in enumerate(self.tokens):
            if token.text in EFFECTS and (number == 0 or self.tokens[number - 1].text != "@"):
                return _closing(self.tokens, number + 1)
        return len(self.tokens) - 1


def _closing(tokens: Sequence[Token], opening: int) -> int:
    depth = 0
    for number in range(opening, len(tokens)):
        depth += (tokens[number].text in _OPEN) - (tokens[number].text in _CLOSE)
        if depth == 0:
            return number
    return len(tokens) - 1


def _conjuncts(tokens: Sequence[Token]) -> list[list[Token]]:
    """Part an expression at the `&&` of its outermost level, where nothing else binds weaker."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text in _OPEN) - (token.text in _CLOSE)
        if depth == 0 and token.text in {"||", "if"}:
            return [list(tokens)]
        if depth == 0 and token.text == "&&":
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def tokens(source: str) -> list[Token]:
    """Return the tokens of a text, without space and comments."""
    return [Token(match["token"], match.start()) for match in _TOKEN.finditer(source) if match["token"]]


def chunks(source: str) -> list[Chunk]:
    """Part a text into its policies, each ending with its semicolon."""
    found: list[Chunk] = []
    current: list[Token] = []
    for token in tokens(source):
        current.append(token)
        if token.text == ";":
            found.append(Chunk(source, tuple(current)))
            current = []
    if current:
        found.append(Chunk(source, tuple(current)))
    return found


def place(source: str, offset: int) -> tuple[int, int]:
    """Return line and column of an offset, both from 1."""
    before = source[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def too_large(source: str) -> Finding | None:
    """Tell whether a text of policies is longer than the engine is given to read."""
    if len(source) > MAX_TEXT_CHARS:
        return Finding(
            0,
            0,
            N_("The policies have %(count)d characters; at most %(most)d are accepted."),
            _of(source, MAX_TEXT_CHARS),
        )
    return None


def schema_too_large(source: str) -> Finding | None:
    """Tell whether a schema is longer or deeper than the engine is given to read."""
    if len(source) > MAX_SCHEMA_CHARS:
        return Finding(
            0,
            0,
            N_("The schema has %(count)d characters; at most %(most)d are accepted."),
            _of(source, MAX_SCHEMA_CHARS),
        )
    read = tokens(source)
    return _too_deep(source, read, opening=_OPEN | {"<"}, closing=_CLOSE | {">"}) or _too_wide(source, read)


def _too_wide(source: str, read: Sequence[Token]) -> Finding | None:
    """Tell whether common types that use one another grow, or nest, beyond all bounds when they are written out."""
    uses: dict[str, list[str]] = {}
    places: dict[str, int] = {}
    name = ""
    for number, token in enumerate(read):
        if token.text == "type" and number + 2 < len(read) and read[number + 2].text == "=":
            name = read[number + 1].text
            places.setdefault(name, token.at)
        elif token.text == ";":
            name = ""
        if name:
            uses.setdefault(name, []).append(token.text)
    sizes: dict[str, tuple[int, int]] = {}
    for start in uses:
        if _written_out(start, uses, sizes)[0] > MAX_SCHEMA_NAMES or sizes[start][1] > MAX_DEPTH:
            message = N_("Written out, this type has more than %(most)d names or nests deeper than %(deep)d levels.")
            return Finding(*place(source, places[start]), message, {"most": MAX_SCHEMA_NAMES, "deep": MAX_DEPTH})
    return None


def _written_out(start: str, uses: dict[str, list[str]], sizes: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """Return how many names a type has and how deep it nests; one that uses itself is left to the engine to refuse."""
    waiting = [start]
    begun: set[str] = set()
    while waiting:
        name = waiting[-1]
        inner = [word for word in uses[name][2:] if word in uses and word != name]
        missing = [word for word in inner if word not in sizes and word not in begun]
        if missing and name not in begun:
            begun.add(name)
            waiting += missing
            continue
        known = [sizes.get(word, (1, 1)) for word in inner]
        most = len(uses[name]) + sum(size for size, _deep in known)
        sizes[name] = min(most, 10 * MAX_SCHEMA_NAMES), 1 + max((deep for _size, deep in known), default=0)
        waiting.pop()
    return sizes[start]


def _of(source: str, most: int) -> dict[str, str | int]:
    return {"count": len(source), "most": most}


def pathological(chunk: Chunk) -> Finding | None:
    """Tell whether one policy is too long or nests too deep, at the place where it passes the limit."""
    line, column = place(chunk.source, chunk.tokens[0].at)
    length = chunk.tokens[-1].end - chunk.tokens[0].at
    if length > MAX_POLICY_CHARS:
        message = N_("This policy has %(count)d characters; at most %(most)d are accepted.")
        return Finding(line, column, message, {"count": length, "most": MAX_POLICY_CHARS})
    if len(chunk.tokens) > MAX_POLICY_TOKENS:
        message = N_("This policy has %(count)d words and signs; at most %(most)d are accepted.")
        return Finding(line, column, message, {"count": len(chunk.tokens), "most": MAX_POLICY_TOKENS})
    return _too_deep(chunk.source, chunk.tokens)


def _too_deep(
    source: str, of: Sequence[Token], *, opening: frozenset[str] = _OPEN, closing: frozenset[str] = _CLOSE
) -> Finding | None:
    depth = conditions = 0
    for token in of:
        depth += (token.text in opening) - (token.text in closing)
        conditions += token.text == "if"
        if depth + conditions > MAX_DEPTH:
            message = N_("What stands here is nested deeper than %(most)d levels, the most that is accepted.")
            return Finding(*place(source, token.at), message, {"most": MAX_DEPTH})
    return None


def locate(source: str, of: Sequence[Token], message: str, refuse: Callable[[str], str]) -> tuple[int, int]:
    """Return the line and column that a message of the engine is about; `refuse` gives the message of a text, or "".

    The engine tells no places. A token that cannot stand where it stands is the first one whose text, cut off behind
    it, is refused for another reason than breaking off; anything else is looked for by the name that the message says.
    """
    if not of:
        return 1, 1
    begin = of[0].at
    if message.endswith(END_OF_INPUT):
        return place(source, of[-1].at)
    if "unexpected token" in message or "invalid token" in message:
        low, high = 0, len(of) - 1
        while low < high:
            middle = (low + high) // 2
            if refuse(source[begin : of[middle].end]).endswith(END_OF_INPUT):
                low = middle + 1
            else:
                high = middle
        return place(source, of[low].at)
    for quoted, last in reversed(_NAMED.findall(message)):
        at = _find(source[begin : of[-1].end], quoted or last)
        if at >= 0:
            return place(source, begin + at)
    return place(source, begin)


def _find(text: str, name: str) -> int:
    """Return the offset of a name that stands alone, or -1; a longer name is looked for by its last part too."""
    for wanted in (name, name.rsplit("::", 1)[-1]):
        found = re.search(rf"(?<![A-Za-z0-9_]){re.escape(wanted)}(?![A-Za-z0-9_])", text)
        if found:
            return found.start()
    return -1
