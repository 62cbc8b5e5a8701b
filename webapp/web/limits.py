"""Rate limits, counted by `counting` and told in the `RateLimit` fields of the IETF (draft-ietf-httpapi-ratelimit).

Each call counts under one policy or more: `tok` a call of the API, `page` a page of a person (of a network before
anybody is known), `move` an act that moves money, `eval` a request to a decision point, `sign`
an attempt to sign in (by flask-limiter).
"""

import hashlib
import hmac
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any, TypeVar

from flask import Blueprint, Flask, Response, abort, current_app, g, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from webapp.settings import Settings
from webapp.web.counting import Counters, CountersStorage, Window
from webapp.web.state import KEY, Services, services

__all__ = ["CountersStorage", "Window"]

View = TypeVar("View", bound=Callable[..., Any])

MINUTE = 60
SIGN_IN_SECONDS = 300
NETWORK_FACTOR = 10
"""Many people sign in from one office: so many times the attempts of one of them are free to their network."""
TOKEN_PREFIX = "Bearer cpt_live_"  # noqa: S105 - what every token begins with
TOO_MANY = 429
JSON_BYTES_MAX = 8 * 1024 * 1024
"""JSON grows a hundredfold when it is read, and nothing else runs meanwhile; a large batch has a tenth of this."""
IPV4 = 4
IPV6_BITS = 64
UNCOUNTED = frozenset({"static", "health.livez", "health.readyz"})

limiter = Limiter(key_func=get_remote_address, headers_enabled=False)


def caller() -> str:
    """Return whose requests are counted together: a token with its secret, else the network address.

    The id alone would not do: members can read it, and guesses at the secret would use up the owner's calls.
    """
    token = request.headers.get("Authorization", "")
    if token.startswith(TOKEN_PREFIX):
        return "token:" + hashlib.sha256(token.encode()).hexdigest()[:32]
    return "address:" + get_remote_address()


def network() -> str:
    """Return the network from which the request came: all addresses that one household or one server has at hand."""
    address = get_remote_address()
    try:
        found = ip_address(address)
    except ValueError:
        return address
    plain = getattr(found, "ipv4_mapped", None) or found
    return str(plain) if plain.version == IPV4 else str(ip_network((plain, IPV6_BITS), strict=False))


def limit_sign_in(view: View) -> View:
    """Limit attempts to sign in: of one network for one address that was typed, and of the network over all of them."""

    def who() -> str:
        typed = request.form.get("email", "").strip().casefold()
        key = services().settings.secret_key.encode()
        return f"{network()}/{hmac.new(key, b'sign-in of ' + typed.encode(), hashlib.sha256).hexdigest()[:16]}"

    def quota(factor: int) -> Callable[[], str]:
        return lambda: f"{services().settings.sign_in_per_5_minutes * factor} per {SIGN_IN_SECONDS} seconds"

    narrow = limiter.limit(quota(1), key_func=who, methods=["POST"])
    wide = limiter.limit(quota(NETWORK_FACTOR), key_func=network, methods=["POST"])
    limited: View = narrow(wide(view))
    return limited


def limit_api(app: Flask, blueprint: Blueprint) -> None:
    """Limit the calls of one token per minute."""
    app.extensions["limited"].add(blueprint.name)


def moves_money(view: View) -> View:
    """Mark a view that moves money; its door counts each call under a policy of its own (`count_move`)."""
    view.moves_money = True  # type: ignore[attr-defined]
    return view


def count_page(person_id: object = None) -> None:
    """Count a page, once in a request: of a person, or of a network while nobody is known. Answers 429 beyond."""
    if not current_app.extensions["limited"] & {request.blueprint} and "page" not in _windows():
        who = network() if person_id is None else f"person:{person_id}"
        _count("page", who, quota=services().settings.pages_per_minute)


def count_move(person_id: object) -> None:
    """Count an act that moves money, of a person in the browser or of a token. Answers 429 beyond."""
    if getattr(current_app.view_functions.get(request.endpoint or ""), "moves_money", False):
        settings, through = services().settings, caller()
        if through.startswith("token:"):
            _count("move", through, quota=settings.token_money_moves_per_minute)
        else:
            _count("move", f"person:{person_id}", quota=settings.money_moves_per_minute)


def count_evaluation() -> None:
    """Count a request to a decision point where the installation limits them. Answers 429 beyond."""
    if quota := services().settings.evaluations_per_minute:
        _count("eval", caller(), quota=quota)


def _windows() -> dict[str, Window]:
    if "windows" not in g:
        g.windows = {}
    found: dict[str, Window] = g.windows
    return found


def _count(policy: str, who: str, *, quota: int) -> None:
    counters: Counters = current_app.extensions["counters"]
    window = _windows()[policy] = counters.count(policy, who, quota=quota, seconds=MINUTE)
    if window.is_over:
        abort(TOO_MANY)


def install(app: Flask, settings: Settings) -> None:
    """Count before anything else is done for a call."""
    built: Services = app.extensions[KEY]
    counters = app.extensions["counters"] = Counters(built.redis, built.database, built.clock)
    app.config.update(
        RATELIMIT_STORAGE_URI="comptoir://",
        RATELIMIT_STORAGE_OPTIONS={"counters": counters},
        RATELIMIT_STRATEGY="fixed-window",
        RATELIMIT_KEY_PREFIX="sign",
    )
    limiter.init_app(app)
    limited: set[str] = app.extensions.setdefault("limited", set())

    @app.before_request
    def count() -> None:
        if request.blueprint in limited:
            _count("tok", caller(), quota=settings.api_requests_per_minute)
            if request.mimetype != "multipart/form-data":
                request.max_content_length = min(JSON_BYTES_MAX, request.max_content_length or JSON_BYTES_MAX)
        elif request.endpoint not in UNCOUNTED and _is_nobodys():
            count_page()

    @app.after_request
    def say(response: Response) -> Response:
        windows = [*_windows().values(), *_sign_in_windows()]
        if windows:
            headers, first = response.headers, windows[0]
            headers["RateLimit-Policy"] = ", ".join(f'"{one.name}";q={one.quota};w={one.seconds}' for one in windows)
            headers["RateLimit"] = ", ".join(
                f'"{one.name}";r={one.remaining};t={one.ends_in_seconds}' for one in windows
            )
            headers["X-RateLimit-Limit"] = str(first.quota)
            headers["X-RateLimit-Remaining"] = str(first.remaining)
            headers["X-RateLimit-Reset"] = str(int(services().clock().timestamp()) + first.ends_in_seconds)
            if response.status_code == TOO_MANY and (over := [one for one in windows if not one.remaining]):
                headers["Retry-After"] = str(max(1, *(one.ends_in_seconds for one in over)))
        return response


def _is_nobodys() -> bool:
    """Tell whether no door will look who asks: a public page, or an address that leads nowhere."""
    view = current_app.view_functions.get(request.endpoint or "")
    return view is None or getattr(view, "public", False)


def _sign_in_windows() -> list[Window]:
    now = services().clock().timestamp()
    return [
        Window(
            one.limit.amount,
            one.limit.amount + 1 if one.breached else one.limit.amount - one.remaining,
            max(1, int(one.reset_at - now)),
            "sign",
            SIGN_IN_SECONDS,
        )
        for one in sorted(limiter.current_limits, key=lambda one: (not one.breached, one.limit.amount))[:1]
    ]
