"""Every page of the product: addresses from the map of routes and a filled workspace, then all that they link to.

A page that is added is found by itself. When its address has a part that is not known here, `unknown` names it.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from tests.furnished import Furnished

REDIRECT = 300
FIRST_ERROR = 400
SERVER_ERROR = 500
NOT_PAGES = (
    "/.well-known/",
    "/api/oauth/",
    "/api/v1/changes",
    "/api/v1/openapi",
    "/api/v1/t/",
    "/livez",
    "/metrics",
    "/readyz",
    "/static/",
)
VALUES_THAT_MATTER = {"tab", "state", "sort", "closed", "chunk"}
"""A page looks different for each value of these; of all other parts of a question one example is enough."""
SEVERAL = 2
PICKED = {"hidden", "checkbox", "radio", "submit", "button"}
EXAMPLES_MAX = 3
"""So many pages of one kind are looked at, at most, besides those that the filled workspace names."""


@dataclass(slots=True)
class Page:
    """One answer to a GET: a whole page, a fragment, or another document."""

    address: str
    endpoint: str
    status: int
    kind: str
    text: str


@dataclass(slots=True)
class Form:
    """One form that a page offers, as an empty hand would send it."""

    page: str
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    is_typed_into: bool = False


class _Reader(HTMLParser):
    """Collects the ways onward: links, what scripts would load, and forms."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.links: list[str] = []
        self.parts: list[str] = []
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in found:
            self.links.append(urljoin(self.address, found["href"]))
        if "data-hx-get" in found:
            self.parts.append(urljoin(self.address, found["data-hx-get"] or self.address))
        if tag == "form":
            action = urljoin(self.address, found.get("action") or self.address)
            self.forms.append(Form(self.address, action, found.get("method", "get").lower()))
        if tag == "textarea" or (tag == "input" and found.get("type", "text") not in PICKED):
            for form in self.forms[-1:]:
                form.is_typed_into = True
        if tag == "input" and found.get("type") == "hidden" and self.forms:
            self.forms[-1].fields[found.get("name", "")] = found.get("value", "")


@dataclass(slots=True)
class Walk:
    """What one visitor sees."""

    pages: list[Page] = field(default_factory=list)
    parts: list[Page] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    endpoints: set[str] = field(default_factory=set)


def page_rules(app: Flask) -> list[Rule]:
    """Return the routes that show pages."""
    return sorted(
        (
            rule
            for rule in app.url_map.iter_rules()
            if "GET" in (rule.methods or ()) and not rule.rule.startswith(NOT_PAGES) and "openapi" not in rule.rule
        ),
        key=lambda rule: rule.rule,
    )


def addresses(app: Flask, made: Furnished) -> tuple[list[str], list[str]]:
    """Return the addresses of the pages as the filled workspace makes them, and what could not be made."""
    found, unknown = [], []
    adapter = app.url_map.bind("localhost")
    for rule in page_rules(app):
        values = {name: _values(rule, name, made) for name in rule.arguments - set(rule.defaults or {})}
        missing = sorted(name for name, choice in values.items() if not choice)
        if missing:
            unknown.append(f"{rule.rule}: {', '.join(missing)}")
            continue
        for place in range(max((len(choice) for choice in values.values()), default=1)):
            chosen = {name: choice[min(place, len(choice) - 1)] for name, choice in values.items()}
            found.append(adapter.build(rule.endpoint, {**(rule.defaults or {}), **chosen}))
    return [*dict.fromkeys([*found, made.making, made.consent])], unknown


def _values(rule: Rule, name: str, made: Furnished) -> list[object]:
    if name == "secret":
        return list(made.secrets.get(rule.endpoint, ()))
    if name == "slug":
        slugs = {"tenancy.removal": made.demo_slug, "tenancy.making": f"third-{made.acme.slug}"[:40].rstrip("-")}
        return [slugs.get(rule.endpoint, made.acme.slug)]
    return list(made.ids.get(name, ()))


def signature(app: Flask, address: str) -> str:
    """Return what makes an address another kind of page: its route and what its question names; several are alike."""
    parts = urlsplit(address)
    try:
        rule, _values = app.url_map.bind("localhost").match(parts.path, "GET", return_rule=True)
    except Exception:  # noqa: BLE001 - whatever it is, it is no page; asking for it tells
        return address
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    question = sorted(f"{name}={value}" for name, value in asked.items() if name in VALUES_THAT_MATTER)
    others = sorted(set(asked) - VALUES_THAT_MATTER)
    return f"{rule.endpoint}?{'&'.join([*question, *(others if len(others) < SEVERAL else ['several'])])}"


def walk(app: Flask, client: FlaskClient, starts: list[str], *, within: str = "") -> Walk:
    """Ask for every start and for an example of everything linked from there; collect what does not answer.

    `within` keeps to links that begin so; links to other sites are collected as broken.
    """
    seen: dict[str, int] = {}
    done: set[str] = set()
    walked = Walk()
    queue = deque((address, "", False) for address in starts)
    while queue:
        address, source, is_part = queue.popleft()
        address = address.partition("#")[0]
        if (address, is_part) in done or not address:
            continue
        mark = signature(app, address) + ("|part" if is_part else "")
        if source and seen.get(mark, 0) >= (1 if urlsplit(address).query or is_part else EXAMPLES_MAX):
            continue
        done.add((address, is_part))
        seen[mark] = seen.get(mark, 0) + 1
        headers = {"HX-Request": "true", "HX-Request-Type": "partial"} if is_part else {}
        answer = client.get(address, headers=headers)
        if source and answer.status_code >= FIRST_ERROR:
            walked.broken.append(f"{address} answers {answer.status_code} (linked from {source})")
        endpoint = signature(app, address).partition("?")[0]
        walked.endpoints.add(endpoint)
        page = Page(address, endpoint, answer.status_code, answer.mimetype, "")
        if answer.is_json or not answer.mimetype.startswith("text/html"):
            continue
        page.text = answer.get_data(as_text=True)
        whole = page.text.lstrip()[:9].lower() == "<!doctype" or not page.text
        (walked.pages if whole else walked.parts).append(page)
        reader = _Reader(address)
        reader.feed(page.text)
        walked.forms.extend(reader.forms if not is_part else [])
        onward = [(link, False) for link in reader.links] + [(link, True) for link in reader.parts]
        if REDIRECT <= answer.status_code < FIRST_ERROR:
            onward.append((urljoin(address, answer.headers["Location"]), False))
        for link, part in onward:
            if link.startswith(("http:", "https:", "//")) and not link.startswith("http://localhost/"):
                walked.broken.append(f"{link} leaves the product (linked from {address})")
            elif not link.startswith(("mailto:", "javascript:")) and link.startswith(within or "/"):
                queue.append((link, address, part))
    return walked


def worth_a_look(walked: Walk) -> list[Page]:
    """Return the whole pages of a walk, of refusals one example each."""
    refused: set[tuple[str, int]] = set()
    found = []
    for page in walked.pages:
        if page.status >= FIRST_ERROR:
            if (page.endpoint, page.status) in refused:
                continue
            refused.add((page.endpoint, page.status))
        if page.status < REDIRECT or page.status >= FIRST_ERROR:
            found.append(page)
    return found


def refusals(client: FlaskClient, walked: Walk) -> Iterator[Page]:
    """Send every form in which something is typed empty, and yield the answers; `endpoint` is the form's page.

    Some forms may be sent empty: the workspace is another one afterwards.
    """
    seen = set()
    for form in walked.forms:
        mark = re.sub(r"\d+|[0-9a-f-]{36}|\?.*", "#", form.action)
        if form.method != "post" or mark in seen or not form.is_typed_into:
            continue
        seen.add(mark)
        answer = client.post(form.action, data=form.fields)
        yield Page(form.action, form.page, answer.status_code, answer.mimetype, answer.get_data(as_text=True))
