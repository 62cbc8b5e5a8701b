"""The Flask application: put together, and served."""

import gc
import signal
import sys
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from flask import Flask, Response, g, request
from flask_babel import Babel
from flask_babel import gettext as _
from flask_openapi3 import Info, OpenAPI
from flask_wtf.csrf import CSRFError, CSRFProtect
from pydantic import ValidationError
from redis import Redis
from waitress import create_server
from werkzeug.exceptions import HTTPException

from tenants.demo import statements as demo_statements
from tenants.demo.commands import SEED
from tenants.money.accounts.shown import account_choices, account_names, account_path
from tenants.money.dashboard.gauges import business_gauges
from tenants.money.imports import learning
from tenants.money.imports import samples as sample_room
from tenants.money.ledger import news
from tenants.office.access import answers
from tenants.office.policies import (
    workspace,
)
from tenants.office.trail import reading as trail_reading
from webapp import __version__, navigation, rooms
from webapp.access import door
from webapp.access import queries as access
from webapp.access.permission_words import PERMISSION_WORDS, ROOM_WORDS, SCOPE_WORDS
from webapp.backups.gauges import backup_gauges
from webapp.identity import (
    attempts,
)
from webapp.identity.confirmation import NotConfirmed, ask_to_confirm
from webapp.identity.door import ACCESS_TOKENS
from webapp.identity.gate import check_declarations, refuse_form
from webapp.jobs import presence
from webapp.jobs.delivery import Courier
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import new_ring
from webapp.kernel.db import Database, app_url
from webapp.kernel.files import product_files
from webapp.kernel.ids import new_id, new_secret
from webapp.oauth import pages as oauth_pages
from webapp.oauth import recognition
from webapp.platform import metrics, readiness
from webapp.platform import trail_pages as platform_trail
from webapp.platform.gauges import seal_gauges, tenancy_gauges
from webapp.settings import Settings
from webapp.tenancy import queries as tenancy
from webapp.web import (
    contract,
    cross_origin,
    headers,
    health,
    limits,
    logs,
    problem,
    render,
    row_ids,
    shapes,
    telemetry,
    unit,
)
from webapp.web.state import KEY, Services

WEB_LOST_AFTER_SECONDS = 6
"""People wait, and threads are few: less than a worker, which sends a million rows, has patience with a lost server."""

log = structlog.get_logger()


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
    row_ids.install(app)
    app.config.update(_configuration(settings))
    app.json.sort_keys = False  # type: ignore[attr-defined]
    built = app.extensions[KEY] = _services(settings, overrides)
    _tell_news(app)
    Babel(app, locale_selector=_locale)
    logs.install(app)
    cross_origin.install(app, partial(_origins_of, built))
    headers.install(app, settings)
    unit.install(app)
    problem.install(app)
    render.install(app)
    limits.install(app, settings)
    contract.install(app)
    _protect_forms(app)
    _open_rooms(app)
    check_declarations(app)
    app.extensions["metrics"] = metrics.install(
        app,
        built.database,
        (business_gauges, backup_gauges, seal_gauges, tenancy_gauges),
        (attempts.LOCKS, attempts.SIGN_INS, door.DECISIONS),
    )
    telemetry.install(settings, service="comptoir-web", app=app, engine=built.database.engine)
    return app


def _configuration(settings: Settings) -> dict[str, Any]:
    """Return what Flask and its extensions are told."""
    return {
        "SECRET_KEY": settings.secret_key,
        "MAX_CONTENT_LENGTH": settings.upload_bytes_max + 64 * 1024,
        "MAX_FORM_MEMORY_SIZE": 4 * 1024 * 1024,
        "SESSION_COOKIE_NAME": "__Host-comptoir-form" if settings.secure else "comptoir-form",
        "PERMANENT_SESSION_LIFETIME": timedelta(seconds=settings.session_absolute_seconds),
        "BABEL_TRANSLATION_DIRECTORIES": str(product_files("translations")),
        "WTF_CSRF_TIME_LIMIT": None,
        "WTF_CSRF_CHECK_DEFAULT": False,
    }


def _services(settings: Settings, overrides: dict[str, Any]) -> Services:
    """Open the application's own connections and gather what its rooms are given."""
    redis: Redis[Any] = Redis.from_url(settings.redis_url, socket_connect_timeout=2, socket_timeout=5)
    services: dict[str, Any] = {
        "settings": settings,
        "database": Database(
            app_url(settings.database_url, settings.secret_key),
            pool_size=settings.database_pool_size,
            pooler=settings.database_pooler,
            tenants_per_connection=settings.tenants_per_connection,
            lost_after_seconds=WEB_LOST_AFTER_SECONDS,
        ),
        "redis": redis,
        "clock": utc_now,
        "new_id": new_id,
        "new_secret": new_secret,
        "after_commit": Courier(redis).after_commit,
    }
    built = Services(**(services | overrides))
    built.database.keys = new_ring(settings)
    return built


def _tell_news(app: Flask) -> None:
    """Tell lower rooms what they ask of upper ones, which they do not know."""
    app.extensions |= {answers.ACCOUNTS: account_choices, answers.ACCOUNT_PATH: account_path}
    app.extensions[trail_reading.ACCOUNT_NAMES] = account_names
    app.extensions[sample_room.EXTENSION] = partial(demo_statements.samples, SEED)
    app.extensions[platform_trail.EXTENSION] = platform_trail.InstallationTrail(
        page=lambda: trail_reading.show(trail_reading.installation()),
        file=lambda: trail_reading.give_asked(trail_reading.installation()),
        script=trail_reading.give_script,
    )
    app.extensions[ACCESS_TOKENS] = recognition.bearer_of
    navigation.install(app)
    for name, words in (("permission", PERMISSION_WORDS), ("room", ROOM_WORDS), ("scope", SCOPE_WORDS)):
        app.jinja_env.filters[f"{name}_words"] = lambda code, words=words: _(words.get(code) or str(code))
    access.SOURCES[:] = [workspace.policies_of]
    news.subscribe(learning.NAME, learning.learn_from_changes)


def _open_rooms(app: OpenAPI) -> None:
    """Add the doors of every room."""
    for room in rooms.PAGES:
        app.register_blueprint(room)
    limits.limit_api(app, oauth_pages.bp)
    for room in rooms.API:
        limits.limit_api(app, room)
        app.register_api(room)
    app.register_blueprint(health.blueprint(readiness.checks()))
    for endpoint in ("health.livez", "health.readyz"):
        app.view_functions[endpoint].public = True  # type: ignore[attr-defined]


def _locale() -> str:
    person = g.get("person")
    asked = request.accept_languages.best_match(["en", "fr", "ar"])
    # A program says in each call what its reader reads; a person has said it once.
    chosen = asked or (person and person.language) if problem.is_api() else person.language if person else asked
    return chosen or "en"


def _origins_of(services: Services, slug: str) -> list[str]:
    """Ask which origins a workspace lets in, in a transaction of its own: the request's may be over, or refused."""
    with services.database.platform() as session:
        return tenancy.origins_of(session=session, slug=slug)


def _protect_forms(app: Flask) -> None:
    """Check the form token of every unsafe request that is not authorised by a token header."""
    csrf = CSRFProtect(app)

    @app.before_request
    def check_token() -> None:
        if not problem.is_api():
            csrf.protect()

    @app.errorhandler(CSRFError)
    def refused(error: CSRFError) -> Response:
        try:
            return refuse_form(str(error.description))
        except HTTPException as beyond:
            # Who asks too often is told so: what is raised while an error is answered would be a fault of ours.
            return app.make_response(app.handle_user_exception(beyond))

    @app.errorhandler(NotConfirmed)
    def asked(error: NotConfirmed) -> Response:
        return ask_to_confirm(error)


def _unprocessable(error: ValidationError) -> Response:
    return problem.problem(
        422,
        code="invalid",
        title=_("Some of what was entered cannot be accepted"),
        detail=_("Please correct what is marked and send it again."),
        errors=shapes.shape_errors(error),
    )


def serve(settings: Settings) -> None:
    """Serve web requests until the process is told to stop."""
    app = create_app(settings)
    for doubt in settings.doubts():
        log.warning("settings.doubt", reason=doubt)
    if settings.metrics_port:
        metrics.serve(app.extensions["metrics"], host=settings.host, port=settings.metrics_port)
    server = create_server(
        app,
        host=settings.host,
        port=settings.port,
        threads=settings.web_threads,
        ident=None,
        # Where proxies are trusted, the application reads what they say (headers.install).
        clear_untrusted_proxy_headers=not settings.trusted_proxies,
    )
    presence.tell_of_web(app.extensions[KEY].database)
    # SystemExit lets waitress finish the requests that it has taken.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # What was made until now stays: looking through it for garbage, again and again, holds requests up for 0.1 s.
    gc.collect()
    gc.freeze()
    server.run()
