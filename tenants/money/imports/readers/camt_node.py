"""One element of an ISO 20022 message, without namespaces."""

import hashlib
from dataclasses import dataclass, field
from datetime import date
from xml.sax.saxutils import escape, quoteattr

from tenants.money.imports.readers.dates import to_day

RAW_MAX = 64 * 1024
"""Longest source text of one entry, in characters; a longer one ends in its own digest."""


@dataclass(slots=True)
class Node:
    """One element without its namespace."""

    name: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: "list[Node]" = field(default_factory=list)

    def find(self, path: str) -> "Node | None":
        """Return the first element at a path such as "BookgDt/Dt"."""
        node: Node | None = self
        for name in path.split("/"):
            node = next((child for child in node.children if child.name == name), None) if node else None
        return node

    def all(self, path: str) -> "list[Node]":
        """Return every element at a path."""
        nodes = [self]
        for name in path.split("/"):
            nodes = [child for node in nodes for child in node.children if child.name == name]
        return nodes

    def said(self, *paths: str) -> str:
        """Return the text of the first path that has one."""
        for path in paths:
            for node in self.all(path):
                if text := node.text.strip():
                    return text
        return ""


def canonical(node: Node) -> str:
    """Write an element without namespaces and white space between tags: the same for every way of writing it."""
    parts: list[str] = []
    _write(node, parts)
    text = "".join(parts)
    if len(text) <= RAW_MAX:
        return text
    return f"{text[:RAW_MAX]}…{hashlib.sha256(text.encode()).hexdigest()}"


def _write(node: Node, parts: list[str]) -> None:
    attributes = "".join(f" {key}={quoteattr(value)}" for key, value in sorted(node.attributes.items()))
    parts.append(f"<{node.name}{attributes}>{escape(' '.join(node.text.split()))}")
    for child in node.children:
        _write(child, parts)
    parts.append(f"</{node.name}>")


def entry_day(text: str) -> date:
    """Read an ISO date or the day of an ISO date and time, as the bank wrote it. Raises DateError."""
    return to_day(text.strip()[:10], "%Y-%m-%d")
