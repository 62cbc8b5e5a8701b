"""Every call that the application answers inside a workspace, taken from its own map of addresses and its document."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from tests.cast import Person

REQUEST_ID = "same-for-all-requests"
TABLES = {"closing": "period_closing", "period": "period_closing", "event": "audit_event", "view": "saved_view"}
"""Parameter of an address (without `_id`) to the table whose id it is, where their names differ."""

AUTHZEN = {"subject": {"type": "K", "id": "a"}, "action": {"name": "read"}, "resource": {"type": "K", "id": "b"}}
"""What the decision point of a policy store is asked; another standard than ours describes it."""

Ids = dict[str, Any]
"""Table to the id of one of its rows."""


@dataclass(frozen=True, slots=True)
class Call:
    """One address with one method; `slug` and the other parameters are filled in by `path`."""

    rule: Rule
    method: str

    @property
    def is_api(self) -> bool:
        # The decision point of a policy store is asked by tokens, though it lies beside the pages.
        return self.rule.rule.startswith("/api/") or "/access/v1/" in self.rule.rule

    @property
    def parameters(self) -> list[str]:
        """Return the names of the parameters beside the short name."""
        return [name for name in re.findall(r"<(?:[^:<>]+:)?([^<>]+)>", self.rule.rule) if name != "slug"]

    def __str__(self) -> str:
        return f"{self.method} {self.rule.rule}"

    def path(self, slug: str, ids: Ids) -> str:
        """Write the address."""

        def value(match: re.Match[str]) -> str:
            name = match[2]
            known = name == "slug" or table_of(name) in ids
            assert known, f"tell contents.py what <{name}> of {self.rule.rule} is, so that it is attacked too"
            return slug if name == "slug" else str(ids[table_of(name)])

        return re.sub(r"<(?:([^:<>]+):)?([^<>]+)>", value, self.rule.rule)


def table_of(parameter: str) -> str:
    """Return the table whose row a parameter names."""
    noun = parameter.removesuffix("_id").removesuffix("_ids")
    return TABLES.get(noun, noun)


def calls(app: Flask) -> list[Call]:
    """Return every call whose address names a workspace; what is well-known is told of any, and looks nothing up."""
    found = [
        Call(rule, method)
        for rule in app.url_map.iter_rules()
        if "slug" in rule.arguments and not rule.rule.startswith("/.well-known/")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]
    return sorted(found, key=str)


@dataclass(slots=True)
class Form:
    """A form of a page: where it goes and what it would send."""

    action: str
    method: str
    fields: dict[str, str]


class _Page(HTMLParser):
    """Reads the links and forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.links += [told[name] for name in ("href", "src", "hx-get", "data-hx-get", "formaction") if name in told]
        if tag == "form":
            self._form = Form(told.get("action", ""), told.get("method", "get").upper(), {})
            self.forms.append(self._form)
        elif self._form is None:
            return
        elif tag in {"input", "textarea"} and told.get("name"):
            if told.get("type") not in {"checkbox", "radio"} or "checked" in told:
                self._form.fields[told["name"]] = told.get("value", "") or "1"
        elif tag == "select":
            self._select = told.get("name", "")
        elif (
            tag == "option"
            and self._select
            and (told.get("value") or "")
            and ("selected" in told or self._select not in self._form.fields)
        ):
            self._form.fields[self._select] = told["value"]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""


def read_page(html: str) -> tuple[list[str], list[Form]]:
    """Return the links and the forms of a page."""
    page = _Page()
    page.feed(html)
    return page.links, page.forms


class Caller:
    """Makes calls as one person: pages with their session and a form token, the JSON API with their token."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.client: FlaskClient = person.browser()
        html = self.client.get("/profile").get_data(as_text=True)
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', html)
        assert found, "the profile page has no form token"
        self.form_token = found[1]

    def call(
        self,
        call: Call,
        path: str,
        *,
        body: Any = None,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        client: FlaskClient | None = None,
    ) -> Any:
        """Make one call and return the answer."""
        sent = {"X-Request-Id": REQUEST_ID, **(headers or {})}
        if call.is_api:
            sent = {
                "Authorization": f"Bearer {self.person.token}",
                "If-Match": '"v1"',
                "Idempotency-Key": secrets.token_hex(12),
                **sent,
            }
            return self.person.app.test_client().open(path, method=call.method, headers=sent, json=body)
        data = {**(form or {}), "csrf_token": self.form_token} if call.method != "GET" else None
        return (client or self.client).open(path, method=call.method, headers=sent, data=data)


_MASKS = [
    (re.compile(rb'"exported_at":"[^"]*"'), b"exported"),
    (re.compile(rb"nonce[=-]\S+"), b"nonce"),
    (re.compile(rb'data-csrf="[^"]*"'), b"csrf"),
    (re.compile(rb'name="csrf_token"[^>]*value="[^"]*"'), b"csrf"),
]
_VARYING = {"ratelimit", "x-ratelimit-remaining", "x-ratelimit-reset", "set-cookie", "content-security-policy"}


def told(answer: Any, *typed: object) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Return what an answer tells, without what every answer has of its own and without what the caller typed."""
    body = answer.get_data()
    headers = [
        (name, re.sub(r"\d{8}T\d{6}Z", "moment", value))
        for name, value in answer.headers.items()
        if name.lower() not in _VARYING
    ]
    for pattern, replacement in _MASKS:
        body = pattern.sub(replacement, body)
    for word in sorted(map(str, typed), key=len, reverse=True):
        body = body.replace(str(word).encode(), b"<typed>")
        headers = [(name, value.replace(str(word), "<typed>")) for name, value in headers]
    return answer.status_code, body, sorted(headers)


class Document:
    """The application's OpenAPI document, as a source of bodies and query parameters."""

    def __init__(self, app: Flask) -> None:
        self.document: dict[str, Any] = app.api_doc  # type: ignore[attr-defined] # an OpenAPI application has it

    def operation(self, call: Call) -> dict[str, Any]:
        """Return the description of a call of the JSON API."""
        path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", call.rule.rule)
        found: dict[str, Any] = self.document["paths"].get(path, {}).get(call.method.lower(), {})
        return found

    def body(self, call: Call, ids: Ids) -> Any:
        """Make a small valid body whose ids are `ids`; None when the call takes none."""
        if "/access/v1/" in call.rule.rule:
            return AUTHZEN
        content = self.operation(call).get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        return None if schema is None else self._example(schema, ids, "")

    def queries(self, call: Call) -> Iterator[str]:
        """Name the query parameters of a call that are ids."""
        for parameter in self.operation(call).get("parameters", []):
            if parameter["in"] == "query" and parameter["name"].endswith("_id"):
                yield parameter["name"]

    def _example(self, schema: dict[str, Any], ids: Ids, name: str) -> Any:
        for wrapper in ("allOf", "anyOf"):
            schema = schema.get(wrapper, [schema])[0]
        if "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if name.endswith("_id"):
            return ids.get(table_of(name), ids["account"])
        if "properties" in schema:
            wanted = set(schema.get("required", [])) | {key for key in schema["properties"] if key.endswith("_id")}
            return {key: self._example(schema["properties"][key], ids, key) for key in sorted(wanted)}
        if schema.get("type") == "array":
            return _balanced([self._example(schema["items"], ids, name) for _ in range(schema.get("minItems", 1) or 1)])
        return _plain(schema)


def _plain(schema: dict[str, Any]) -> Any:
    """Make a value of a schema without parts."""
    if offered := schema.get("examples") or schema.get("enum"):
        return offered[0]
    if schema.get("format") == "date":
        return "2026-03-14"
    text = "x" * max(1, schema.get("minLength", 1))
    return {"integer": schema.get("minimum", 1), "boolean": True}.get(str(schema.get("type")), text)


def _balanced(items: list[Any]) -> list[Any]:
    """Let the second of two postings be the opposite of the first."""
    if len(items) > 1 and isinstance(items[1], dict) and "amount" in items[1]:
        items[1] = {**items[1], "amount": f"-{items[1]['amount']}".replace("--", "")}
    return items
