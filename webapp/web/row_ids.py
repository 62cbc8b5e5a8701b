"""Ids of rows in addresses: one that no row can have leads nowhere."""

from typing import Any

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

ID_MAX = 2**63 - 1
"""The largest id of a row: PostgreSQL's bigint."""


class RowId(IntegerConverter):
    """`<int:…>` in an address, no larger than what the database can hold: beyond it the address is unknown (404)."""

    def __init__(self, of: Map, *arguments: Any, **options: Any) -> None:
        super().__init__(of, *arguments, **{"max": ID_MAX, **options})


def install(app: Flask) -> None:
    """Read the ids of all addresses so; before the rooms are opened."""
    app.url_map.converters["int"] = RowId
