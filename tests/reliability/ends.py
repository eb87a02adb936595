"""Servers under load that are told to end, or that end workers by themselves; and what has arrived afterwards."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from local_rows import ask

from pf_monitor.insights.server import running
from pf_monitor.local import connection_string
from pf_monitor.pipeline.delivery.batch import unpack

_APP = Path(__file__).parent / "app"
_CLIENTS = 4
_LONGEST_S = 60
LAST_SECOND_S = 1.0
"""What a process that is killed may take with it."""

_RECYCLED_AFTER = 25

SERVERS = {
    "gunicorn": ["gunicorn", "-w", "2", "--graceful-timeout", "10", "{app}:wsgi", "-b", "127.0.0.1:{port}"],
    "gunicorn with threads": [
        *("gunicorn", "-w", "2", "--threads", "4", "--graceful-timeout", "10", "{app}:wsgi", "-b", "127.0.0.1:{port}"),
    ],
    "gunicorn --preload": [
        *("gunicorn", "-w", "2", "--preload", "--graceful-timeout", "10", "{app}:wsgi", "-b", "127.0.0.1:{port}"),
    ],
    "uvicorn": ["uvicorn", "{app}:asgi", "--port", "{port}", "--no-access-log"],
}
"""How each server is started."""

RECYCLING = {
    "gunicorn": ["--max-requests", str(_RECYCLED_AFTER), "--max-requests-jitter", "10"],
    "uvicorn": ["--workers", "2", "--limit-max-requests", str(_RECYCLED_AFTER)],
}
"""How each, by its first word, is told to end a worker after some requests."""

_STARTED = re.compile(rb"Booting worker with pid|Started server process")

ENDS = ("SIGTERM", "SIGINT", "recycling", "SIGKILL")


@dataclass(frozen=True)
class Run:
    """One end of a server.

    Attributes:
        workers: How many workers were started, and so have ended.
        finished: Requests that were answered in full.
        lost: Those of them of which there is no row, neither in the store nor on disk.
        twice: Those that have more than one.
        on_disk: Those that wait on disk for the next process.
        stop_s: How long the end has taken, in seconds.
        last_s: How long before the end the oldest of those that are lost was finished, in seconds.
    """

    workers: int
    finished: int
    lost: int
    twice: int
    on_disk: int
    stop_s: float
    last_s: float


def end(server: str, how: str, store_port: int, seed: int, subject: str = "pf_monitor") -> Run:
    """Start a server, put load on it, end it, and count.

    Args:
        server: One of `SERVERS`.
        how: One of `ENDS`.
        store_port: Where the local Application Insights listens.
        seed: Decides when it ends.
        subject: What records: one of `SUBJECTS`.
    """
    with tempfile.TemporaryDirectory(prefix="pf-monitor-ends-") as folder, _load(seed) as load:
        process = _start(server, how == "recycling", load.port, store_port, Path(folder), subject)
        try:
            load.wait_until_served(process)
            if how == "recycling":
                load.wait_for(4 * _RECYCLED_AFTER)
            else:
                load.wait_for(random.Random(seed).randint(2, 150))
            begun = time.monotonic()
            _signal(process, how)
            process.wait(_LONGEST_S)
            stop_s = time.monotonic() - begun
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        load.stop()
        on_disk = Counter(_questions_on_disk(Path(folder)))
        rows = _questions_in_store(store_port, load.prefix) + on_disk
        lost = [question for question in load.finished if not rows[question]]
        return Run(
            workers=len(_STARTED.findall((Path(folder) / "log").read_bytes())),
            finished=len(load.finished),
            lost=len(lost),
            twice=sum(number > 1 for number in rows.values()),
            on_disk=len(on_disk),
            stop_s=stop_s,
            last_s=max((begun - load.finished[question] for question in lost), default=0.0),
        )


def _signal(process: subprocess.Popen[bytes], how: str) -> None:
    if how == "SIGKILL":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.send_signal(signal.SIGTERM if how == "recycling" else getattr(signal, how))


def _start(
    server: str, recycles: bool, port: int, store_port: int, folder: Path, subject: str
) -> subprocess.Popen[bytes]:
    monitored = subject == "pf_monitor"
    command = [part.format(port=port, app="served" if monitored else "exported") for part in SERVERS[server]]
    if recycles:
        command += RECYCLING[command[0]]
    environment = os.environ | {
        "PF_MONITOR_ENABLED": str(monitored).lower(),
        "PF_MONITOR_TEST_SUBJECT": subject,
        "APPLICATIONINSIGHTS_CONNECTION_STRING": connection_string(store_port),
        "TMPDIR": str(folder),
        "PYTHONPATH": os.pathsep.join([str(_APP), str(_APP.parent), os.environ.get("PYTHONPATH", "")]),
    }
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


class _Load:
    """Clients that ask one question after the other.

    Attributes:
        port: Where they ask.
        prefix: What all their questions begin with.
        finished: When each that was answered in full was, by question, on the monotonic clock.
    """

    def __init__(self, seed: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.prefix = f"q{seed}x{os.urandom(4).hex()}x"
        self.finished: dict[str, float] = {}
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._clients = [threading.Thread(target=self._ask, daemon=True) for _ in range(_CLIENTS)]

    def wait_until_served(self, process: subprocess.Popen[bytes]) -> None:
        """Begin, and wait for the first answer."""
        for client in self._clients:
            client.start()
        with self._changed:
            served = self._changed.wait_for(lambda: self.finished or process.poll() is not None, _LONGEST_S)
        assert served and self.finished, "the server does not answer"

    def wait_for(self, number: int) -> None:
        """Wait for so many more answers."""
        wanted = len(self.finished) + number
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.finished) >= wanted, _LONGEST_S)

    def stop(self) -> None:
        """Ask no more."""
        self._stopping.set()
        for client in self._clients:
            client.join(_LONGEST_S)

    def _ask(self) -> None:
        while not self._stopping.is_set():
            question = f"{self.prefix}{next(self._numbers)}"
            connection = HTTPConnection("127.0.0.1", self.port, timeout=_LONGEST_S)
            try:
                connection.request("GET", f"/{question}")
                answered = connection.getresponse().read() == question[::-1].encode()
            except (OSError, HTTPException):
                answered = False
                self._stopping.wait(0.02)
            finally:
                connection.close()
            if answered:
                with self._changed:
                    self.finished[question] = time.monotonic()
                    self._changed.notify_all()


@contextlib.contextmanager
def _load(seed: int) -> Iterator[_Load]:
    load = _Load(seed)
    try:
        yield load
    finally:
        load.stop()


def _questions_in_store(port: int, prefix: str) -> Counter[str]:
    query = f"requests | extend q = tostring(customDimensions.question) | where q startswith '{prefix}' | project q"
    return Counter(row["q"] for row in ask(port, query, timeout_s=_LONGEST_S))


def _questions_on_disk(folder: Path) -> Iterator[str]:
    kept = [item for path in folder.rglob("*.batch") for item in unpack(path.read_bytes())[0]]
    # The exporter's own storage: an item a line.
    kept += [json.loads(line) for path in folder.rglob("*.blob*") for line in path.read_text().splitlines()]
    for item in kept:
        if item["data"]["baseType"] == "RequestData":
            yield item["data"]["baseData"]["properties"]["question"]


@contextlib.contextmanager
def store() -> Iterator[int]:
    """Run a local Application Insights for many runs; yield its port."""
    with tempfile.TemporaryDirectory(prefix="pf-monitor-ends-") as folder, running(Path(folder)) as port:
        yield port
