"""Pages and their fragments: a fragment is the named block of the same template, its name the element's id."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time, format_timedelta, get_datetime_format
from babel.numbers import format_compact_currency, format_currency, format_decimal, format_percent, get_currency_symbol
from flask import Flask, Response, current_app, g, has_request_context, make_response, render_template, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from jinja2_fragments.flask import render_block

from webapp.kernel.errors import FieldError
from webapp.kernel.files import product_files
from webapp.kernel.money import exponent

FRAME = "base.html"

_MARKS_BEFORE = re.compile("^[\u200e\u200f\u061c]+(-?)[\u200e\u200f\u061c]*")
_ENGLISH_OF = re.compile("en-([a-z]{2})", re.ASCII | re.IGNORECASE)
_LEFT_TO_RIGHT, _RIGHT_TO_LEFT, _END = "\u2066", "\u2067", "\u2069"


@dataclass(slots=True)
class Frame:
    """What surrounds every page: who looks at which workspace, and the ways onward."""

    person: Any = None
    tenant: Any = None
    tenants: list[Any] = field(default_factory=list)
    nav: list[Any] = field(default_factory=list)
    may_do: Callable[[], frozenset[str]] = frozenset
    """What the person may; worked out when a page first asks."""
    may_some: Callable[[str], bool] = lambda _permission: False
    """Whether the person may on single accounts at least."""
    jobs_running: int = 0
    jobs_href: str = ""

    def may(self, permission: str) -> bool:
        """Tell whether the person may, so that a page offers only what will not be refused."""
        return permission in self.may_do()

    @property
    def links(self) -> dict[str, str]:
        """Return the ways to the person's own pages, and to the platform's for operators."""
        names = {"profile": "identity.profile", "sessions": "identity.sessions", "sign_out": "identity.sign_out"}
        if self.person and self.person.is_operator:
            names["platform"] = "platform.overview"
        return {name: url_for(endpoint) for name, endpoint in names.items()}

    @property
    def theme(self) -> str:
        """Return system, light or dark."""
        return self.person.theme if self.person else "system"

    @property
    def density(self) -> str:
        """Return comfortable or compact."""
        return self.person.density if self.person else "comfortable"

    @property
    def locale(self) -> str:
        """Return the language of the page."""
        return str(get_locale() or "en")

    @property
    def dir(self) -> str:
        """Return ltr or rtl."""
        locale = get_locale()
        return locale.text_direction if locale else "ltr"


def frame() -> Frame:
    """Return the frame of this request."""
    if "frame" not in g:
        g.frame = Frame()
    found: Frame = g.frame
    return found


def render(template: str, *, status: int = 200, **context: Any) -> Response:
    """Render a page, or only the block that htmx asked for."""
    block = wanted_block(template)
    body = render_block(template, block, **context) if block else render_template(template, **context)
    response = make_response(body, status)
    response.vary.update(("HX-Request", "HX-Request-Type", "Cookie", "Accept-Language"))
    response.headers["Cache-Control"] = "no-store"
    return response


def wanted_block(template: str) -> str | None:
    """Return the block whose name is the id of the element that htmx will replace, if the template has it."""
    if request.headers.get("HX-Request-Type") != "partial":
        return None
    target = request.headers.get("HX-Target", "").rpartition("#")[2].replace("-", "_")
    templates = current_app.jinja_env
    # What the frame consists of is no fragment: it needs the frame around it.
    found = target in templates.get_template(template).blocks and target not in templates.get_template(FRAME).blocks
    return target if found else None


def error_page(
    status: int,
    *,
    title: str,
    detail: str,
    errors: tuple[FieldError, ...] = (),
    more: dict[str, Any] | None = None,
) -> Response:
    """Render what happened, why, and what to do; `more` is the decision behind a refusal."""
    return make_response(
        render_template(
            "errors/error.html",
            status=status,
            title=title,
            detail=detail,
            errors=[(error.field, _(error.message, **error.params)) for error in errors],
            request_id=g.get("request_id", ""),
            decision=more or {},
        ),
        status,
    )


def see_other(location: str) -> Response:
    """Answer a post that succeeded: go and look at the result."""
    response = make_response("", 303)
    response.headers["Location"] = location
    return response


@lru_cache(maxsize=512)
def _static_version(name: str) -> str:
    path = product_files("static") / name
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else "0"


def static_url(name: str) -> str:
    """Return the address of a static file with the hash of its content, so that it can be cached for ever."""
    return url_for("static", filename=name, v=_static_version(name))


def in_one_piece(text: str) -> str:
    """Keep a figure's sign and currency at their places within right-to-left words, wherever it is written.

    Marks of direction that the locale puts before the digits would move the sign to the other end; the mark after
    a currency of right-to-left letters keeps that currency's last dot.
    """
    locale = get_locale()
    if locale is None or locale.text_direction == "ltr":
        return text
    return _LEFT_TO_RIGHT + _MARKS_BEFORE.sub(r"\1", text) + _END


def amount(minor: int, currency: str) -> str:
    """Write an amount in the reader's language, without its currency."""
    places = exponent(currency)
    pattern = "#,##0" + ("." + "0" * places if places else "")
    return in_one_piece(format_decimal(Decimal(minor).scaleb(-places), format=pattern, locale=get_locale()))


def money(minor: int, currency: str) -> str:
    """Write an amount in the reader's language, with its currency."""
    places = exponent(currency)
    locale = get_locale()
    pattern = locale.currency_formats["standard"].pattern if locale else "¤#,##0.00"
    pattern = pattern.replace("#,##0.00", "#,##0" + ("." + "0" * places if places else ""))
    if get_currency_symbol(currency, locale)[-1:].isalpha():
        pattern = pattern.replace("¤#", "¤\u00a0#")  # CLDR's currencySpacing, which Babel leaves out
    text = format_currency(
        Decimal(minor).scaleb(-places),
        currency,
        format=pattern,
        locale=locale,
        currency_digits=False,
    )
    return in_one_piece(text)


def money_axis(minor: int, currency: str) -> str:
    """Write a round amount shortly, for the axis of a chart: "€40K"."""
    value = Decimal(minor).scaleb(-exponent(currency))
    digits = 0 if value % 1000 == 0 else 1
    return in_one_piece(format_compact_currency(value, currency, locale=get_locale(), fraction_digits=digits))


def percent(value: float, *, signed: bool = False) -> str:
    """Write a share in per cent in the reader's language: 81.2 becomes "81.2%"."""
    locale = get_locale()
    pattern = locale.percent_formats[None].pattern if locale else "#,##0%"
    pattern = pattern.replace("#,##0", "#,##0.#")
    text = format_percent(Decimal(str(value)) / 100, format=pattern, locale=locale)
    return in_one_piece(("+" if signed and value > 0 else "") + text)


def day(value: date, style: str = "medium") -> str:
    """Write a date in the reader's language."""
    return _apart(format_date(value, format=style, locale=_locale_of_dates()))


def moment(value: datetime, style: str = "medium") -> str:
    """Write an instant (UTC) in the reader's language, to the minute; `style="exact"` adds the second."""
    locale = _locale_of_dates()
    if style == "exact":
        return _apart(format_datetime(value, format="medium", locale=locale))
    glue = get_datetime_format(style, locale=locale)
    time, date_ = format_time(value, format="short", locale=locale), format_date(value, format=style, locale=locale)
    return _apart(glue.replace("'", "").replace("{0}", time).replace("{1}", date_))


def _locale_of_dates() -> Locale | None:
    """Return the locale of the page; English has two orders of day and month, and the browser's region tells which."""
    locale = get_locale()
    if locale is None or locale.language != "en" or not has_request_context():
        return locale
    asked = (_ENGLISH_OF.fullmatch(one) for one in request.accept_languages.values())
    return _english_of(next((one[1].upper() for one in asked if one), "")) or locale


@lru_cache(maxsize=1000)
def _english_of(region: str) -> Locale | None:
    try:
        return Locale("en", region) if region else None
    except UnknownLocaleError:
        return None


def _apart(text: str) -> str:
    """Keep a date together within right-to-left words, also after a name of left-to-right letters."""
    locale = get_locale()
    is_plain = locale is None or locale.text_direction == "ltr"
    return text if is_plain else _RIGHT_TO_LEFT + text + _END


def ago(value: datetime) -> str:
    """Write how long ago an instant (UTC) was, in the reader's language; at least a minute."""
    before = min(value - g.at, timedelta(seconds=-1))
    return _apart(format_timedelta(before, granularity="minute", add_direction=True, locale=get_locale()))


def count(value: int) -> str:
    """Write a whole number in the reader's language."""
    return format_decimal(value, locale=get_locale())


def install(app: Flask) -> None:
    """Give the templates their filters and globals."""
    app.jinja_env.filters |= {
        "money": money,
        "money_axis": money_axis,
        "amount": amount,
        "percent": percent,
        "day": day,
        "moment": moment,
        "ago": ago,
        "count": count,
    }
    app.jinja_env.globals |= {"static_url": static_url, "may": lambda permission: frame().may(permission)}
    app.jinja_env.globals["may_some"] = lambda permission: frame().may_some(permission)
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True

    @app.context_processor
    def give_frame() -> dict[str, Any]:
        return {"frame": frame()}
