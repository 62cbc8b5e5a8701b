"""The way out: a mail server, or files in the embedded run. Knows no job and no database."""

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit

from webapp.settings import Settings

SMTP_TIMEOUT_SECONDS = 20
PORTS = {"smtp": 25, "smtps": 465}
TRANSIENT = range(400, 500)
"""Answers of a mail server that ask to come again (RFC 5321, 4.2.1)."""


class MailServerUnsafe(Exception):
    """The mail server offers no TLS, so neither the password nor the letter was given to it."""


@dataclass(frozen=True, slots=True)
class Post:
    """Where letters are given away; without a host they become files."""

    scheme: str = ""
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    authorities: str = ""


def post_of(settings: Settings) -> Post:
    """Read smtp://user:password@host:port, or smtps:// for TLS from the start."""
    if not settings.smtp_url:
        return Post()
    parts = urlsplit(settings.smtp_url)
    return Post(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=settings.smtp_password or unquote(parts.password or ""),
        authorities=settings.smtp_authorities,
    )


def deliver(message: EmailMessage, *, post: Post, folder: Path, name: str) -> None:
    """Send the message, or write it as `<name>.eml` when there is no mail server.

    Raises OSError (a broken or wrong certificate is one), smtplib.SMTPException, MailServerUnsafe.
    """
    if post.host:
        _send(message, post)
    else:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = folder / f".{name}.part"
        written.write_bytes(message.as_bytes())
        written.chmod(0o600)
        written.replace(folder / f"{name}.eml")


def is_passing(error: Exception) -> bool:
    """Tell whether a failure may be over later: the server is away, or busy, or asks to come again."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code in TRANSIENT for code, _said in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code in TRANSIENT
    if isinstance(error, smtplib.SMTPException):
        return isinstance(error, smtplib.SMTPServerDisconnected)
    return isinstance(error, OSError) and not isinstance(error, ssl.SSLCertVerificationError)


def _send(message: EmailMessage, post: Post) -> None:
    """Speak to the mail server; its certificate is verified, and nothing is said to a server far away without TLS."""
    trusted = ssl.create_default_context(cafile=post.authorities or None)
    trusted.minimum_version = ssl.TLSVersion.TLSv1_2
    if post.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(post.host, post.port, timeout=SMTP_TIMEOUT_SECONDS, context=trusted)
    else:
        server = smtplib.SMTP(post.host, post.port, timeout=SMTP_TIMEOUT_SECONDS)
    with server:
        server.ehlo()
        if post.scheme != "smtps":
            if server.has_extn("starttls"):
                server.starttls(context=trusted)
                server.ehlo()
            elif post.user or not _is_near(post.host):
                raise MailServerUnsafe(f"{post.host}:{post.port} offers no STARTTLS; use smtps:// or another server")
        if post.user:
            server.login(post.user, post.password)
        server.send_message(message)


def _is_near(host: str) -> bool:
    """Tell whether a mail server is on this machine, where nobody listens in."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
