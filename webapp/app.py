"""The Flask application: the one list of its rooms."""

import signal
import sys
from datetime import timedelta
from typing import Any

import structlog
from flask import Flask, Response, g, request
from flask_babel import Babel
from flask_babel import gettext as _
from flask_openapi3 import Info, OpenAPI
from flask_wtf.csrf import CSRFError, CSRFProtect
from pydantic import ValidationError
from redis import Redis

from tenants.money.accounts import api as accounts_api
from tenants.money.imports import api as imports_api
from tenants.money.ledger import api as ledger_api
from webapp import __version__
from webapp.identity import pages as identity_pages
from webapp.identity.door import check_declarations
from webapp.jobs.delivery import Courier
from webapp.kernel.clock import utc_now
from webapp.kernel.db import Database, app_url
from webapp.kernel.errors import FieldError
from webapp.kernel.files import product_files
from webapp.kernel.ids import new_id, new_secret
from webapp.settings import Settings
from webapp.web import headers, health, limits, logs, problem, render, unit
from webapp.web.state import KEY, Services

API_ROOMS = (accounts_api.bp, imports_api.bp, ledger_api.bp)
PAGE_ROOMS = (identity_pages.bp,)


def create_app(settings: Settings, **overrides: Any) -> Flask:
    """Build the application; `overrides` replace services (clock, ids) in tests."""
    logs.configure(settings.log_level)
    app = OpenAPI(
        __name__,
        info=Info(title="Comptoir", version=__version__, description="Money, work and access rules of a workspace."),
        security_schemes={"token": {"type": "http", "scheme": "bearer", "bearerFormat": "cpt_live_…"}},
        validation_error_callback=_unprocessable,
        doc_ui=False,
        static_folder=str(product_files("static")),
        template_folder=str(product_files("templates")),
    )
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=settings.upload_bytes_max + 64 * 1024,
        MAX_FORM_MEMORY_SIZE=4 * 1024 * 1024,
        SESSION_COOKIE_NAME="__Host-comptoir-form" if settings.secure else "comptoir-form",
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=settings.session_absolute_seconds),
        BABEL_TRANSLATION_DIRECTORIES=str(product_files("translations")),
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_CHECK_DEFAULT=False,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    redis: Redis[Any] = Redis.from_url(settings.redis_url, socket_connect_timeout=2, socket_timeout=5)
    services: dict[str, Any] = {
        "settings": settings,
        "database": Database(
            app_url(settings.database_url, settings.secret_key),
            pool_size=settings.database_pool_size,
            pooler=settings.database_pooler,
            tenants_per_connection=settings.tenants_per_connection,
        ),
        "redis": redis,
        "clock": utc_now,
        "new_id": new_id,
        "new_secret": new_secret,
        "after_commit": Courier(redis).after_commit,
    }
    app.extensions[KEY] = Services(**(services | overrides))
    app.extensions["navigation"] = navigation
    Babel(app, locale_selector=_locale)
    logs.install(app)
    headers.install(app, settings)
    unit.install(app)
    problem.install(app)
    render.install(app)
    limits.install(app, settings)
    _protect_forms(app)
    for room in PAGE_ROOMS:
        app.register_blueprint(room)
    for room in API_ROOMS:
        limits.limit_api(room)
        app.register_api(room)
    app.register_blueprint(health.blueprint({"valkey": health.valkey}))
    for endpoint in ("health.livez", "health.readyz"):
        app.view_functions[endpoint].public = True  # type: ignore[attr-defined]
    check_declarations(app)
    return app


def navigation(frame: Any, slug: str) -> list[Any]:
    """Return the wings of a workspace with the rooms that the person may enter."""
    return []


def _locale() -> str:
    person = g.get("person")
    chosen = person.language if person else request.accept_languages.best_match(["en", "fr", "ar"])
    return chosen or "en"


def _protect_forms(app: Flask) -> None:
    """Check the form token of every unsafe request that is not authorised by a token header."""
    csrf = CSRFProtect(app)

    @app.before_request
    def check_token() -> None:
        if not problem.is_api():
            csrf.protect()

    @app.errorhandler(CSRFError)
    def refused(error: CSRFError) -> Response:
        structlog.get_logger().warning("request.csrf_refused", reason=error.description)
        return problem.answer_status(
            403, code="csrf", detail=_("The form is too old or was not ours. Go back, reload the page, send it again."),
        )


def _unprocessable(error: ValidationError) -> Response:
    fields = tuple(
        FieldError("/".join(str(part) for part in item["loc"]), item["type"], item["msg"].replace("%", "%%"))
        for item in error.errors(include_url=False, include_context=False)[:100]
    )
    return problem.problem(
        422, code="invalid", title=_("Some of what was entered cannot be accepted"),
        detail=_("Please correct what is marked and send it again."), errors=fields,
    )


def serve(settings: Settings) -> None:
    """Serve web requests until the process is told to stop."""
    from waitress import create_server

    app = create_app(settings)
    server = create_server(app, host=settings.host, port=settings.port, threads=settings.web_threads, ident=None)
    # SystemExit lets waitress finish the requests that it has taken.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.run()
