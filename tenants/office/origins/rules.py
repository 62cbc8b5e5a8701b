"""What may be called an origin (RFC 6454): a scheme, a host, a port; never a path, a wildcard or `null`."""

from urllib.parse import urlsplit

ORIGINS_MAX = 20
ORIGIN_LENGTH_MAX = 200
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""A page that is being built may be served without TLS by the machine of its maker."""
_PORTS = {"https": 443, "http": 80}


def clean_origin(text: str) -> str:
    """Return an origin as browsers write it, or raise ValueError."""
    parts = urlsplit(text.strip())
    host = (parts.hostname or "").encode("idna").decode() if not (parts.hostname or "").count(":") else "[::1]"
    is_bare = parts.path in {"", "/"} and not parts.query and not parts.fragment and "@" not in parts.netloc
    if not host or "*" in host or not is_bare or len(text) > ORIGIN_LENGTH_MAX:
        raise ValueError(text)
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ValueError(text)
    port = "" if parts.port in {None, _PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
