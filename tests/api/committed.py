"""The copy of the description that is kept in the repository; `make openapi` renews it."""

import json
import tempfile
from pathlib import Path
from typing import Any

from webapp.app import create_app
from webapp.settings import Settings
from webapp.web.description import description
from webapp.web.state import KEY

COPY = Path(__file__).parents[2] / "docs" / "openapi.json"


def renew() -> None:
    """Write the description of the application as it is; nothing is asked of a database."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            database_url="postgresql://nobody@127.0.0.1:1/nothing",
            redis_url="redis://127.0.0.1:1/0",
            secret_key="only to build the application, never to serve 0123456789",
            mode="embedded",
            data_dir=folder,
        )
        app = create_app(settings)
        COPY.write_text(written(description(app)), encoding="utf-8")
        app.extensions[KEY].database.close()


def written(document: dict[str, Any]) -> str:
    """Write a description so that a change of it is a small difference."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    renew()
