"""Show a trail, and give it as a file: the same for a workspace and, by registration, for the installation."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, Any

from flask import Response, current_app, g, request, url_for
from flask_babel import gettext as _

from tenants.office.trail import words
from tenants.office.trail.forms import WAYS, search_of, values_of
from tenants.office.trail.naming import accounts_of, named, names_of, sought
from tenants.office.trail.rules import OF_ACCOUNTS, changes_of
from webapp.audit import exports, queries
from webapp.audit.commands import record
from webapp.audit.queries import Search
from webapp.audit.rules import PLATFORM, Event, PublicKey
from webapp.audit.seals import Chain
from webapp.identity.notices import tell
from webapp.kernel.db import on_platform
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.kernel.files import product_files
from webapp.web.pagination import cut, read_cursor
from webapp.web.render import day, render

ACCOUNT_NAMES = "account_names"
"""Under this name the application keeps who tells what accounts are called, by their ids."""
PAGE_ROWS = 50
FORMATS = {"jsonl": "application/x-ndjson", "csv": "text/csv"}
PIECE_BYTES = 64 * 1024
SCRIPT = "verify_trail.py"
VIA_NAMES = {
    "session": N_("on a page"),
    "token": N_("over the API"),
    "job": N_("in a job"),
    "cli": N_("on the command line"),
    "link": N_("by a link"),
}


INSTALLATION = ("platform_trail.list_events", "platform_trail.export", "platform_trail.script")


@dataclass(frozen=True, slots=True)
class Place:
    """Whose trail it is: its chain, the name that its files carry, and the endpoints of its pages."""

    chain: Chain
    name: str
    list_endpoint: str
    export_endpoint: str
    script_endpoint: str


def installation() -> Place:
    """Return the place of the installation's own trail; the request is bound to the platform."""
    return Place(Chain.of(None), PLATFORM, *INSTALLATION)


def show(place: Place) -> Response:
    """Show a page of the bound trail: what the address asks for, newest first."""
    filters = values_of(request.args)
    search, errors = search_of(filters)
    search = sought(session=g.db, search=search)
    given = {name: text for name, text in filters.items() if text}
    position = read_cursor("audit-events", request.args.get("cursor"))
    rows = queries.events(session=g.db, limit=PAGE_ROWS + 1, search=search, before_id=position[0] if position else None)
    page, older = cut(rows, PAGE_ROWS, "audit-events", lambda row: [row.id])
    people = names_of(session=g.db, events=page)
    accounts = _accounts(place, page)
    sealed = queries.sealed(session=g.db)
    return render(
        "office/trail/trail.html",
        status=422 if errors else 200,
        events=page,
        people=people,
        accounts=accounts,
        changes_of=changes_of,
        action_options=_options(words.ACTIONS, filters["action"]),
        object_options=_options(words.OBJECTS, filters["object_type"]),
        via_options=[(one, _(VIA_NAMES[one])) for one in WAYS],
        **names(accounts),
        filters=filters | {"actor": people.get(filters["actor"], filters["actor"])},
        errors={name: _(error) for name, error in errors.items()},
        filtered=bool(given),
        sealed=sealed,
        waiting=queries.waiting(session=g.db),
        key=_key(sealed),
        clear_href=url_for(place.list_endpoint),
        export_hrefs={one: url_for(place.export_endpoint, format=one, **given) for one in FORMATS},
        script_href=url_for(place.script_endpoint),
        first_href=url_for(place.list_endpoint, **given) if position else None,
        next_href=url_for(place.list_endpoint, cursor=older, **given) if older else None,
        filter_href=lambda **change: url_for(place.list_endpoint, **(given | change)),
    )


def _accounts(place: Place, events: Sequence[Event]) -> dict[str, str]:
    """Return what the accounts of a workspace's events are called; the installation's own has none."""
    if place.name == PLATFORM:
        return {}
    return accounts_of(events=events, asked=current_app.extensions[ACCOUNT_NAMES])


def names(accounts: dict[str, str]) -> dict[str, Any]:
    """Return what a template needs to tell events in the reader's words; `accounts` are names by id."""
    return {
        "action_name": lambda name: _(words.ACTIONS[name]) if name in words.ACTIONS else name,
        "object_name": lambda name: _(words.OBJECTS[name]) if name in words.OBJECTS else name,
        "via_name": lambda via: _(VIA_NAMES[via]) if via in VIA_NAMES else via,
        "field_name": _field_name,
        "value_name": lambda name, text: _account_name(accounts, name, text) or _value_name(name, text),
    }


def _account_name(accounts: dict[str, str], name: str, text: str) -> str:
    """Return the name of the account whose id a field holds, and nothing for all others."""
    return accounts.get(text, "") if name.rpartition("/")[2] in OF_ACCOUNTS else ""


def _value_name(name: str, text: str) -> str:
    """Return a value that is one of a few names in words, a day in the reader's way, and nothing for all others."""
    if said := words.value_words(name, text):
        return _(said)
    try:
        return day(date.fromisoformat(text)) if name == "date" or name.endswith("_on") else ""
    except ValueError:
        return ""  # what a statement said, which was no day


def give_asked(place: Place) -> Response:
    """Give what the address asks for as a file, or the page with what cannot be asked for.

    Raises Invalid, TooManyEvents.
    """
    asked = values_of(request.args)
    search, errors = search_of(asked)
    search = sought(session=g.db, search=search)
    return show(place) if errors else give(place, search, request.args.get("format", ""), asked)


def give(place: Place, search: Search, file_format: str, asked: dict[str, str]) -> Response:
    """Give what a search finds as a file; that it was given is an event itself, and the person is told by mail.

    Raises TooManyEvents.
    """
    if file_format not in FORMATS:
        raise Invalid(errors=(FieldError("format", "format", N_("Choose jsonl or csv.")),))
    exports.count(session=g.db, search=search)
    record(
        session=g.db,
        actor=g.actor,
        at=g.at,
        action="trail.exported",
        object_type="trail",
        object_id=place.chain.name,
        difference={"format": (None, file_format), "filters": (None, _told(asked, search))},
    )
    tell(
        session=g.db,
        person_id=g.person.id,
        kind="export_made",
        params={"workspace": place.name, "what": _("Trail")},
        at=g.at,
        actor=g.actor,
    )
    if file_format == "csv":
        lines = exports.csv_lines(session=g.db, search=search, named=lambda events: named(session=g.db, events=events))
    else:
        lines = exports.proof_lines(
            session=g.db,
            chain=place.chain,
            name=place.name,
            search=search,
            keys=_keys(),
            at=g.at,
            names_of=lambda events: names_of(session=g.db, events=events),
        )
    return _file(lines, place.name, file_format, g.at)


def _told(asked: dict[str, str], search: Search) -> dict[str, str]:
    """Return what was asked for as the trail keeps it: a person by their id, and no address."""
    kept = asked | {"actor": search.actor_id or search.actor}
    return {name: "…@…" if "@" in text else text for name, text in kept.items() if text}


def give_script() -> Response:
    """Give the program that verifies an export without Comptoir."""
    script = (product_files("webapp") / "audit" / "offline.py").read_bytes()
    return Response(script, mimetype="text/x-python", headers=_attached(SCRIPT))


def _file(lines: Iterable[bytes], name: str, file_format: str, at: datetime) -> Response:
    """Write the file first, so that no slow reader holds a transaction open; it goes away with the answer."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it
    try:
        file.writelines(lines)
        size = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    told = f"trail-{name}-{at:%Y%m%dT%H%M%SZ}.{file_format}"
    response = Response(_pieces(file), mimetype=FORMATS[file_format], headers=_attached(told))
    response.content_length = size
    response.call_on_close(file.close)
    return response


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _attached(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename={name}", "Cache-Control": "no-store"}


def _keys() -> list[PublicKey]:
    with on_platform(g.db) if g.db.info.get("tenant") else nullcontext():
        return queries.public_keys(session=g.db)


def _key(sealed: queries.Sealed | None) -> str:
    if sealed is None:
        return ""
    with on_platform(g.db) if g.db.info.get("tenant") else nullcontext():
        found = queries.key(session=g.db, key_id=sealed.key_id)
    return found.public_key.hex() if found else ""


def _options(known: dict[str, str], asked: str) -> list[tuple[str, str]]:
    """Return what can be chosen, in the order of the reader's words; what the address asks for is always among it."""
    options = sorted(((name, _(message)) for name, message in known.items()), key=lambda option: option[1].casefold())
    return options if not asked or asked in known else [*options, (asked, asked)]


def _field_name(name: str) -> str:
    message, number = words.field_words(name)
    if not message:
        return name
    return f"{_(message)} {number}" if number else _(message)
