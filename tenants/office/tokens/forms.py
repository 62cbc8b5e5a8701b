"""What is typed or sent to make a token, of a person or of a service account."""

from typing import Any

from flask import g
from pydantic import ConfigDict, Field
from werkzeug.datastructures import MultiDict

from tenants.office.tokens.commands import Bounds, TokenDraft
from tenants.schemas import Body, whole

DAYS_CHOICES = (7, 30, 90, 366)
DAYS_DEFAULT = 90
OVERLAP_HOURS = 24


class TokenIn(Body):
    """A token to make for yourself."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Nightly export", "scopes": ["ledger:read"], "days": 90}]}
    )

    name: str = Field(examples=["Nightly export"], min_length=1, max_length=100)
    scopes: list[str] = Field(
        examples=[["ledger:read"]],
        min_length=1,
        max_length=100,
        description="What the token is narrowed to: `room:read` or `room:write`.",
    )
    days: whole(1, 366) = Field(90, description="How long it lives.")
    networks: list[str] = Field(
        [],
        max_length=20,
        examples=[["192.0.2.0/24", "2001:db8::/32"]],
        description="The networks (CIDR) from which alone it works; none means from everywhere.",
    )


class RotationIn(Body):
    """A new secret for a token of your own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: whole(0, 168) = Field(24, description="How long the present secret works beside the new one.")


def read_token(form: MultiDict[str, str]) -> tuple[dict[str, Any], TokenDraft]:
    """Return what was typed into the form of a new token, and what it asks for."""
    days, networks = form.get("days", ""), form.get("networks", "")
    values: dict[str, Any] = {
        "name": form.get("name", ""),
        "days": days,
        "scopes": form.getlist("scopes"),
        "networks": networks,
    }
    draft = TokenDraft(
        values["name"],
        frozenset(values["scopes"]),
        int(days) if days.isascii() and days.isdecimal() else 0,
        tuple(networks.replace(",", " ").split()),
    )
    return values, draft


def bounds() -> Bounds:
    """Return what the token that calls may itself."""
    return Bounds(g.scopes, tuple(g.get("networks", ())), g.get("is_machine", False))
