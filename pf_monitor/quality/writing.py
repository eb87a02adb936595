"""Writes scores beside the runs that they judge, verdicts, and aggregates as metrics, into Application Insights.

It goes the way that the flow's own telemetry goes, by the Azure Monitor exporter, but says whether it arrived: what did
not is written by the next run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pf_monitor import queries
from pf_monitor.model import names
from pf_monitor.pipeline.quiet import quiet
from pf_monitor.pipeline.sinks import silence
from pf_monitor.quality.judging.judge import Scored
from pf_monitor.queries import Expression
from pf_monitor.views.source import Source

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import LoggerProvider

AT_ONCE: Final = 256
"""Scores that are sent together."""

_LONGEST_REASON: Final = 8_192
_FLUSH_MS: Final = 30_000


class Writer:
    """Sends to one Application Insights.

    Args:
        connection_string: Of the resource, in Azure or local.
        monitor: The monitor's name.
        source: Answers queries about the same resource.
    """

    def __init__(self, connection_string: str, monitor: str, source: Source) -> None:
        silence()
        self._source = source
        # Nothing is kept on disk for later: the ledger knows what has not arrived.
        self._options: dict[str, Any] = {
            "connection_string": connection_string,
            "disable_offline_storage": True,
            "retry_total": 2,
        }
        self._monitor = monitor
        self._providers: dict[str, LoggerProvider] = {}
        self._has_failed = False

    def missing(self, scored: Sequence[Scored], since: datetime) -> list[Scored]:
        """Return those that are not there, after a run was interrupted between sending and noting it.

        Args:
            scored: Scores, at most `AT_ONCE`.
            since: When that run began. What does not answer is taken not to have them.
        """
        operations = Expression(f"dynamic({json.dumps([one.row.trace_id for one in scored])})")
        kql = queries.load(
            "quality_written", since=since, until=datetime.now(UTC), operations=operations, monitor_name=self._monitor
        )
        try:
            there = {tuple(row.values()) for row in self._source.query(kql).records()}
        except Exception:  # noqa: BLE001 - whatever a source raises, writing will tell what is wrong
            return list(scored)
        return [one for one in scored if (one.row.trace_id, one.row.span_id, one.metric.name) not in there]

    def write_scores(self, scored: Sequence[Scored]) -> bool:
        """Send scores, at most `AT_ONCE`; return whether all of them arrived."""
        from opentelemetry import trace
        from opentelemetry.context import Context

        self._has_failed = False
        with quiet():
            for one in scored:
                if (about := _span(one)) is None:
                    continue
                context = trace.set_span_in_context(trace.NonRecordingSpan(about), Context())
                self._emit(
                    one.row.role or one.row.flow or "pf_monitor", names.EVALUATION_EVENT, self._attributes(one), context
                )
        return self._arrived()

    def write_verdicts(self, events: Sequence[Mapping[str, str | float]]) -> bool:
        """Send what a run says of thresholds, an event each; return whether all of them arrived."""
        from opentelemetry.context import Context

        self._has_failed = False
        with quiet():
            for event in events:
                self._emit(self._monitor, names.VERDICT_EVENT, event, Context())
        return self._arrived()

    def _emit(self, role: str, name: str, attributes: Mapping[str, str | float], context: Context) -> None:
        logger = self._provider(role).get_logger("pf_monitor")
        logger.emit(context=context, attributes={"microsoft.custom_event.name": name, **attributes})

    def _arrived(self) -> bool:
        with quiet():
            flushed = [provider.force_flush(_FLUSH_MS) for provider in self._providers.values()]
        return all(flushed) and not self._has_failed

    def write_metrics(self, values: Mapping[str, float]) -> bool:
        """Send aggregates under their names; return whether they arrived."""
        from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
        from opentelemetry.sdk.metrics.view import View
        from opentelemetry.sdk.resources import Resource

        results: list[MetricExportResult] = []

        class Telling(AzureMonitorMetricExporter):
            def export(self, *args: Any, **kwargs: Any) -> Any:
                with quiet():
                    results.append(super().export(*args, **kwargs))
                return results[-1]

        exporter = Telling(**self._options, transport=_transport(self._options["connection_string"]))
        reader = PeriodicExportingMetricReader(exporter, float("inf"))
        resource = Resource.create({"service.name": self._monitor})
        # OpenTelemetry writes an instrument's name in small letters, and a view's name as it is.
        views = [View(instrument_name=name.lower(), name=name) for name in values]
        provider = MeterProvider([reader], resource, shutdown_on_exit=False, views=views)
        meter = provider.get_meter(names.QUALITY_METRIC_NAMESPACE)
        for name, value in values.items():
            meter.create_gauge(name).set(value, {"monitor": self._monitor})
        provider.force_flush(_FLUSH_MS)
        provider.shutdown()
        return bool(results) and all(result is MetricExportResult.SUCCESS for result in results)

    def close(self) -> None:
        """Let go of threads and connections."""
        with quiet():
            for provider in self._providers.values():
                provider.shutdown()  # type: ignore[no-untyped-call]  # OpenTelemetry left it untyped

    def _attributes(self, one: Scored) -> dict[str, str | float]:
        judgement = one.judgement
        assert judgement is not None and judgement.score is not None  # noqa: S101 - only scores are written
        passed = judgement.score >= one.metric.acceptable_score
        return {
            names.EVALUATION_NAME: one.metric.name,
            names.EVALUATION_SCORE: judgement.score,
            names.EVALUATION_LABEL: "pass" if passed else "fail",
            names.MONITOR: self._monitor,
            names.EVALUATOR: one.evaluator,
            **({names.FLOW: one.row.flow} if one.row.flow else {}),
            names.EVALUATION_EXPLANATION: judgement.reason[:_LONGEST_REASON],
        }

    def _provider(self, role: str) -> LoggerProvider:
        """Return the provider for events of a role: a custom event travels as a log record."""
        if (provider := self._providers.get(role)) is None:
            from azure.monitor.opentelemetry.exporter import AzureMonitorLogExporter
            from opentelemetry.sdk._logs import LoggerProvider
            from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
            from opentelemetry.sdk.resources import Resource

            writer = self

            class Telling(AzureMonitorLogExporter):
                def export(self, *args: Any, **kwargs: Any) -> Any:
                    with quiet():
                        result = super().export(*args, **kwargs)
                    writer._has_failed |= result.name != "SUCCESS"  # its enumeration has another name in newer versions
                    return result

            provider = LoggerProvider(Resource.create({"service.name": role}), shutdown_on_exit=False)
            exporter = Telling(**self._options, transport=_transport(self._options["connection_string"]))
            provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
            self._providers[role] = provider
        return provider


def _transport(connection_string: str) -> Any:
    """The exporter's usual one; on this machine no proxy stands between."""
    import requests
    from azure.core.pipeline.transport import RequestsTransport

    session = requests.Session()
    session.trust_env = "IngestionEndpoint=http://127.0.0.1:" not in connection_string
    return RequestsTransport(session=session)


def _span(one: Scored) -> Any:
    """The span that a score is about; None where the row has no trace in Application Insights."""
    from opentelemetry import trace

    try:
        context = trace.SpanContext(
            int(one.row.trace_id, 16),
            int(one.row.span_id or "0", 16),
            is_remote=True,
            trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
        )
    except ValueError:
        return None
    return context if context.is_valid else None
