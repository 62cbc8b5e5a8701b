"""The relying party: send a browser to a provider, take its code, and believe what the provider signed.

Every call goes through the guard against inner addresses; authlib and joserfc are imported only when somebody signs
in, because they cost a start time.
"""

import hmac
import json
import threading
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from webapp.kernel.errors import N_, DomainError
from webapp.sso.rules import ALGORITHMS, LEEWAY_SECONDS, SUBJECT_LENGTH_MAX, Proof, Provider, expected_issuer
from webapp.web.outbound import OutboundRefused, fetch

KEPT = timedelta(minutes=10)
OK = 200


class ProviderFailed(DomainError):
    """A provider did not vouch for anybody: what it answered is not believed."""

    code = "sign_in_provider"
    status = 403
    title = N_("You could not be signed in")
    message = N_("%(provider)s did not confirm who you are. Try again; if it goes on, tell whoever runs the provider.")


@dataclass(frozen=True, slots=True)
class Flow:
    """What one way to a provider and back is bound to; kept by the browser that went."""

    state: str
    nonce: str
    verifier: str


class Caller:
    """Speaks with providers; keeps what they describe of themselves for ten minutes."""

    def __init__(self, origins: str) -> None:
        self._origins = origins
        self._kept: dict[str, tuple[datetime, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def address(self, provider: Provider, flow: Flow, *, redirect_uri: str, at: datetime, anew: bool = False) -> str:
        """Return where to send the browser; `anew` asks for a sign-in there, also of who is signed in already.

        Raises ProviderFailed, OutboundRefused.
        """
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # noqa: PLC0415 costs a start time
        from authlib.oauth2.rfc7636 import create_s256_code_challenge  # noqa: PLC0415 costs a start time

        plain = provider.kind == "github"
        told = {} if plain else self._described(provider, at)
        place = f"{provider.issuer}/login/oauth/authorize" if plain else told.get("authorization_endpoint", "")
        if not self._may_send_to(str(place)):
            raise ProviderFailed(provider=provider.name)
        found: str = prepare_grant_uri(
            place,
            provider.client_id,
            "code",
            redirect_uri,
            "read:user user:email" if plain else "openid email profile",
            flow.state,
            code_challenge=create_s256_code_challenge(flow.verifier),
            code_challenge_method="S256",
            **({} if plain else {"nonce": flow.nonce}),
            **({"prompt": "login", "max_age": "0"} if anew else {}),
        )
        return found

    def prove(self, provider: Provider, flow: Flow, *, code: str, redirect_uri: str, at: datetime) -> Proof:
        """Exchange a code and return whom the provider vouches for.

        Raises ProviderFailed, OutboundRefused.
        """
        sent = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": flow.verifier,
        }
        if provider.kind == "github":
            return self._github(provider, sent)
        told = self._described(provider, at)
        answer = self._token(provider, str(told.get("token_endpoint", "")), sent, told)
        claims = self._believed(provider, flow, answer, told, at)
        email = claims.get("email") if claims.get("email_verified") is True else ""
        name, moment = str(claims.get("name") or ""), claims.get("auth_time")
        return Proof(str(claims["iss"]), claims["sub"], str(email or ""), name, moment)

    def _described(self, provider: Provider, at: datetime) -> dict[str, Any]:
        place = f"{provider.issuer}/.well-known/openid-configuration"
        told = self._read(provider, place, at)
        stated = str(told.get("issuer", "")).rstrip("/")
        is_microsoft = provider.kind == "microsoft" and "{tenantid}" in stated
        if stated != provider.issuer and not is_microsoft:
            raise ProviderFailed(provider=provider.name)
        return told

    def _read(self, provider: Provider, place: str, at: datetime, *, anew: bool = False) -> dict[str, Any]:
        with self._lock:
            kept = self._kept.get(place)
        if kept is not None and not anew and at - kept[0] < KEPT:
            return kept[1]
        found = _json(provider, fetch(place, origins=self._origins, headers={"Accept": "application/json"}))
        with self._lock:
            if len(self._kept) > 500:  # noqa: PLR2004 - a bound of memory, no rule
                self._kept.clear()
            self._kept[place] = (at, found)
        return found

    def _token(self, provider: Provider, place: str, sent: dict[str, str], told: dict[str, Any]) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        ways = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if "client_secret_basic" in ways:
            pair = f"{quote(provider.client_id, safe='')}:{quote(provider.client_secret, safe='')}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        else:
            sent = sent | {"client_id": provider.client_id, "client_secret": provider.client_secret}
        body = urlencode(sent).encode()
        return _json(provider, fetch(place, origins=self._origins, method="POST", headers=headers, body=body))

    def _believed(
        self, provider: Provider, flow: Flow, answer: dict[str, Any], told: dict[str, Any], at: datetime
    ) -> dict[str, Any]:
        from authlib.oidc.core import CodeIDToken  # noqa: PLC0415 costs a start time
        from joserfc import jwt  # noqa: PLC0415 costs a start time
        from joserfc.errors import JoseError  # noqa: PLC0415 costs a start time
        from joserfc.jwk import KeySet  # noqa: PLC0415 costs a start time

        stated = told.get("id_token_signing_alg_values_supported") or ["RS256"]
        algorithms = [one for one in ALGORITHMS if one in stated]
        failed = ProviderFailed(provider=provider.name)
        text = answer.get("id_token")
        if not isinstance(text, str):
            raise failed
        for anew in (False, True):
            keys = self._read(provider, str(told.get("jwks_uri", "")), at, anew=anew)
            try:
                token = jwt.decode(text, KeySet.import_key_set(keys), algorithms=algorithms)
                break
            except (JoseError, ValueError, KeyError, TypeError):
                # The provider may have changed its keys since they were read.
                if anew:
                    raise failed from None
        claims = dict(token.claims)
        issuer = expected_issuer(str(told["issuer"]), claims.get("tid"))
        checked = CodeIDToken(
            claims,
            token.header,
            options={
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": provider.client_id},
                "nonce": {"essential": True},
            },
            params={"nonce": flow.nonce, "client_id": provider.client_id, "access_token": answer.get("access_token")},
        )
        try:
            checked.validate(now=int(at.timestamp()), leeway=LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError):
            raise failed from None
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= SUBJECT_LENGTH_MAX:
            raise failed
        return claims

    def _github(self, provider: Provider, sent: dict[str, str]) -> Proof:
        told = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        answer = self._token(provider, f"{provider.issuer}/login/oauth/access_token", sent, told)
        secret = answer.get("access_token")
        if not isinstance(secret, str) or not secret.isprintable():
            raise ProviderFailed(provider=provider.name)
        # github.com has its API on a host of its own, a server of a company under its own address.
        is_cloud = provider.issuer == "https://github.com"
        api = "https://api.github.com" if is_cloud else f"{provider.issuer}/api/v3"
        headers = {"Authorization": f"Bearer {secret}", "Accept": "application/json", "User-Agent": "Comptoir"}
        person = _json(provider, fetch(f"{api}/user", origins=self._origins, headers=headers))
        mails = _json(provider, fetch(f"{api}/user/emails", origins=self._origins, headers=headers), list)
        told_mails = [one for one in mails if isinstance(one, dict)]
        verified = [one.get("email") for one in told_mails if one.get("verified") is one.get("primary") is True]
        if type(person.get("id")) is not int:
            raise ProviderFailed(provider=provider.name)
        email = verified[0] if verified and isinstance(verified[0], str) else ""
        return Proof(provider.issuer, str(person["id"]), email, str(person.get("name") or person.get("login") or ""))

    def _may_send_to(self, place: str) -> bool:
        parts = urlsplit(place)
        trusted = {one.strip().lower() for one in self._origins.split(",")}
        return bool(parts.hostname) and (
            parts.scheme == "https" or f"{parts.scheme}://{parts.netloc}".lower() in trusted
        )


def _json(provider: Provider, answer: Any, kind: type = dict) -> Any:
    failed = ProviderFailed(provider=provider.name)
    if answer.status != OK:
        raise failed
    try:
        found = json.loads(answer.body)
    except ValueError:
        raise failed from None
    if not isinstance(found, kind):
        raise failed
    return found


def is_same(one: str, other: str) -> bool:
    """Compare two secrets in constant time."""
    return bool(one) and hmac.compare_digest(one.encode(), other.encode())


__all__ = ["Caller", "Flow", "OutboundRefused", "ProviderFailed", "is_same"]
