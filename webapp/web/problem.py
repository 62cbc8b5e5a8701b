"""Refusals and failures, mapped once: a page for people, a problem document (RFC 9457) for programs."""

import errno
import re
from datetime import datetime
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, jsonify, request
from flask.globals import request_ctx
from flask_babel import gettext as _
from flask_babel import ngettext
from psycopg.errors import DiskFull
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException

from webapp.kernel.errors import N_, DomainError, FieldError, Word
from webapp.web.render import error_page, moment

log = structlog.get_logger()

TITLES = {
    400: N_("The request cannot be understood"),
    401: N_("Sign-in needed"),
    403: N_("You may not do this"),
    404: N_("Not found"),
    405: N_("This address does not accept that method"),
    406: N_("There is no such representation"),
    409: N_("This is not possible now"),
    410: N_("Gone"),
    412: N_("Changed in the meantime"),
    413: N_("Too large"),
    415: N_("Wrong kind of content"),
    422: N_("Some of what was entered cannot be accepted"),
    428: N_("A condition is missing"),
    429: N_("Too many requests"),
    500: N_("Something went wrong on our side"),
    503: N_("Not available at the moment"),
}
CODES = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    410: "gone",
    412: "precondition_failed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "unprocessable",
    428: "precondition_required",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}
"""What HTTP's own refusals are called; each stands in the catalogue of problems."""
AWAY = frozenset({None, "40001", "40P01", "53300", "57P01", "57P02", "57P03", "57P05"})
"""States of a database that is away, full of callers, or that broke a deadlock: a repeat may go through."""
CONNECTION = "08"
"""What a server or a pooler says of connections begins so: PgBouncer's 08P01 is one of them."""
BUSY = frozenset({"55P03", "57014"})
"""Somebody else's act held what this one needs for too long, or it took too long: a repeat may go through."""
FULL = "53100"
"""The database has no room to write; what only reads goes on."""
FULL_SECONDS = 60
"""So long whoever was refused for want of room is asked to wait: a person has to make some."""
DETAILS = {
    400: N_("Send what the description of the call asks for, as JSON that can be read."),
    401: N_("Send a valid token of this workspace: Authorization: Bearer cpt_live_…"),
    404: N_("There is nothing here, or nothing that you may see."),
    405: N_("Use one of the methods that the header Allow names."),
    413: N_("Send less at once: several batches, or the parts of a file."),
    415: N_("Send the kind of content that the description of the call names."),
    429: N_("Wait as many seconds as Retry-After says, then repeat the call."),
    500: N_("It was noted with the number below. Nothing was changed. Please try again."),
    503: N_("Something that Comptoir needs does not answer. Nothing was changed. Please try again in a moment."),
}


OF_CALLS = frozenset({400, 401, 405})
"""Their details speak of calls; a page says what to do in its advice."""
MINUTE = 60
_PROGRAMS = re.compile(r"/api/|/t/[^/]+/access/[^/]+/access/")
"""Addresses that only programs ask: the JSON API, and the decision points of policy stores."""


def is_api() -> bool:
    """Tell whether a program asks: it is answered problems, everybody else pages."""
    return _PROGRAMS.match(request.path) is not None


def translate(text: str, params: dict[str, Any]) -> str:
    """Translate a message of the domain, and the words and moments among its params, into the reader's language."""
    if not text:
        return ""  # of the empty text gettext would answer the catalogue's header
    said = {name: _said(value) for name, value in params.items()}
    return _(text, **said) if said else _(text)


def _said(value: Any) -> Any:
    if isinstance(value, Word):
        return _(value)
    return moment(value) if isinstance(value, datetime) else value


def problem(
    status: int,
    *,
    code: str,
    title: str,
    detail: str,
    errors: tuple[FieldError, ...] = (),
    headers: dict[str, str] | None = None,
    more: dict[str, Any] | None = None,
) -> Response:
    """Build a problem document; `errors` point at the fields (JSON pointers), `more` are further members of it."""
    body: dict[str, Any] = {
        "type": f"/api/v1/problems#{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.path,
        "code": code,
        "request_id": g.get("request_id", ""),
        **(more or {}),
    }
    if errors:
        body["errors"] = [
            {"pointer": f"/{error.field}", "code": error.code, "detail": translate(error.message, error.params)}
            for error in errors
        ]
    response = jsonify(body)
    response.status_code = status
    response.content_type = "application/problem+json"
    response.headers.extend(headers or {})
    return response


def answer(error: DomainError) -> Response:
    """Answer an anticipated failure."""
    title, detail = translate(error.title, {}), translate(error.text, error.params)
    if is_api():
        return problem(error.status, code=error.code, title=title, detail=detail, errors=error.errors, more=error.more)
    return error_page(error.status, title=title, detail=detail, errors=error.errors, more=error.more)


def answer_status(status: int, *, code: str, detail: str = "", headers: dict[str, str] | None = None) -> Response:
    """Answer a failure of HTTP itself."""
    title = translate(TITLES.get(status, HTTPStatus(status).phrase), {})
    if is_api():
        detail = detail or translate(DETAILS.get(status, ""), {})
        return problem(status, code=code, title=title, detail=detail, headers=headers)
    detail = detail or _told(status, headers or {})
    if request_ctx.url_adapter is None:
        # The Host cannot be read, so no page can name its style sheet.
        return Response(f"{title}\n{detail}\n", status, headers, content_type="text/plain; charset=utf-8")
    response = error_page(status, title=title, detail=detail)
    response.headers.extend(headers or {})
    return response


def _told(status: int, headers: dict[str, str]) -> str:
    """Tell a person what DETAILS tells a program."""
    if status != HTTPStatus.TOO_MANY_REQUESTS:
        return "" if status in OF_CALLS else translate(DETAILS.get(status, ""), {})
    seconds = int(headers.get("Retry-After", MINUTE))
    if seconds <= MINUTE:
        return ngettext("Please try again in %(num)d second.", "Please try again in %(num)d seconds.", seconds)
    minutes = -(-seconds // MINUTE)
    return ngettext("Please try again in %(num)d minute.", "Please try again in %(num)d minutes.", minutes)


def install(app: Flask) -> None:  # noqa: C901 - one short handler for each kind of failure
    """Register the handlers of every error."""

    @app.errorhandler(DomainError)
    def domain(error: DomainError) -> Response:
        return answer(error)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Any:
        status = error.code or 500
        if status < HTTPStatus.BAD_REQUEST:
            return error
        headers = {key: value for key, value in error.get_headers() if key in {"Allow", "Retry-After"}}
        code = CODES.get(status, "bad_request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal_error")
        # What werkzeug says by itself is English; what a door of ours says is in the reader's language already.
        # The limiter describes itself by its rule ("5 per 300 second"), which is no sentence in any language.
        says_nothing = error.description == type(error).description or status == HTTPStatus.TOO_MANY_REQUESTS
        detail = "" if says_nothing else error.description or ""
        return answer_status(status, code=code, detail=detail, headers=headers)

    @app.errorhandler(PoolTimeoutError)
    def busy(_error: PoolTimeoutError) -> Response:
        return answer_status(503, code="busy", headers={"Retry-After": "2"})

    @app.errorhandler(DBAPIError)
    def database(error: DBAPIError) -> Response:
        if isinstance(error, DataError) and getattr(error.orig, "sqlstate", None) is None:
            return unstorable(error)
        state = getattr(error.orig, "sqlstate", None)
        if error.connection_invalidated or state in AWAY or state.startswith(CONNECTION):
            log.warning("database.unreachable", reason=str(error.orig).splitlines()[0])
            return answer_status(503, code="database_unreachable", headers={"Retry-After": "2"})
        if state in BUSY:
            log.warning("database.busy", reason=str(error.orig).splitlines()[0])
            return answer_status(503, code="busy", headers={"Retry-After": "2"})
        if state == FULL:
            return full(error.orig)
        return unexpected(error)

    @app.errorhandler(DiskFull)
    def full(error: BaseException | None) -> Response:
        log.error("storage.full", reason=str(error).splitlines()[0])
        detail = _(
            "The disk of this installation is full, so nothing can be kept. Nothing was changed. Please tell whoever "
            "runs the installation, and try again when there is room."
        )
        return answer_status(503, code="storage_full", detail=detail, headers={"Retry-After": str(FULL_SECONDS)})

    @app.errorhandler(OSError)
    def not_written(error: OSError) -> Response:
        return full(error) if error.errno in {errno.ENOSPC, errno.EDQUOT} else unexpected(error)

    @app.errorhandler(UnicodeEncodeError)
    def unstorable(_error: Exception) -> Response:
        """Refuse NUL and halves of surrogate pairs, which no text of the database can hold."""
        found = HTTPStatus.NOT_FOUND if request.method in {"GET", "HEAD"} else HTTPStatus.UNPROCESSABLE_ENTITY
        return answer_status(
            found, code="unstorable_text", detail=_("A text contains a character that cannot be kept.")
        )

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log.error("request.failed", exc_info=error)
        if current_app.testing and current_app.config.get("RAISE_UNEXPECTED"):
            raise error
        return answer_status(500, code="internal_error")
