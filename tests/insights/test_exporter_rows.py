"""What the real Azure Monitor exporter sends arrives as the rows that Azure would have."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from azure.monitor.opentelemetry.exporter import (
    AzureMonitorLogExporter,
    AzureMonitorMetricExporter,
    AzureMonitorTraceExporter,
)
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import SpanKind, StatusCode
from talk import KEY, Server, filled

START = 1_714_564_800_000_000_000  # 2024-05-01T12:00:00Z in nanoseconds
MS = 1_000_000
MESSAGE = "invalid literal for int() with base 10: 'no number'"
TRACE = "0af7651916cd43dd8448eb211c80319c"
RESOURCE = Resource({"service.name": "rag", "service.instance.id": "laptop", "service.version": "1.2"})
ORIGIN = {
    "application_Version": "1.2",
    "client_Type": "Other",
    "cloud_RoleName": "rag",
    "cloud_RoleInstance": "laptop",
    "iKey": KEY,
    "itemCount": 1,
}


class Ids(IdGenerator):
    """The same ids in every run: spans count from 1."""

    def __init__(self) -> None:
        self._spans = 0

    def generate_trace_id(self) -> int:
        return int(TRACE, 16)

    def generate_span_id(self) -> int:
        self._spans += 1
        return self._spans


@pytest.fixture(autouse=True)
def quiet_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter talks to nobody but the server."""
    for name in (
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL",
        "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED",
        "APPLICATIONINSIGHTS_SDKSTATS_DISABLED",
        "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED",
    ):
        monkeypatch.setenv(name, "true")


@pytest.fixture
def options(server: Server) -> dict[str, Any]:
    return {"connection_string": server.connection_string, "disable_offline_storage": True}


@pytest.fixture
def tracer(options: dict[str, Any]) -> Iterator[Any]:
    provider = TracerProvider(resource=RESOURCE, id_generator=Ids(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(AzureMonitorTraceExporter(**options)))
    yield provider.get_tracer("tests")
    provider.shutdown()


def whole(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows to compare: dynamics parsed, without the versions of the SDK."""
    shown = []
    for row in map(filled, rows):
        assert ":otel" in row.pop("sdkVersion")
        shown.append(row | {name: json.loads(row[name]) for name in ("customDimensions", "details") if name in row})
    return shown


def test_server_span_is_a_request(server: Server, tracer: Any) -> None:
    attributes = {"pf_monitor.kind": "flow", "question": 'Was heißt "Zelt"? ⛺', "pf_monitor.usage.total_tokens": 42}
    span = tracer.start_span("rag", kind=SpanKind.SERVER, start_time=START, attributes=attributes)
    span.end(START + 1234 * MS + 567_800)

    assert whole(server.rows("requests")) == [
        ORIGIN
        | {
            "timestamp": "2024-05-01T12:00:00Z",
            "itemType": "request",
            "id": "0000000000000001",
            "name": "rag",
            "success": "True",
            "resultCode": "0",
            "duration": 1235.0,  # the exporter rounds to milliseconds
            "performanceBucket": "1sec-3sec",
            "operation_Id": TRACE,
            "operation_Name": "rag",
            "customDimensions": {
                "pf_monitor.kind": "flow",
                "question": 'Was heißt "Zelt"? ⛺',
                "pf_monitor.usage.total_tokens": "42",
            },
        }
    ]


def test_client_span_is_a_dependency_below_its_request(server: Server, tracer: Any) -> None:
    attributes = {"gen_ai.system": "openai", "pf_monitor.kind": "llm", "gen_ai.usage.input_tokens": 17}
    with tracer.start_as_current_span("rag", kind=SpanKind.SERVER, start_time=START):
        call = tracer.start_span("chat gpt-4o", kind=SpanKind.CLIENT, start_time=START + MS, attributes=attributes)
        call.end(START + 101 * MS)

    assert whole(server.rows("dependencies")) == [
        ORIGIN
        | {
            "timestamp": "2024-05-01T12:00:00.001Z",
            "itemType": "dependency",
            "id": "0000000000000002",
            "target": "openai",
            "type": "GenAI | openai",
            "name": "chat gpt-4o",
            "success": "True",
            "resultCode": "0",
            "duration": 100.0,
            "performanceBucket": "<250ms",
            "operation_Id": TRACE,
            "operation_Name": "chat gpt-4o",  # its own name, not its root's: so the exporter has it
            "operation_ParentId": "0000000000000001",
            "customDimensions": {
                "gen_ai.system": "openai",
                "pf_monitor.kind": "llm",
                "gen_ai.usage.input_tokens": "17",
            },
        }
    ]
    assert server.rows(f"union requests, dependencies | where operation_Id == '{TRACE}' | count") == [{"Count": 2}]


def test_failed_span_has_its_exception(server: Server, tracer: Any) -> None:
    span = tracer.start_span("answer", start_time=START)
    try:
        int("no number")
    except ValueError as error:
        span.record_exception(error, timestamp=START + 5 * MS)
    span.set_status(StatusCode.ERROR)
    span.end(START + 9 * MS)

    (failed,) = server.rows("dependencies | project success, type, duration")
    assert failed == {"success": "False", "type": "InProc", "duration": 9.0}
    (row,) = whole(server.rows("exceptions"))
    (detail,) = row.pop("details")
    assert 'int("no number")' in detail.pop("rawStack")
    assert detail == {"id": "", "outerId": "", "type": "ValueError", "message": MESSAGE, "parsedStack": []}
    assert row == ORIGIN | {
        "timestamp": "2024-05-01T12:00:00.005Z",
        "itemType": "exception",
        "problemId": "ValueError",
        "type": "ValueError",
        "message": MESSAGE,
        "outerType": "ValueError",
        "outerMessage": MESSAGE,
        "innermostType": "ValueError",
        "innermostMessage": MESSAGE,
        "operation_Id": TRACE,
        "operation_ParentId": "0000000000000001",
        "customDimensions": {},
    }


def test_logs_are_traces_and_events(server: Server, options: dict[str, Any]) -> None:
    provider = LoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(AzureMonitorLogExporter(**options)))
    logger = logging.Logger("flow")
    logger.addHandler(LoggingHandler(logger_provider=provider))
    logger.warning("index is %s", "cold", extra={"index": "products"})
    logger.info("scored", extra={"microsoft.custom_event.name": "gen_ai.evaluation.result", "score": 4})
    provider.shutdown()

    (trace,) = server.rows(
        "traces | project message, severityLevel, itemType, index = tostring(customDimensions.index)"
    )
    assert trace == {"message": "index is cold", "severityLevel": 2, "itemType": "trace", "index": "products"}
    (event,) = server.rows("customEvents | project name, itemType, score = toint(customDimensions.score)")
    assert event == {"name": "gen_ai.evaluation.result", "itemType": "customEvent", "score": 4}


def test_metrics_keep_sum_count_and_extremes(server: Server, options: dict[str, Any]) -> None:
    reader = PeriodicExportingMetricReader(AzureMonitorMetricExporter(**options), export_interval_millis=3_600_000)
    provider = MeterProvider([reader], resource=RESOURCE, shutdown_on_exit=False)
    meter = provider.get_meter("promptflow standard metrics")
    latency = meter.create_histogram("flow_latency")
    for value in (100, 300, 800):
        latency.record(value, {"flow": "rag"})
    # The name under which the exporter's own performance counter is made.
    meter.create_observable_gauge("azuremonitor.performancecounter.processprivatebytes", [_resident])
    provider.shutdown()

    (row,) = whole(server.rows("customMetrics"))
    assert row.pop("timestamp")
    assert row == ORIGIN | {
        "itemType": "customMetric",
        "name": "flow_latency",
        "value": 1200.0,
        "valueCount": 3,
        "valueSum": 1200.0,
        "valueMin": 100.0,
        "valueMax": 800.0,
        "valueStdDev": 0.0,
        "customDimensions": {"flow": "rag"},
    }
    (counter,) = server.rows("performanceCounters | project category, counter, name, instance, value, itemType")
    assert counter == {
        "category": "Process",
        "counter": "Private Bytes",
        "name": "Private Bytes",
        "instance": "??APP_WIN32_PROC??",
        "value": 4096.0,
        "itemType": "performanceCounter",
    }


def _resident(_: Any) -> list[Any]:
    from opentelemetry.metrics import Observation

    return [Observation(4096)]
