"""Where finished items go. One sink so far: Application Insights, by the Azure Monitor exporter."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.export import SpanExportResult

from pf_monitor.pipeline.breathing import Breathed
from pf_monitor.pipeline.losses import Losses, Reason
from pf_monitor.pipeline.quiet import quiet
from pf_monitor.pipeline.serializing import simplify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

    from pf_monitor.pipeline.item import CustomEvent

_TOGETHER = 16
"""Spans that the exporter is given at a time. Of more, so many objects would be alive at a time that Python's garbage
collector would look through the whole process because of them, and more often; with fewer each would take longer."""


class Sink(Protocol):
    """Takes spans and events; knows an exporter for metrics.

    Attributes:
        losses: What was given up.
    """

    losses: Losses

    def send_spans(self, spans: Iterable[ReadableSpan]) -> None:
        """Take spans, which are made one by one; they are on disk when this returns."""

    def send_events(self, events: Sequence[CustomEvent]) -> None:
        """Take custom events; likewise."""

    def metric_exporter(self) -> MetricExporter | None:
        """Return the exporter for metrics, or None where they are not wanted."""

    def flush(self, timeout: float) -> bool:
        """Deliver what was given so far, in so many seconds; return whether none of it can be lost any more."""

    def shutdown(self, timeout: float) -> None:
        """Deliver what was given so far, in so many seconds, and let go of files and threads."""


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
        delivery: More arguments for the delivery.

    Attributes:
        losses: What was given up.
    """

    def __init__(self, connection_string: str, **delivery: Any) -> None:
        silence()
        from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter

        from pf_monitor.pipeline.transport import Delivery

        self.losses = Losses()
        self._delivery = Delivery(connection_string, self.losses.add, **delivery)
        self._options: dict[str, Any] = {
            "connection_string": connection_string,
            # The spool keeps what cannot be sent, within bounds of its own and for all processes.
            "disable_offline_storage": True,
            "max_envelopes_per_second": 0,
        }
        self._spans = AzureMonitorTraceExporter(**self._options, transport=self._delivery.transport())
        simplify(self._spans)
        self._event_providers: dict[str, LoggerProvider] = {}

    def send_spans(self, spans: Iterable[ReadableSpan]) -> None:
        """Take spans; they are on disk when this returns."""
        some = iter(spans)
        with quiet(), self._delivery.gathering():
            while together := Breathed(islice(some, _TOGETHER)):
                if self._spans.export(together) is not SpanExportResult.SUCCESS:
                    self.losses.add(Reason.UNSENDABLE, len(together))

    def send_events(self, events: Sequence[CustomEvent]) -> None:
        """Take custom events; likewise."""
        with quiet():
            for event in events:
                context = trace.set_span_in_context(trace.NonRecordingSpan(event.about), Context())
                self._event_logs(event.resource).get_logger("pf_monitor").emit(
                    timestamp=event.time_ns,
                    context=context,
                    attributes={"microsoft.custom_event.name": event.name, **event.attributes},
                )

    def _event_logs(self, resource: Resource) -> LoggerProvider:
        """Return the provider for events of a resource: a custom event travels as a log record."""
        role = str(resource.attributes.get("service.name"))
        if (provider := self._event_providers.get(role)) is None:
            from azure.monitor.opentelemetry.exporter import AzureMonitorLogExporter
            from opentelemetry.sdk._logs import LoggerProvider
            from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor

            provider = LoggerProvider(resource, shutdown_on_exit=False)
            exporter = AzureMonitorLogExporter(**self._options, transport=self._delivery.transport())
            # No thread of its own, which could not be started at the end of a process: the spool gathers them.
            provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
            self._event_providers[role] = provider
        return provider

    def metric_exporter(self) -> MetricExporter:
        """Return the exporter for metrics."""
        from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter
        from opentelemetry.sdk.metrics.export import MetricExportResult

        process = os.getpid()

        class QuietMetricExporter(AzureMonitorMetricExporter):
            def export(self, *args: Any, **kwargs: Any) -> Any:
                if os.getpid() != process:
                    return MetricExportResult.SUCCESS  # what a forked child has inherited is its parent's to send
                with quiet():
                    return super().export(*args, **kwargs)

        return QuietMetricExporter(**self._options, transport=self._delivery.transport())

    def flush(self, timeout: float) -> bool:
        """Deliver what was given so far, in so many seconds; return whether none of it can be lost any more."""
        return self._delivery.flush(timeout)

    def shutdown(self, timeout: float) -> None:
        """Deliver what was given so far, in so many seconds, and let go of files and threads."""
        ends: list[Callable[[], Any]] = [self._spans.shutdown]
        ends.extend(provider.shutdown for provider in self._event_providers.values())
        with quiet():
            for end in ends:
                with suppress(Exception):  # whatever a library raises, what waits has to be delivered
                    end()
        self._delivery.stop(timeout)
