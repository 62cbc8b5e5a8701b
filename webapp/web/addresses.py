"""Addresses as the world outside sees them, for links in letters."""

from flask import request

from webapp.web.state import services


def outside(path: str) -> str:
    """Return the whole address of a path: under the configured base, else where this request came in."""
    base = services().settings.base_url or request.host_url
    return base.rstrip("/") + path
