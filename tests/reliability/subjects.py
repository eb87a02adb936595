"""What is put to the test: the monitor, and beside it the exporter as it is and promptflow's own export."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Protocol

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind

import pf_monitor
from pf_monitor import runtime
from pf_monitor.pipeline.delivery.sender import Patience
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.pipeline.transport import spool_folder
from pf_monitor.settings import Settings

LONGEST_S = 120
_HEALTHY_ROUNDS = 5


class Subject(Protocol):
    """Records requests and sends them."""

    def record(self) -> str:
        """Record a request; return the id of its row."""

    def flush(self) -> None:
        """Send what is pending, as far as that goes."""

    def drain(self) -> None:
        """Send what is left; the endpoint is well from now on."""

    def stop(self) -> dict[str, int]:
        """End; return how many items were counted as given up, by reason."""


@pf_monitor.flow
def faulty(question: str) -> str:
    """Return the id of its row."""
    return f"{trace.get_current_span().get_span_context().span_id:016x}"


class Monitor:
    """pf_monitor."""

    def __init__(self, resource: str, patience: Patience) -> None:
        self._resource = resource
        self._sink = _SpansOnly(resource, patience=patience)
        self._recorder = PipelineRecorder(Settings(enabled=True, service_name="faults"), self._sink, delay_s=0.01)
        runtime.use(self._recorder)

    def record(self) -> str:
        return faulty("What may go wrong?")

    def flush(self) -> None:
        self._recorder.flush(LONGEST_S)

    def drain(self) -> None:
        while any(spool_folder(self._resource).rglob("*.batch")):
            self.flush()

    def stop(self) -> dict[str, int]:
        runtime.stop(LONGEST_S)
        return self._sink.losses.counted()


class _SpansOnly(ApplicationInsights):
    """Sends no metrics, which have no ids by which they could be told apart."""

    def metric_exporter(self) -> None:
        return None


class BareExporter:
    """The Azure Monitor exporter behind OpenTelemetry's batch processor, as its documentation has it."""

    def __init__(self, resource: str, _: Patience) -> None:
        self._provider = exporting(self._exporter(resource))
        self._tracer = self._provider.get_tracer("faults")

    def _exporter(self, resource: str) -> SpanExporter:
        return bare(resource)

    def record(self) -> str:
        with self._tracer.start_as_current_span("faulty", kind=SpanKind.SERVER) as span:
            return f"{span.get_span_context().span_id:016x}"

    def flush(self) -> None:
        self._provider.force_flush(LONGEST_S * 1000)

    def drain(self) -> None:
        # What it has stored it sends again after a later success.
        for _ in range(_HEALTHY_ROUNDS):
            self.record()
            self.flush()

    def stop(self) -> dict[str, int]:
        self._provider.shutdown()
        return {}


class PromptflowExport(BareExporter):
    """The exporter that promptflow's server makes, behind the processor that it puts before it."""

    def _exporter(self, resource: str) -> SpanExporter:
        return promptflows(resource)


def exporting(exporter: SpanExporter) -> TracerProvider:
    """Return a provider that sends by an exporter."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def bare(resource: str) -> SpanExporter:
    """Return the Azure Monitor exporter."""
    from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter

    _silence()
    return AzureMonitorTraceExporter(connection_string=resource)


def promptflows(resource: str) -> SpanExporter:
    """Return the exporter that promptflow makes."""
    from promptflow.core._serving.extension.otel_exporter_provider_factory import AppInsightTraceExporterProvider

    _silence()
    os.environ["APPLICATIONINSIGHTS_CONNECTION_STRING"] = resource
    return AppInsightTraceExporterProvider(logging.getLogger("faults")).get_exporter()


def _silence() -> None:
    """Keep the exporter from reporting its own use to its makers, and from talking."""
    for name in ("STATSBEAT_DISABLED_ALL", "CONTROLPLANE_DISABLED", "SDKSTATS_DISABLED"):
        os.environ[f"APPLICATIONINSIGHTS_{name}"] = "true"
    logging.getLogger("azure").setLevel(logging.CRITICAL)


def stored_blobs() -> list[Path]:
    """Return what the exporter has stored below the temporary folder."""
    return [path for path in Path(tempfile.gettempdir()).rglob("*.blob*") if path.is_file()]


SUBJECTS = {"pf_monitor": Monitor, "the bare exporter": BareExporter, "promptflow's export": PromptflowExport}
