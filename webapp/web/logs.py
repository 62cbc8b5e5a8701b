"""Structured logs on standard output: one JSON object a line, with request id, tenant, person, route, duration."""

import logging
import re
import sys
import time
from typing import Any

import structlog
from flask import Flask, Response, g, request

from webapp.kernel.ids import new_id
from webapp.web.scrubbing import scrub

REQUEST_ID_LENGTH_MAX = 64
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, level 1: version, trace id, parent id, flags; all-zero ids and version ff are invalid."""
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
]
_END: list[Any] = [structlog.processors.format_exc_info, scrub, structlog.processors.JSONRenderer()]
_LINE: list[Any] = [*_SHARED, *_END]
"""One list for the life of the process: loggers that were used already hold it."""


def configure(level: str) -> None:
    """Send structlog and the standard library's loggers to standard output as JSON lines."""
    level = level.upper()
    structlog.configure(
        processors=_LINE,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_END],
        ),
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel("WARNING" if level == "INFO" else level)


def install(app: Flask) -> None:
    """Give every request an id, echo it, and log the request's end."""
    log = structlog.get_logger()

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-Id", "")
        usable = 0 < len(given) <= REQUEST_ID_LENGTH_MAX and set(given) <= _SAFE
        trace = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
        g.request_id = given if usable else trace[1] if trace else new_id().hex
        g.began = time.perf_counter()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)
        if trace:
            structlog.contextvars.bind_contextvars(trace_id=trace[1])

    @app.after_request
    def end(response: Response) -> Response:
        # A door that promises it has answered with the caller's own id, whatever it is.
        response.headers.setdefault("X-Request-Id", g.get("request_id", ""))
        seconds = time.perf_counter() - g.get("began", time.perf_counter())
        route = request.url_rule.rule if request.url_rule else "unmatched"
        quiet = request.endpoint in {"static", "health.livez", "health.readyz"}
        (log.debug if quiet else log.info)(
            "request",
            method=request.method,
            route=route,
            status=response.status_code,
            milliseconds=round(seconds * 1000, 2),
        )
        return response
