"""The embedded Valkey: start, stop, survive."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from limits.storage import storage_from_string
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from tests.webapp.embedded.conftest import processes_naming, wait_until
from webapp.embedded.valkey import EmbeddedValkey

START_AND_WAIT = """
    import sys
    from pathlib import Path
    from webapp.embedded.valkey import EmbeddedValkey
    valkey = EmbeddedValkey(Path(sys.argv[1]))
    print(valkey.start(), flush=True)
    sys.stdin.read()
"""

Runner = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def valkey(data_dir: Path) -> Iterator[EmbeddedValkey]:
    """Return a server that is not started yet and is stopped at the end."""
    server = EmbeddedValkey(data_dir)
    yield server
    server.stop()


def test_the_client_the_queue_and_the_limits_take_the_address(valkey: EmbeddedValkey):
    url = valkey.start()
    client = Redis.from_url(url)
    assert client.ping()
    queue = Queue("imports", connection=client, serializer=JSONSerializer)
    queue.enqueue("builtins.print")
    assert queue.count == 1
    assert storage_from_string(f"redis+{url}").incr("visits", 60) == 1


def test_the_queue_is_never_evicted_and_is_kept_on_disk(valkey: EmbeddedValkey):
    client = Redis.from_url(valkey.start())
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("appendonly") == {"appendonly": "yes"}
    assert client.config_get("port") == {"port": "0"}


def test_what_was_queued_is_there_after_a_second_start_and_nothing_is_left_after_a_stop(
    valkey: EmbeddedValkey, data_dir: Path
):
    Redis.from_url(valkey.start()).set("kept", 7)
    valkey.stop()
    assert processes_naming(str(data_dir)) == []
    assert valkey.running_url() is None
    assert Redis.from_url(valkey.start()).get("kept") == b"7"


def test_another_process_finds_the_running_server_and_a_killed_supervisor_leaves_none(
    valkey: EmbeddedValkey, data_dir: Path, second_python: Callable[..., subprocess.Popen[str]]
):
    child = second_python(START_AND_WAIT, data_dir)
    assert child.stdout is not None
    url = child.stdout.readline().strip()
    assert EmbeddedValkey(data_dir).running_url() == url
    Redis.from_url(url).set("kept", 7)
    child.kill()
    wait_until(lambda: valkey.running_url() is None, "the server is gone")
    assert Redis.from_url(valkey.start()).get("kept") == b"7"


def test_a_server_that_was_killed_starts_again_at_the_same_address(valkey: EmbeddedValkey):
    url = valkey.start()
    assert valkey.server.pid
    os.kill(valkey.server.pid, signal.SIGKILL)
    wait_until(lambda: valkey.server.exit_code() is not None, "the server is gone")
    assert valkey.start() == url
    assert Redis.from_url(url).ping()
