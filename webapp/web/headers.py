"""Security headers and the content security policy, on every answer (flask-talisman)."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request
from flask_babel import gettext as _
from flask_talisman import Talisman
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp.settings import Settings

CSP: dict[str, Any] = {
    "default-src": "'none'",
    "script-src": [],
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "object-src": "'none'",
}
"""No `unsafe-*` and no `strict-dynamic`: with the latter htmx would run scripts of a swapped fragment."""

YEAR_SECONDS = 365 * 24 * 3600
UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HEALTH = frozenset({"health.livez", "health.readyz"})


def known_hosts(settings: Settings) -> frozenset[str]:
    """Return the Host names that are served; none means all, which only the embedded run allows itself."""
    named = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
    if settings.base_url and (named or settings.secure):
        named.add(urlsplit(settings.base_url).netloc.lower())
    return frozenset(named)


def install(app: Flask, settings: Settings) -> None:
    """Set the headers, check the Host, believe the named proxies, refuse unsafe requests that another site sent."""
    if settings.trusted_proxies:
        # Only who asks and whether by TLS; the host is checked below as it came, and no prefix is taken.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign] # Flask's own way to put something before it
            app.wsgi_app, x_for=settings.trusted_proxies, x_proto=settings.trusted_proxies, x_host=0
        )
    Talisman(
        app,
        force_https=False,
        strict_transport_security=settings.secure,
        strict_transport_security_max_age=YEAR_SECONDS,
        strict_transport_security_include_subdomains=True,
        session_cookie_secure=settings.secure,
        session_cookie_http_only=True,
        session_cookie_samesite="Lax",
        content_security_policy=CSP,
        content_security_policy_nonce_in=["script-src"],
        frame_options="DENY",
        referrer_policy="same-origin",
        permissions_policy=dict.fromkeys(
            ("camera", "geolocation", "microphone", "payment", "usb", "browsing-topics"), "()"
        ),
        x_xss_protection=False,
    )
    hosts = known_hosts(settings)

    @app.before_request
    def known_host() -> None:
        # A balancer asks for health under whatever address it knows.
        if hosts and request.host.lower() not in hosts and request.endpoint not in HEALTH:
            abort(400, _("This address is not served here."))

    @app.before_request
    def same_site() -> None:
        if request.method in UNSAFE_METHODS and "Authorization" not in request.headers:
            site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
            foreign = origin not in {None, request.host_url.rstrip("/")} and site != "same-origin"
            if site not in {None, "same-origin", "none"} or foreign:
                abort(403, _("The request came from another site."))

    @app.after_request
    def isolate(response: Response) -> Response:
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        if request.endpoint == "static" and response.status_code < HTTPStatus.BAD_REQUEST:
            response.headers["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable"
        else:
            response.headers.setdefault("Cache-Control", "no-store")
        return response
