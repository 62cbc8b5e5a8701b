"""The probes prove something only if there is something to find."""

from flask import Flask
from sqlalchemy import Engine

from tests.webapp.tenancy.contents import fill, make_nest, texts_without_canary


def test_every_text_column_of_a_workspace_carries_its_canary(app: Flask, owner: Engine):
    nest = make_nest(app, owner, "a")
    fill(owner, nest, 1000)
    assert texts_without_canary(owner, nest) == []
    fill(owner, nest, 5000)
    assert nest.ids["entry"] == 5000
