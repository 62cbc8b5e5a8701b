"""What the scopes of policies ask of a request: which policies can apply to it, found without asking each one."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Uid(NamedTuple):
    """The name of an entity: its type (with namespace) and its id."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}::{json.dumps(self.id, ensure_ascii=False)}"


class Facts:
    """Entities as the engine has read them, with what stands in what; not to be changed."""

    def __init__(self, handle: Any, parents: dict[Uid, tuple[Uid, ...]]) -> None:
        self.handle = handle
        self._parents = parents
        self._above: dict[Uid, frozenset[Uid]] = {}

    def above(self, uid: Uid) -> frozenset[Uid]:
        """Return the entity and all that it stands in."""
        found = self._above.get(uid)
        if found is None:
            reached, wave = {uid}, [uid]
            while wave:
                wave = [up for one in wave for up in self._parents.get(one, ()) if up not in reached]
                reached.update(wave)
            found = self._above[uid] = frozenset(reached)
        return found

    def __len__(self) -> int:
        return len(self._parents)


class Axis:
    """The policies by what their scope says of the principal, the action or the resource."""

    def __init__(self) -> None:
        self.any: set[int] = set()
        self.equal: dict[Uid, set[int]] = defaultdict(set)
        self.within: dict[Uid, set[int]] = defaultdict(set)
        self.kind_within: dict[tuple[str, Uid], set[int]] = defaultdict(set)
        self.kind: dict[str, set[int]] = defaultdict(set)

    def add(self, number: int, scope: Any) -> None:
        """Take in one policy by the node of its scope (cedarpy.pst)."""
        match type(scope).__name__:
            case "ScopeEq" | "ActionEq":
                self.equal[uid_of(scope.entity)].add(number)
            case "ScopeIn":
                self.within[uid_of(scope.entity)].add(number)
            case "ScopeIsIn":
                self.kind_within[str(scope.entity_type), uid_of(scope.entity)].add(number)
            case "ScopeIs":
                self.kind[str(scope.entity_type)].add(number)
            case "ActionIn":
                for entity in scope.entities:
                    self.within[uid_of(entity)].add(number)
            case _:
                self.any.add(number)

    def keys(self, uid: Uid, facts: Facts) -> tuple[Any, ...]:
        """Return what of the entity any scope asks about: two with the same keys meet the same policies."""
        above = facts.above(uid) if self.within or self.kind_within else ()
        within = tuple(sorted(up for up in above if up in self.within))
        kind_within = tuple(sorted((uid.type, up) for up in above if (uid.type, up) in self.kind_within))
        return uid if uid in self.equal else None, within, kind_within, uid.type if uid.type in self.kind else None

    def naming(self, kind: str) -> Iterator[tuple[Uid, set[int]]]:
        """Yield the things of a kind that scopes name, with the policies that do."""
        yield from ((uid, which) for uid, which in (*self.equal.items(), *self.within.items()) if uid.type == kind)
        yield from ((uid, which) for (_kind, uid), which in self.kind_within.items() if uid.type == kind)

    def matching(self, keys: tuple[Any, ...]) -> set[int]:
        """Return the numbers of the policies that can apply to entities with these keys."""
        equal, within, kind_within, kind = keys
        return self.any.union(
            self.equal[equal] if equal is not None else (),
            *(self.within[up] for up in within),
            *(self.kind_within[both] for both in kind_within),
            self.kind[kind] if kind is not None else (),
        )


def uid_of(entity: Any) -> Uid:
    """Return the name of an entity that a policy's scope names."""
    return Uid(str(entity.type), entity.id)


def named(uid: Mapping[str, Any]) -> Uid:
    """Read an entity's name in either of Cedar's JSON forms; raises KeyError or TypeError for another."""
    inner = uid.get("__entity", uid)
    kind, name = inner["type"], inner["id"]
    if not isinstance(kind, str) or not isinstance(name, str):
        raise TypeError("an entity is named by a type and an id, both texts")
    return Uid(kind, name)
