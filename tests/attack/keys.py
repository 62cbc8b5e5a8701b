"""Run by sqlmap before each request: a call that moves money needs a key that was never sent."""

import uuid


def preprocess(req):
    """Give a request a new Idempotency-Key."""
    req.add_header("Idempotency-Key", uuid.uuid4().hex)
