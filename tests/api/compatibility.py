"""Compares two descriptions of the JSON API: what a program that was written for the first would trip over."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
MADE = {"200", "201", "202", "204"}


def breaks(old: Json, new: Json) -> list[str]:
    """Return what the new description took away from the old one, or asks for besides."""
    found = []
    for path, methods in old["paths"].items():
        for method, before in methods.items():
            after = new["paths"].get(path, {}).get(method)
            name = f"{method.upper()} {path}"
            if after is None:
                found.append(f"{name} is gone")
                continue
            if before["operationId"] != after["operationId"]:
                found.append(f"{name} is called {after['operationId']} and no longer {before['operationId']}")
            found += (f"{name}: {one}" for one in _operation(before, after, old, new))
    return found


def _operation(before: Json, after: Json, old: Json, new: Json) -> Iterator[str]:
    yield from _parameters(before, after, old, new)
    yield from _body(before.get("requestBody", {}), after.get("requestBody", {}), old, new)
    yield from _answers(before["responses"], after["responses"], old, new)


def _parameters(before: Json, after: Json, old: Json, new: Json) -> Iterator[str]:
    known = {(one["in"], one["name"]): one for one in before.get("parameters", ())}
    offered = {(one["in"], one["name"]): one for one in after.get("parameters", ())}
    for place, name in known.keys() - offered.keys():
        yield f"the parameter {name} ({place}) is gone"
    for (place, name), one in offered.items():
        was = known.get((place, name), {})
        if one.get("required") and not was.get("required"):
            yield f"the parameter {name} ({place}) is newly needed"
        if was:
            yield from _taken(f"the parameter {name}", was["schema"], one["schema"], old, new, set())


def _body(body: Json, now: Json, old: Json, new: Json) -> Iterator[str]:
    if now.get("required") and not body.get("required"):
        yield "a body is newly needed"
    for kind, content in body.get("content", {}).items():
        if kind not in now.get("content", {}):
            yield f"it no longer takes {kind}"
        else:
            yield from _taken("the body", content["schema"], now["content"][kind]["schema"], old, new, set())


def _answers(before: Json, after: Json, old: Json, new: Json) -> Iterator[str]:
    for status in MADE & before.keys():
        answer = after.get(status)
        if answer is None:
            yield f"it no longer answers {status}"
            continue
        for kind, content in before[status].get("content", {}).items():
            if kind not in answer.get("content", {}):
                yield f"its answer is no longer {kind}"
            else:
                yield from _given("the answer", content["schema"], answer["content"][kind]["schema"], old, new, set())


def _resolved(schema: Json, document: Json) -> Json:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _kinds(schema: Json, document: Json) -> set[str]:
    """Return the JSON types that a schema allows."""
    schema = _resolved(schema, document)
    if "anyOf" in schema:
        return set().union(*(_kinds(one, document) for one in schema["anyOf"]))
    if "enum" in schema:
        return {"string" if isinstance(one, str) else "integer" for one in schema["enum"]}
    kind = schema.get("type")
    return set(kind) if isinstance(kind, list) else {kind} if kind else set()


def _parts(schema: Json, document: Json) -> list[Json]:
    schema = _resolved(schema, document)
    return [_resolved(one, document) for one in schema["anyOf"]] if "anyOf" in schema else [schema]


def _objects(schema: Json, document: Json) -> list[Json]:
    return [one for one in _parts(schema, document) if one.get("properties")]


def _items(schema: Json, document: Json) -> Json | None:
    return next((one["items"] for one in _parts(schema, document) if "items" in one), None)


def _taken(where: str, was: Json, now: Json, old: Json, new: Json, seen: set[str]) -> Iterator[str]:
    """What is taken may only grow: no property less, none newly needed, no kind or choice less."""
    if _again(was, seen):
        return
    if gone := _kinds(was, old) - _kinds(now, new):
        yield f"{where} can no longer be {', '.join(sorted(gone))}"
    choices, offered = _choices(was, old), _choices(now, new)
    if offered and (not choices or choices - offered):
        yield f"{where} can no longer be {', '.join(sorted(choices - offered)) or 'anything'}"
    for before, after in zip(_objects(was, old), _objects(now, new), strict=False):
        for name in before["properties"].keys() - after["properties"].keys():
            yield f"{where} no longer takes {name}"
        for name in sorted(set(after.get("required", ())) - set(before.get("required", ()))):
            yield f"{where} newly needs {name}"
        for name in before["properties"].keys() & after["properties"].keys():
            yield from _taken(name, before["properties"][name], after["properties"][name], old, new, seen)
    items = _items(was, old), _items(now, new)
    if items[0] is not None and items[1] is not None:
        yield from _taken(f"an item of {where}", items[0], items[1], old, new, seen)


def _given(where: str, was: Json, now: Json, old: Json, new: Json, seen: set[str]) -> Iterator[str]:
    """What is given may only grow: no property less or no longer sure, no kind more."""
    if _again(was, seen):
        return
    before_kinds, after_kinds = _kinds(was, old), _kinds(now, new)
    if before_kinds and (more := after_kinds - before_kinds):
        yield f"{where} may newly be {', '.join(sorted(more))}"
    for before, after in zip(_objects(was, old), _objects(now, new), strict=False):
        for name in before["properties"].keys() - after["properties"].keys():
            yield f"{where} no longer has {name}"
        unsure = set(before.get("required", ())) - set(after.get("required", ()))
        for name in sorted(unsure & after["properties"].keys()):
            yield f"{where} may newly lack {name}"
        for name in before["properties"].keys() & after["properties"].keys():
            yield from _given(name, before["properties"][name], after["properties"][name], old, new, seen)
    items = _items(was, old), _items(now, new)
    if items[0] is not None and items[1] is not None:
        yield from _given(f"an item of {where}", items[0], items[1], old, new, seen)


def _again(schema: Json, seen: set[str]) -> bool:
    name = schema.get("$ref", "")
    if name in seen:
        return True
    if name:
        seen.add(name)
    return False


def _choices(schema: Json, document: Json) -> set[str]:
    return {
        str(one)
        for part in _parts(schema, document)
        for one in [*part.get("enum", ()), *([part["const"]] if "const" in part else [])]
    }
