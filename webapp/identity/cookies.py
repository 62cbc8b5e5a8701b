"""The two cookies of a browser: the secret of its session, and the mark by which an account knows it."""

from uuid import UUID

from flask import Response, request
from itsdangerous import BadData, URLSafeSerializer

from webapp.web.state import services

DEVICE_SECONDS = 365 * 24 * 3600


def cookie_name() -> str:
    """Return the session cookie's name: `__Host-` where TLS is certain."""
    return "__Host-comptoir" if services().settings.secure else "comptoir"


def set_cookie(response: Response, secret: str) -> None:
    """Hand the session's secret to the browser."""
    settings = services().settings
    response.set_cookie(
        cookie_name(),
        secret,
        max_age=settings.session_absolute_seconds,
        secure=settings.secure,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def clear_cookie(response: Response) -> None:
    """Take the session's secret from the browser."""
    response.delete_cookie(cookie_name(), secure=services().settings.secure, httponly=True, samesite="Lax")


def device_cookie_name() -> str:
    """Return the name of the cookie by which an account knows a browser that it signed in from."""
    return "__Host-comptoir-device" if services().settings.secure else "comptoir-device"


def remember_device(response: Response, person_id: UUID) -> None:
    """Let the account know this browser; it opens nothing, but strangers' guesses do not slow it down."""
    settings = services().settings
    mark = _device_marks().dumps([str(person_id), services().new_secret()[:16]])
    response.set_cookie(
        device_cookie_name(),
        mark,
        max_age=DEVICE_SECONDS,
        secure=settings.secure,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def asked_cookie_name() -> str:
    """Return the name of the cookie of a browser that asked for a link by mail: no other browser can use the link."""
    return "__Host-comptoir-asked" if services().settings.secure else "comptoir-asked"


def remember_asking(response: Response, secret: str, seconds: int) -> None:
    """Let this browser alone use the link that it asked for."""
    response.set_cookie(
        asked_cookie_name(),
        secret,
        max_age=seconds,
        secure=services().settings.secure,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def known_device(person_id: UUID) -> str:
    """Return the mark of this browser if the account knows it, else an empty text."""
    try:
        whose, mark = _device_marks().loads(request.cookies.get(device_cookie_name(), ""))
    except (BadData, ValueError):
        return ""
    return str(mark) if whose == str(person_id) else ""


def _device_marks() -> URLSafeSerializer:
    return URLSafeSerializer(services().settings.secret_key, salt="device")
