"""What a schema says of entities, actions and contexts, in a form that requests and entities are fitted into.

The engine checks that a schema is sound; here a sound one is read again (docs.cedarpolicy.com, "Human-readable schema
format"), because a request over HTTP says more, and less, than a schema knows: what the schema does not name is left
out, what contradicts it is refused at its place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from webapp.access.policy_text import tokens
from webapp.access.scopes import Uid

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
EXTENSIONS = frozenset({"ipaddr", "decimal", "datetime", "duration"})
PRIMITIVES = frozenset({"String", "Long", "Bool"})
LIST_MAX = 1_000
"""So many members one set of a request may have."""


class Misfit(ValueError):
    """A value that the schema does not allow; `path` says where it stands."""

    def __init__(self, path: str, expected: str) -> None:
        self.path, self.expected = path, expected
        super().__init__(f"{path or 'the value'} must be {expected}")


@dataclass(frozen=True, slots=True)
class Type:
    """One type: a primitive or an extension, `Set` of an inner one, `Record` of fields, or `Entity` of a kind."""

    kind: str
    inner: "Type | None" = None
    fields: Mapping[str, tuple["Type", bool]] = field(default_factory=dict)
    """Of a record: name to type and whether it is required."""
    entity: str = ""


EMPTY = Type("Record")


@dataclass(frozen=True, slots=True)
class EntityType:
    """What entities of one type carry, and in which types they may stand."""

    attributes: Type
    parents: frozenset[str] = frozenset()
    choices: frozenset[str] = frozenset()
    """The ids of an enumeration; empty for every other type."""


@dataclass(frozen=True, slots=True)
class Action:
    """To whom and what an action applies, and the context that it is asked with."""

    principals: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    context: Type = EMPTY


@dataclass(slots=True)
class Shape:
    """A schema that was read."""

    entities: dict[str, EntityType] = field(default_factory=dict)
    actions: dict[Uid, Action] = field(default_factory=dict)
    _kinds: dict[str, str | None] = field(default_factory=dict)
    _verbs: dict[str, Uid | None] = field(default_factory=dict)

    def kind(self, name: str) -> str | None:
        """Return the type that a request's word means: itself, or the only one of that name in a namespace."""
        if name not in self._kinds:
            if len(self._kinds) > LIST_MAX:
                self._kinds.clear()
            found = [one for one in self.entities if one == name] or [
                one for one in self.entities if one.rpartition("::")[2] == name
            ]
            self._kinds[name] = found[0] if len(found) == 1 else None
        return self._kinds[name]

    def verb(self, name: str) -> Uid | None:
        """Return the action of this name; None when there is none, or several namespaces have one."""
        if name not in self._verbs:
            if len(self._verbs) > LIST_MAX:
                self._verbs.clear()
            found = [uid for uid in self.actions if uid.id == name]
            self._verbs[name] = found[0] if len(found) == 1 else None
        return self._verbs[name]


def fit(  # noqa: C901, PLR0911 - one line for each kind of type
    value: Any, wanted: Type, path: str = "", *, partial: bool = False, strict: bool = False
) -> Any:
    """Return a JSON value as the engine reads it.

    Fields that the type does not know are left out, or refused when `strict`; required ones may be missing from the
    outermost record when `partial`. Raises Misfit.
    """
    match wanted.kind:
        case "Record":
            return _fit_record(value, wanted, path, partial=partial, strict=strict)
        case "Set":
            if not isinstance(value, list) or len(value) > LIST_MAX or wanted.inner is None:
                raise Misfit(path, f"a list of at most {LIST_MAX}")
            return [fit(one, wanted.inner, f"{path}[{place}]", strict=strict) for place, one in enumerate(value)]
        case "String":
            if isinstance(value, str):
                return value
            raise Misfit(path, "a text")
        case "Bool":
            if isinstance(value, bool):
                return value
            raise Misfit(path, "true or false")
        case "Long":
            return _fit_long(value, path)
        case "Entity":
            return {"__entity": _fit_reference(value, wanted.entity, path)}
        case _:
            if isinstance(value, str):
                return {"__extn": {"fn": "ip" if wanted.kind == "ipaddr" else wanted.kind, "arg": value}}
            raise Misfit(path, f"a text that is a {wanted.kind}")


def _fit_record(value: Any, wanted: Type, path: str, *, partial: bool, strict: bool) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Misfit(path, "an object")
    lead = f"{path}." if path else ""
    if strict:
        for name in value:
            if name not in wanted.fields:
                raise Misfit(f"{lead}{name}", "left out: the schema does not know it")
    fitted = {}
    for name, (inner, required) in wanted.fields.items():
        if name in value:
            fitted[name] = fit(value[name], inner, f"{lead}{name}", strict=strict)
        elif required and not partial:
            raise Misfit(f"{lead}{name}", "given")
    return fitted


def _fit_long(value: Any, path: str) -> int:
    # JSON knows no whole numbers: 12.0 is one.
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(whole, int) and not isinstance(whole, bool) and LONG_MIN <= whole <= LONG_MAX:
        return whole
    raise Misfit(path, "a whole number of at most 64 bits")


def _fit_reference(value: Any, kind: str, path: str) -> dict[str, str]:
    inner = value.get("__entity", value) if isinstance(value, dict) else None
    if isinstance(value, str):
        return {"type": kind, "id": value}
    if isinstance(inner, dict) and isinstance(inner.get("id"), str) and inner.get("type", kind) == kind:
        return {"type": kind, "id": inner["id"]}
    raise Misfit(path, f"the id of a {kind}")


def read_shape(schema: str) -> Shape:
    """Read a schema that the engine has accepted."""
    return _Reader(schema).read()


class _Reader:
    """Reads declarations twice: names first, then what they mean, since a type may be used before it is declared."""

    def __init__(self, schema: str) -> None:
        self._words = [token.text for token in tokens(schema)]
        self._at = 0
        self._common: dict[str, int] = {}
        self._space = ""
        self._shape = Shape()
        self._known: set[str] = set()
        self._meant: dict[str, Type] = {}

    def read(self) -> Shape:
        for again in (False, True):
            self._at, self._space = 0, ""
            while self._at < len(self._words):
                self._declaration(again=again)
        return self._shape

    def _take(self) -> str:
        word = self._words[self._at]
        self._at += 1
        return word

    def _next_is(self, word: str) -> bool:
        return self._at < len(self._words) and self._words[self._at] == word

    def _skip(self, word: str) -> bool:
        found = self._next_is(word)
        self._at += found
        return found

    def _declaration(self, *, again: bool) -> None:
        while self._skip("@"):
            self._take()
            if self._skip("("):
                self._take()
                self._skip(")")
        match self._take():
            case "namespace":
                self._space = self._path() + "::"
                self._skip("{")
            case "}":
                self._space = ""
            case "entity":
                self._entity(again=again)
            case "action":
                self._action(again=again)
            case "type":
                name = self._space + self._take()
                self._skip("=")
                self._common[name] = self._at
                self._leave()
            case _:
                pass

    def _leave(self) -> None:
        """Go behind the semicolon that ends the declaration."""
        while self._at < len(self._words) and self._take() != ";":
            pass

    def _entity(self, *, again: bool) -> None:
        names = [self._space + name for name in self._names()]
        self._known.update(names)
        if not again:
            self._leave()
            return
        choices, parents, attributes = frozenset[str](), frozenset[str](), EMPTY
        if self._skip("enum"):
            choices = frozenset(_text(word) for word in self._listed("[", "]"))
        if self._skip("in"):
            parents = frozenset(self._entity_name(one) for one in self._paths())
        self._skip("=")
        if self._next_is("{"):
            attributes = self._type()
        for name in names:
            self._shape.entities[name] = EntityType(attributes, parents, choices)
        self._leave()

    def _action(self, *, again: bool) -> None:
        names = [_text(name) for name in self._names()]
        if not again:
            self._leave()
            return
        self._shape.actions.update({Uid(f"{self._space}Action", name): Action() for name in names})
        while self._at < len(self._words) and not self._skip(";"):
            if self._take() != "appliesTo":
                continue
            self._skip("{")
            told: dict[str, Any] = {}
            while not self._skip("}"):
                word = self._take()
                self._skip(":")
                if word in {"principal", "resource"}:
                    told[word] = frozenset(self._entity_name(one) for one in self._paths())
                elif word == "context":
                    told[word] = self._type()
            made = Action(
                told.get("principal", frozenset()), told.get("resource", frozenset()), told.get("context", EMPTY)
            )
            self._shape.actions.update({Uid(f"{self._space}Action", name): made for name in names})

    def _names(self) -> Iterator[str]:
        yield self._take()
        while self._skip(","):
            yield self._take()

    def _path(self) -> str:
        path = self._take()
        while self._skip("::"):
            path += "::" + self._take()
        return path

    def _paths(self) -> list[str]:
        if not self._skip("["):
            return [self._path()]
        found = []
        while not self._skip("]"):
            found.append(self._path())
            self._skip(",")
        return found

    def _listed(self, opening: str, closing: str) -> list[str]:
        found = []
        self._skip(opening)
        while not self._skip(closing):
            found.append(self._take())
            self._skip(",")
        return found

    def _entity_name(self, path: str) -> str:
        return self._space + path if self._space + path in self._known else path

    def _type(self) -> Type:
        if self._skip("{"):
            fields: dict[str, tuple[Type, bool]] = {}
            while not self._skip("}"):
                while self._skip("@"):
                    self._take()
                    if self._skip("("):
                        self._take()
                        self._skip(")")
                name = _text(self._take())
                required = not self._skip("?")
                self._skip(":")
                fields[name] = (self._type(), required)
                self._skip(",")
            return Type("Record", fields=fields)
        path = self._path()
        if path == "Set" and self._skip("<"):
            inner = self._type()
            self._skip(">")
            return Type("Set", inner=inner)
        return self._named(path)

    def _named(self, path: str) -> Type:
        """Return what a name means: a common type or an entity of this namespace, of none, or of the language."""
        for name in (self._space + path, path):
            if name in self._meant:
                return self._meant[name]
            if name in self._common:
                here, space = self._at, self._space
                self._at, self._space = self._common[name], name.rpartition("::")[0]
                self._space += "::" if self._space else ""
                found = self._type()
                self._at, self._space = here, space
                self._meant[name] = found
                return found
            if name in self._known:
                return Type("Entity", entity=name)
        return Type(path.removeprefix("__cedar::"))


def _text(word: str) -> str:
    return word[1:-1].replace('\\"', '"').replace("\\\\", "\\") if word.startswith('"') else word
