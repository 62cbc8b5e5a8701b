"""The application on a free port of this machine, served by the web server that users meet, until it is not needed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

END_SECONDS_MAX = 5


@contextmanager
def served(app: Flask, *, threads: int = 4) -> Iterator[str]:
    """Serve an application from a thread; give its address."""
    sockets: dict[int, Any] = {}
    server = create_server(app, host="127.0.0.1", port=0, threads=threads, ident=None, map=sockets)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        # The server's loop ends when it has nothing left to listen to.
        server.trigger.pull_trigger(lambda: wasyncore.close_all(sockets, ignore_all=True))
        thread.join(END_SECONDS_MAX)
        server.task_dispatcher.shutdown()
        assert not thread.is_alive(), "the web server did not end"
