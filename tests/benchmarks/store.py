"""The local store at size: pages over it, ingestion while they are read, disk. See docs/local-store.md.

A page is asked for as a browser does, from a server in a process of its own. Its first load is the first request to a
server that said some seconds before that it is there; what the operating system keeps of the file is dropped before,
where that is allowed. On a machine that others use, the CPU of the server tells more than the clock: on two cores that
do nothing else, a page takes between half of it and all of it.
"""

from __future__ import annotations

import gzip
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psutil
from measuring import Figure, answer, clean_environment, in_child
from store_data import SPANS_PER_REQUEST, Data, fill
from store_items import bodies, items

from pf_monitor.insights import Store

RANGE: Final = timedelta(days=7)
SERVERS: Final = 2
"""How many servers are started for each page: the least first load of them counts, and the least of all loads."""
LOADS: Final = 5
STARTED_SECONDS: Final = 4.0
"""How long a server has been there when it is asked first: about as long as it takes to open a browser."""

BATCH: Final = 512
"""Items of a request: as many as the exporter sends at most."""
SENDERS: Final = (3, 16, 32)
"""Connections that send at once: a server with a few workers, and two and four with promptflow's usual eight. What
comes at once is written at once, so that an item costs less the more there are."""
SENT: Final = 60_000
"""Items that are made; they are sent again and again."""
SENDING_SECONDS: Final = 20.0
_ITEM_US: Final = 50
"""Microseconds that an item may take on the whole: 20,000 a second."""

_FIVE_MILLION, _TWENTY_MILLION = 5_000_000, 20_000_000
_PAGES: Final = {
    "Overview": ("/", 500),
    "Token usage": ("/tokens", 1000),
    "Operational": ("/operations", 1000),
    "Generation quality": ("/quality", None),
    "Requests": ("/requests", None),
    "Requests, searched": ("/requests?search=flysheet+stove", None),
    "A trace": ("/requests/{operation}", 50),
}
"""By what it is called: where it is, and in how many milliseconds it shall be there at five million spans."""
_SLOWEST_MS: Final = 2000
"""In how many every page shall be there at twenty million."""


def benchmark(options: dict[str, Any]) -> Iterator[Figure | str]:
    """Yield figures for each size that is asked for."""
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(options["stores"] or scratch)
        sizes = options["spans"] or [_FIVE_MILLION]
        for spans in sizes:
            directory = kept / f"{spans}-spans"
            if not directory.exists():
                in_child(__file__, "make", directory, spans)
            yield from _disk(directory, spans)
            yield from _pages(directory, spans)
        yield from _ingestion(kept / f"{sizes[0]}-spans")


def _disk(directory: Path, spans: int) -> Iterator[Figure]:
    size = (directory / "insights.duckdb").stat().st_size
    yield Figure(f"{_million(spans)}: disk per million spans, with their errors and scores", size / spans, "MB")


def _pages(directory: Path, spans: int) -> Iterator[Figure]:
    end, operation = in_child(__file__, "facts", directory)
    for page, (path, own_target) in _PAGES.items():
        target = own_target if spans <= _FIVE_MILLION else _SLOWEST_MS if spans <= _TWENTY_MILLION else None
        for days in (1, 7) if "{" not in path else (7,):
            address = path.format(operation=operation)
            first, warm, cpu = _load(directory, address + ("&" if "?" in address else "?") + _range(end, days))
            what = f"{_million(spans)}: {page}" + (f", {days} day{'s' if days > 1 else ''}" if "{" not in path else "")
            yield Figure(f"{what}, first load", first, "ms", target=target if days == RANGE.days else None)
            yield Figure(f"{what}, again", warm, "ms")
            yield Figure(f"{what}, again: CPU", cpu, "ms")


def _million(spans: int) -> str:
    return f"{spans / 1e6:g} M"


def _range(end: str, days: int) -> str:
    since = datetime.fromisoformat(end) - timedelta(days=days)
    return f"from={quote(since.isoformat())}&to={quote(end)}"


def _load(directory: Path, address: str) -> tuple[float, float, float]:
    """Return the least milliseconds of a first load, of one after that, and of the server's CPU in one after that."""
    first, warm, cpu = [], [], []
    for _ in range(SERVERS):
        with server(directory) as (port, process):
            time.sleep(STARTED_SECONDS)
            _drop_caches()
            first.append(_get(port, address))
            for _ in range(LOADS):
                spent = _cpu_seconds(process)
                warm.append(_get(port, address))
                cpu.append((_cpu_seconds(process) - spent) * 1e3)
    return min(first), min(warm), min(cpu)


def _cpu_seconds(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


def _get(port: int, address: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    begun = time.perf_counter()
    connection.request("GET", address, headers={"Accept": "text/html"})
    response = connection.getresponse()
    body = response.read()
    took = time.perf_counter() - begun
    connection.close()
    if response.status != 200 or b"</html>" not in body:
        raise RuntimeError(f"{address} answered {response.status}: {body[:300]!r}")
    return took * 1e3


def _drop_caches() -> None:
    """Have the operating system forget the files that it has read, so that a first load reads them."""
    try:
        Path("/proc/sys/vm/drop_caches").write_text("1")
    except OSError:
        return


@contextmanager
def server(directory: Path) -> Iterator[tuple[int, int]]:
    """Run `pf-monitor up` over a store; yield its port and process number once it says that it is there."""
    command = [sys.executable, "-W", "ignore", "-c", "from pf_monitor.cli import main; main()", "up"]
    limits = ["--keep-gb", "1000", "--keep-days", "3650"]
    with subprocess.Popen(
        [*command, "--port", "0", "--data", str(directory), *limits],
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline().split()[-1].rstrip("/").rpartition(":")[2]), process.pid
        finally:
            process.terminate()


def _ingestion(source: Path) -> Iterator[Figure | str]:
    """Send items to a server while its Overview is read once a second."""
    with tempfile.TemporaryDirectory() as scratch:
        sent = Path(scratch) / "bodies"
        sent.mkdir()
        in_child(__file__, "write_bodies", source, sent)
        for senders in SENDERS:
            yield from _ingestion_from(senders, sent, Path(scratch) / f"insights-{senders}")


def _ingestion_from(senders: int, sent: Path, directory: Path) -> Iterator[Figure | str]:
    with server(directory) as (port, process):
        time.sleep(STARTED_SECONDS)
        spent = _cpu_seconds(process)
        loads: list[float] = []
        done = threading.Event()
        reader = threading.Thread(target=_read_pages, args=(port, loads, done))
        reader.start()
        taken, seconds = in_child(__file__, "send", port, sent, senders)
        spent = _cpu_seconds(process) - spent
        done.set()
        reader.join()
    size = (directory / "insights.duckdb").stat().st_size
    what = f"ingestion from {senders} connections"
    target = _ITEM_US if senders == max(SENDERS) else None
    yield Figure(f"{what}, the Overview being read: an item", seconds / taken * 1e6, "µs", target=target)
    yield Figure(f"{what}: the server's CPU, Overviews included, an item", spent / taken * 1e6, "µs")
    yield Figure(f"{what}: the Overview meanwhile, its slowest load", max(loads), "ms")
    yield Figure(f"{what}: disk per million items", size / taken, "MB")
    yield (
        f"Ingestion: {taken:,} items in {seconds:.1f} s, {taken / seconds:,.0f} items/s, from {senders} connections,"
        f" {BATCH} items a request, gzip; the sender shares the processor."
    )


def _read_pages(port: int, loads: list[float], done: threading.Event) -> None:
    while not done.wait(1):
        loads.append(_get(port, "/?last=30d"))


# The measuring processes.


def make(directory: str, spans: str) -> int:
    """Fill a store with the telemetry of the days up to now."""
    end = datetime.now(UTC).replace(microsecond=0)
    building = Path(f"{directory}.building")
    with Store.open(building) as store:
        made = list(fill(store, Data(int(spans) // SPANS_PER_REQUEST, end - RANGE, end)))
    building.rename(directory)
    return made[-1]


def facts(directory: str) -> tuple[str, str]:
    """Return the end of a store's range, and an operation in its midst that failed."""
    with Store.open(Path(directory), read_only=True) as store:
        ((end,),) = store.query("requests | summarize max(timestamp)").rows
        middle = datetime.fromisoformat(str(end)) - RANGE / 2
        ((operation,),) = store.query(
            f"exceptions | where timestamp > datetime({middle.isoformat().replace('+00:00', 'Z')})"
            " | order by timestamp asc | take 1 | project operation_Id"
        ).rows
    return (datetime.fromisoformat(str(end)) + timedelta(seconds=1)).isoformat(), str(operation)


def write_bodies(source: str, target: str) -> int:
    """Write what senders send: the items of a store, mixed as they come."""
    with Store.open(Path(source), read_only=True) as store:
        made = sorted(items(store, SENT // SPANS_PER_REQUEST * 3), key=lambda item: str(item["time"]))[:SENT]
    for number, body in enumerate(bodies(made, BATCH)):
        (Path(target) / f"{number}.gz").write_bytes(body)
    return len(made)


def send(port: str, folder: str, connections: str) -> tuple[int, float]:
    """Send bodies for some time; return how many items were taken, and the seconds until the last answer."""
    senders = int(connections)
    files = sorted(Path(folder).iterdir())
    all_bodies = [file.read_bytes() for file in files]
    counts = [len(json.loads(gzip.decompress(body))) for body in all_bodies]
    taken = [0] * senders
    begun = time.perf_counter()

    def run(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=600)
        place = number
        while time.perf_counter() - begun < SENDING_SECONDS:
            place = (place + senders) % len(all_bodies)
            _post(connection, all_bodies[place], counts[place])
            taken[number] += counts[place]

    _together([threading.Thread(target=run, args=(number,)) for number in range(senders)])
    return sum(taken), time.perf_counter() - begun


def _together(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _post(connection: http.client.HTTPConnection, body: bytes, count: int) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    connection.request("POST", "/v2.1/track", body, headers)
    response = connection.getresponse()
    told = json.loads(response.read())
    if response.status != 200 or told["itemsAccepted"] != count:
        raise RuntimeError(f"{response.status}: {told}")


if __name__ == "__main__":
    answer({"make": make, "facts": facts, "write_bodies": write_bodies, "send": send})
