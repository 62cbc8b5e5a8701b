"""The form in which an event is hashed and exported; docs/trail-format.md describes it."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from webapp.audit.offline import canonical

PLATFORM = "platform"
"""The name of the installation's own chain; a workspace's chain is named by its id."""
WORDS_MAX = 500
"""So many words of one event can be searched for; an act on thousands of rows names more."""
WORD_LENGTH_MAX = 64
DEPTH_MAX = 10
_WORD = re.compile(r"[^\W_]+")
MISSING_LEAF = bytes(32)
"""Stands for an event that was gone before it could be sealed; no event has this hash."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a trail; `difference` maps a field to [before, after]."""

    id: int
    at: datetime
    actor_id: UUID
    actor_label: str
    via: str
    action: str
    object_type: str
    object_id: str
    difference: dict[str, Any]
    request_id: str
    source_address: str
    through_id: str
    decision_id: str


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key's public half; `vouched` says that its private half opens with this installation's own secret."""

    id: str
    public_key: bytes
    created_at: datetime
    retired_at: datetime | None
    vouched: bool = False


def words_of(*texts: str) -> list[str]:
    """Return the words by which texts are found: in lower case, without accents, each once, at most 500."""
    plain = unicodedata.normalize("NFKD", " ".join(texts)).casefold()
    bare = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return list(dict.fromkeys(word[:WORD_LENGTH_MAX] for word in _WORD.findall(bare)))[:WORDS_MAX]


def event_words(event: Event) -> list[str]:
    """Return the words by which an event is found: what it says of itself, then the values of its difference."""
    said = (event.actor_label, event.action, event.object_type, event.object_id, event.source_address)
    ids = (event.request_id, event.through_id, event.decision_id)
    return [via_word(event.via), *words_of(*said, *ids, *_texts(event.difference))]


def via_word(via: str) -> str:
    """Return the word by which the events of one way are found; no text of an event holds it."""
    return f"via={via}"


def _texts(value: Any) -> Iterator[str]:
    """Find every text and number in a difference; what lies deeper than ten levels is not looked for."""
    waiting = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if isinstance(one, dict | list) and depth < DEPTH_MAX:
            inside = one.values() if isinstance(one, dict) else one
            waiting.extend((item, depth + 1) for item in reversed(list(inside)))
        elif isinstance(one, str | int | float) and not isinstance(one, bool):
            yield str(one)


def written(at: datetime) -> str:
    """Write an instant as the trail does: UTC, always with microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def event_line(event: Event) -> bytes:
    """Return an event as it is hashed and as it stands in an export, without the line end."""
    fields = {name: getattr(event, name) for name in Event.__dataclass_fields__}
    return canonical(fields | {"type": "event", "at": written(event.at), "actor_id": str(event.actor_id)})
