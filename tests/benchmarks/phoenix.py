"""The local store beside Arize Phoenix: the same spans, each sent as it wants them, and the same questions.

Phoenix and the sender of its spans run in the Python of `--peers-python`, in which `arize-phoenix` is installed. Both
servers get the same spans with the same texts from the same number of connections, ours as the Azure Monitor exporter
sends them, Phoenix's as OTLP with the attributes that it counts by.
"""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from measuring import ChildError, Figure, answer, clean_environment, in_child

SPANS: Final = 100_000
BATCH: Final = 512
SENDERS: Final = 3
ROUNDS: Final = 5
_LONGEST_WAIT: Final = 1800.0

_OVERVIEW: Final = """query ($id: ID!, $range: TimeRange!) { node(id: $id) { ... on Project {
    traceCount(timeRange: $range) tokenCountTotal(timeRange: $range) tokenCountPrompt(timeRange: $range)
    tokenCountCompletion(timeRange: $range) p50: latencyMsQuantile(probability: 0.5, timeRange: $range)
    p95: latencyMsQuantile(probability: 0.95, timeRange: $range)
    p99: latencyMsQuantile(probability: 0.99, timeRange: $range) } } }"""
_SERIES: Final = """query ($id: ID!, $range: TimeRange!) { node(id: $id) { ... on Project {
    traceLatencyMsPercentileTimeSeries(timeRange: $range, timeBinConfig: {scale: HOUR, utcOffsetMinutes: 0}) {
        data { timestamp p50 p95 p99 } }
    traceTokenCountTimeSeries(timeRange: $range, timeBinConfig: {scale: HOUR, utcOffsetMinutes: 0}) {
        data { timestamp promptTokenCount completionTokenCount } } } } }"""
_TRACE: Final = """query ($id: ID!, $trace: ID!) { node(id: $id) { ... on Project { trace(traceId: $trace) {
    spans(first: 1000) { edges { node { name latencyMs attributes } } } } } } }"""


def benchmark(options: dict[str, Any]) -> Iterator[Figure | str]:
    """Yield figures for both, Phoenix's as the baseline; a note alone where there is no Phoenix."""
    python, spans = options["peers_python"], (options["spans"] or [SPANS])[0]
    try:
        version = in_child(__file__, "phoenix_version", python=python)
    except ChildError as error:
        yield f"Phoenix is not compared: {error}. Give a Python that has it by --peers-python."
        return
    with tempfile.TemporaryDirectory() as folder:
        in_child(__file__, "prepare", folder, spans)
        facts = json.loads((Path(folder) / "facts.json").read_text())
        theirs = _phoenix(python, Path(folder), facts)
        ours = _ours(Path(folder), facts)
    for what, (key, unit) in _SHOWN.items():
        yield Figure(f"Phoenix: {what}", theirs[key], unit, 1.0)
        yield Figure(f"pf_monitor: {what}", ours[key], unit, ours[key] / theirs[key])
    yield f"Phoenix {version}, {facts['spans']:,} spans; it answered {theirs['said']}, we {ours['said']}."


_SHOWN: Final = {
    "a span taken in, until it can be asked for": ("take", "µs"),
    "disk per million spans": ("disk", "MB"),
    "count, tokens and latency percentiles of seven days": ("overview", "ms"),
    "latency and tokens over seven days, in bins": ("series", "ms"),
    "one trace": ("trace", "ms"),
}


def _phoenix(python: str, folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    place = folder / "phoenix"
    place.mkdir()
    with _phoenix_server(python, place) as port:
        ask = _graphql(port)
        begun = time.perf_counter()
        in_child(__file__, "send", port, folder / "otlp", "/v1/traces", "application/x-protobuf", python=python)
        project = _once_all_are_there(ask, facts["spans"])
        took = time.perf_counter() - begun
        scope = {"id": project, "range": {"start": facts["since"], "end": facts["until"]}}
        figures = _timed(
            overview=lambda: ask(_OVERVIEW, scope),
            series=lambda: ask(_SERIES, scope),
            trace=lambda: ask(_TRACE, {"id": project, "trace": facts["trace"]}),
        )
        told = ask(_OVERVIEW, scope)["node"]
    size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    said = f"{told['traceCount']:,} traces, {told['tokenCountTotal']:,.0f} tokens, p95 {told['p95']:,.0f} ms"
    return {**figures, "take": took / facts["spans"] * 1e6, "disk": size / facts["spans"], "said": said}


def _ours(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    from store import server

    from pf_monitor import queries

    place = folder / "insights"
    scope = {"since": datetime.fromisoformat(facts["since"]), "until": datetime.fromisoformat(facts["until"])}
    with server(place) as (port, _):

        def ask(name: str, **parameters: Any) -> Any:
            body = json.dumps({"query": queries.load(name, **parameters)})
            table = json.loads(_post(port, "/v1/apps/local/query", body.encode()))["tables"][0]
            return [dict(zip([one["name"] for one in table["columns"]], row, strict=True)) for row in table["rows"]]

        begun = time.perf_counter()
        in_child(__file__, "send", port, folder / "items", "/v2.1/track", "application/json")
        took = time.perf_counter() - begun
        figures = _timed(
            overview=lambda: ask("summary", **scope),
            series=lambda: ask("series", step=timedelta(hours=1), **scope),
            trace=lambda: ask("request", operation=facts["trace"]),
        )
        (told,) = ask("summary", **scope)
    size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    said = f"{told['requests']:,}, {told['total_tokens']:,} and {told['p95_ms']:,.0f} ms"
    return {**figures, "take": took / facts["spans"] * 1e6, "disk": size / facts["spans"], "said": said}


def _timed(**questions: Callable[[], Any]) -> dict[str, float]:
    """Return the least milliseconds of each of several questions."""
    least = {}
    for name, question in questions.items():
        times = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            question()
            times.append(time.perf_counter() - begun)
        least[name] = min(times) * 1e3
    return least


@contextmanager
def _phoenix_server(python: str, place: Path) -> Iterator[int]:
    port, grpc = _free_port(), _free_port()
    environment = {
        "PHOENIX_WORKING_DIR": str(place),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(grpc),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PYTHONPATH": "",
    }
    with subprocess.Popen(
        [python, "-m", "phoenix.server.main", "serve"],
        env={**clean_environment(), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _wait_until_up(port)
            yield port
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_until_up(port: int) -> None:
    until = time.monotonic() + _LONGEST_WAIT
    while True:
        try:
            _post(port, "/graphql", b'{"query": "{ __typename }"}')
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)
        else:
            return


def _graphql(port: int) -> Callable[..., Any]:
    def ask(query: str, variables: Mapping[str, Any] | None = None) -> Any:
        told = json.loads(_post(port, "/graphql", json.dumps({"query": query, "variables": variables or {}}).encode()))
        if told.get("errors"):
            raise RuntimeError(str(told["errors"])[:500])
        return told["data"]

    return ask


def _once_all_are_there(ask: Callable[..., Any], spans: int) -> str:
    """Phoenix answers before it has stored: wait until it counts all spans, and return its project."""
    until = time.monotonic() + _LONGEST_WAIT
    while time.monotonic() < until:
        edges = ask("{ projects { edges { node { id recordCount } } } }")["projects"]["edges"]
        counted = {edge["node"]["id"]: edge["node"]["recordCount"] for edge in edges}
        for project, count in counted.items():
            if count >= spans:
                return str(project)
        time.sleep(0.2)
    raise RuntimeError(f"Phoenix has stored {counted} of {spans} spans")


def _post(port: int, path: str, body: bytes, **headers: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        told = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path} answered {response.status}: {told[:300]!r}")
        return told
    finally:
        connection.close()


# The measuring processes.


def phoenix_version() -> str:
    """Return which Phoenix there is."""
    from importlib.metadata import version

    return version("arize-phoenix")


def prepare(folder: str, spans: str) -> int:
    """Write the bodies of requests to both, of the same spans, and what is asked about them."""
    from store_data import SPANS_PER_REQUEST, Data, fill
    from store_items import bodies, items

    from pf_monitor.insights import Store

    end = datetime.now(UTC).replace(microsecond=0)
    requests = int(spans) // SPANS_PER_REQUEST
    with Store.open(Path(folder) / "made") as store:
        for _ in fill(store, Data(requests, end - timedelta(days=7), end)):
            pass
        made = [one for one in items(store) if one["data"]["baseType"] in {"RequestData", "RemoteDependencyData"}]
    made.sort(key=lambda item: str(item["time"]))
    for name in ("items", "otlp"):
        (Path(folder) / name).mkdir()
    for number, body in enumerate(bodies(made, BATCH)):
        (Path(folder) / "items" / f"{number:06}").write_bytes(body)
    for number in range(0, len(made), BATCH):
        lines = [_span(item) for item in made[number : number + BATCH]]
        (Path(folder) / "otlp" / f"{number // BATCH:06}").write_bytes(gzip.compress(_otlp(lines), 1))
    facts = {
        "spans": len(made),
        "trace": made[len(made) // 2]["tags"]["ai.operation.id"],
        "since": (end - timedelta(days=7, seconds=1)).isoformat(),
        "until": (end + timedelta(seconds=1)).isoformat(),
    }
    (Path(folder) / "facts.json").write_text(json.dumps(facts))
    return len(made)


_KINDS: Final = {"flow": "CHAIN", "node": "CHAIN", "retrieval": "RETRIEVER", "llm": "LLM"}
_NAMES: Final = {
    "question": "input.value",
    "answer": "output.value",
    "inputs": "input.value",
    "output": "output.value",
    "gen_ai.input.messages": "input.value",
    "gen_ai.output.messages": "output.value",
    "gen_ai.response.model": "llm.model_name",
}
_COUNTS: Final = {
    "gen_ai.usage.input_tokens": "llm.token_count.prompt",
    "gen_ai.usage.output_tokens": "llm.token_count.completion",
}


def _span(item: Mapping[str, Any]) -> Any:
    """An item as an OTLP span, with the names of attributes that Phoenix reads."""
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

    base = item["data"]["baseData"]
    properties: dict[str, str] = base["properties"]
    begun = int(datetime.fromisoformat(item["time"]).timestamp() * 1e6) * 1000
    hours, minutes, seconds = base["duration"].removeprefix("0.").split(":")
    length = int((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1e9)
    attributes: dict[str, str | int] = {"openinference.span.kind": _KINDS[properties["pf_monitor.kind"]]}
    for name, value in properties.items():
        if name in _COUNTS:
            attributes[_COUNTS[name]] = int(value)
        else:
            attributes[_NAMES.get(name, name)] = value
    return Span(
        trace_id=bytes.fromhex(item["tags"]["ai.operation.id"]),
        span_id=bytes.fromhex(base["id"]),
        parent_span_id=bytes.fromhex(item["tags"].get("ai.operation.parentId", "")),
        name=base["name"],
        start_time_unix_nano=begun,
        end_time_unix_nano=begun + length,
        status=Status(code=Status.STATUS_CODE_OK if base["success"] else Status.STATUS_CODE_ERROR),
        attributes=[
            KeyValue(
                key=name, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
            )
            for name, value in attributes.items()
        ],
    )


def _otlp(spans: Sequence[Any]) -> bytes:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])])
    return bytes(request.SerializeToString())


def send(port: str, folder: str, path: str, kind: str) -> int:
    """Send the bodies of a folder, as fast as they are taken."""
    waiting = sorted(Path(folder).iterdir())
    failed: list[Exception] = []

    def run(number: int) -> None:
        try:
            for file in waiting[number::SENDERS]:
                _send(int(port), path, file.read_bytes(), kind)
        except Exception as error:  # noqa: BLE001 - told by the thread that started this one
            failed.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return len(waiting)


def _send(port: int, path: str, body: bytes, kind: str) -> None:
    """Send a body; a server that says it has too much to do is asked again."""
    while True:
        try:
            _post(port, path, body, **{"Content-Type": kind, "Content-Encoding": "gzip"})
        except RuntimeError as error:
            if not any(f"answered {status}" in str(error) for status in (429, 503)):
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    answer({"phoenix_version": phoenix_version, "prepare": prepare, "send": send})
