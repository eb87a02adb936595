"""Where finished items go. One sink so far: Application Insights, by the Azure Monitor exporter."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry import trace
from opentelemetry.context import Context

from pf_monitor.pipeline.quiet import quiet
from pf_monitor.pipeline.serializing import simplify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

    from pf_monitor.pipeline.item import CustomEvent


class Sink(Protocol):
    """Takes spans and events; knows an exporter for metrics."""

    def send_spans(self, spans: Sequence[ReadableSpan]) -> None:
        """Send spans, or keep them on disk while the endpoint is away."""

    def send_events(self, events: Sequence[CustomEvent]) -> None:
        """Send custom events; likewise."""

    def metric_exporter(self) -> MetricExporter | None:
        """Return the exporter for metrics, or None where they are not wanted."""

    def shutdown(self) -> None:
        """Let go of files and threads."""


_SILENCED = {
    # The monitor contacts no host but the configured endpoint, and sends nothing that the contract does not name.
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED": "true",
    # Without it prompt flow's metrics would lose their namespace.
    "APPLICATIONINSIGHTS_METRIC_NAMESPACE_OPT_IN": "true",
}


def silence() -> None:
    """Keep the exporter from telling its makers how it is used; before it is imported."""
    for name, value in _SILENCED.items():
        os.environ.setdefault(name, value)


class ApplicationInsights:
    """Application Insights, in Azure or local.

    Args:
        connection_string: Of the resource.
    """

    def __init__(self, connection_string: str) -> None:
        silence()
        from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter

        from pf_monitor.pipeline.transport import CompressingTransport

        self._options: dict[str, Any] = {
            "connection_string": connection_string,
            # What cannot be sent at once goes to disk, which is better than holding up the thread.
            "retry_total": 1,
        }
        self._spans = AzureMonitorTraceExporter(**self._options, transport=CompressingTransport())
        simplify(self._spans)
        self._event_providers: dict[str, LoggerProvider] = {}

    def send_spans(self, spans: Sequence[ReadableSpan]) -> None:
        """Send spans, or keep them on disk while the endpoint is away."""
        with quiet():
            self._spans.export(spans)

    def send_events(self, events: Sequence[CustomEvent]) -> None:
        """Send custom events; likewise."""
        with quiet():
            for event in events:
                context = trace.set_span_in_context(trace.NonRecordingSpan(event.about), Context())
                self._event_logs(event.resource).get_logger("pf_monitor").emit(
                    timestamp=event.time_ns,
                    context=context,
                    attributes={"microsoft.custom_event.name": event.name, **event.attributes},
                )
            for provider in self._event_providers.values():
                provider.force_flush()

    def _event_logs(self, resource: Resource) -> LoggerProvider:
        """Return the provider for events of a resource: a custom event travels as a log record."""
        role = str(resource.attributes.get("service.name"))
        if (provider := self._event_providers.get(role)) is None:
            from azure.monitor.opentelemetry.exporter import AzureMonitorLogExporter
            from opentelemetry.sdk._logs import LoggerProvider
            from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

            from pf_monitor.pipeline.transport import CompressingTransport

            provider = LoggerProvider(resource, shutdown_on_exit=False)
            provider.add_log_record_processor(
                BatchLogRecordProcessor(AzureMonitorLogExporter(**self._options, transport=CompressingTransport()))
            )
            self._event_providers[role] = provider
        return provider

    def metric_exporter(self) -> MetricExporter:
        """Return the exporter for metrics."""
        from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter

        from pf_monitor.pipeline.transport import CompressingTransport

        class QuietMetricExporter(AzureMonitorMetricExporter):
            def export(self, *args: Any, **kwargs: Any) -> Any:
                with quiet():
                    return super().export(*args, **kwargs)

        return QuietMetricExporter(**self._options, transport=CompressingTransport())

    def shutdown(self) -> None:
        """Let go of files and threads."""
        with quiet():
            self._spans.shutdown()
            for provider in self._event_providers.values():
                provider.shutdown()  # type: ignore[no-untyped-call]  # OpenTelemetry left it untyped
