"""Break the build on purpose: change a line of a function's source, so that every importer runs the broken one."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

Mutate = Callable[[Callable[..., Any], str, str], None]


def mutate(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], old: str, new: str) -> None:
    """Run `function` with `old` replaced by `new` in its source until the test ends; fail when `old` is not there."""
    inner = inspect.unwrap(function)
    source = textwrap.dedent(inspect.getsource(inner))
    assert old in source, f"{inner.__qualname__} no longer says {old!r}: mend the mutation"
    tree = ast.parse(source.replace(old, new))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.decorator_list = []
    module = sys.modules[inner.__module__]
    made: dict[str, Any] = {}
    exec(compile(tree, f"<broken {inner.__qualname__}>", "exec"), vars(module), made)  # noqa: S102 the source is our own
    monkeypatch.setattr(inner, "__code__", made[definition.name].__code__)
