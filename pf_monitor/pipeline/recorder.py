"""The recorder: gives steps their time and ids, takes them when they have ended, and sees them on their way."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pf_monitor import notices
from pf_monitor.forking import in_forked_child
from pf_monitor.model import names
from pf_monitor.model.kinds import Outcome
from pf_monitor.model.step import Step
from pf_monitor.pipeline.breathing import in_breaths
from pf_monitor.pipeline.item import CustomEvent
from pf_monitor.pipeline.losses import Reason
from pf_monitor.pipeline.metrics import Metrics
from pf_monitor.pipeline.privacy import Privacy
from pf_monitor.pipeline.processors import described, processors
from pf_monitor.pipeline.resources import Resources
from pf_monitor.pipeline.sampling import SAMPLE_RATE, WHOLE, RequestEnd, Sampler
from pf_monitor.pipeline.shedding import Shedder
from pf_monitor.pipeline.spans import to_item, to_span
from pf_monitor.pipeline.worker import DELAY_S, QUEUE_LENGTH, Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext
    from opentelemetry.util.types import AttributeValue

    from pf_monitor.pipeline.collecting import Collecting
    from pf_monitor.pipeline.sampling import Kept
    from pf_monitor.pipeline.sinks import Sink
    from pf_monitor.settings import Settings

_METRICS_PERIOD_MS = 60_000


class PipelineRecorder:
    """Records steps and sends them to a sink.

    Args:
        settings: What the user wants.
        sink: Where everything goes.
        delay_s: How long a finished step waits for company at most, in seconds.
    """

    def __init__(self, settings: Settings, sink: Sink, delay_s: float = DELAY_S) -> None:
        self.capture_content = settings.capture_content
        self._sink = sink
        self._privacy = Privacy(settings)
        self._processors = processors(settings.deployment, self._privacy)
        self._resources = Resources(settings)
        self._meter_provider: MeterProvider | None = None
        self._metrics: Metrics | None = None
        self._without_metrics = False
        """Whether they could not be started: that is not tried again at each step."""
        self._starting = threading.RLock()
        """Held while the instruments are made: the first steps of a server may end at the same time."""
        self._sampler = Sampler.wanted(settings)
        self._collecting = self._wanted_collecting(settings, self._privacy)
        self._shedder = Shedder()
        self._worker: Worker[Step | RequestEnd | CustomEvent] = Worker(self._deliver, delay_s, self._thin, self._look)
        self._random = random.Random()  # noqa: S311 - ids, not secrets; own, so that a user's seed repeats none
        in_forked_child(self._after_fork)

    @classmethod
    def for_application_insights(cls, settings: Settings) -> PipelineRecorder:
        """Return a recorder that sends where the settings say."""
        from pf_monitor.pipeline.sinks import ApplicationInsights

        return cls(settings, ApplicationInsights(settings.connection_string))

    # Time and ids.

    now_ns = staticmethod(time.time_ns)
    """The wall clock in nanoseconds since 1970."""

    tick = staticmethod(time.perf_counter_ns)
    """The monotonic clock in nanoseconds."""

    def new_trace_id(self) -> int:
        """Return a new id of 128 bits, not 0."""
        return self._random.getrandbits(128) or 1

    def new_span_id(self) -> int:
        """Return a new id of 64 bits, not 0."""
        return self._random.getrandbits(64) or 1

    # What is recorded.

    def record(self, step: Step) -> None:
        """Take a step that has just ended.

        Its metrics are recorded on the worker's thread: they take as long as all else that is done on this one.
        """
        metrics = self._metrics or self._started_metrics(step)
        is_root = step.parent is None
        admitted = self._shedder.admits(step)
        if admitted and not self._worker.put(step, urgent=step.outcome is Outcome.ERROR):
            self._shedder.refuse(step)
            admitted = False
        if not admitted:
            if metrics is not None:
                metrics.record(step)  # exact, whatever becomes of the span
            self._sink.losses.add(Reason.OVERLOAD, 1)
        if is_root and self._sampler is not None:
            self._worker.put(RequestEnd(step), urgent=True)

    def record_event(self, name: str, attributes: Mapping[str, AttributeValue], about: SpanContext) -> None:
        """Take a custom event.

        Args:
            name: The event's name in `customEvents`.
            attributes: Its custom dimensions.
            about: The span that it is about.
        """
        flow = str(attributes.get(names.FLOW, ""))
        event = CustomEvent(name, dict(attributes), about, self.now_ns(), self._resources.of(flow))
        if not self._worker.put(event, urgent=True):
            self._sink.losses.add(Reason.OVERLOAD, 1)

    def flush(self, timeout: float) -> bool:
        """Send what is pending, metrics included.

        Args:
            timeout: How long to wait at most, in seconds.

        Returns:
            Whether all of it was sent, or waits on disk.
        """
        deadline = time.monotonic() + timeout
        taken = self._worker.flush(timeout)
        if self._collecting is not None:
            taken = self._collecting.flush(max(0.0, deadline - time.monotonic())) and taken
        if self._meter_provider is not None:
            left_ms = max(0.0, deadline - time.monotonic()) * 1e3
            taken = _flushed(self._meter_provider, left_ms) and taken
        return self._sink.flush(max(0.0, deadline - time.monotonic())) and taken

    def shutdown(self, timeout: float) -> None:
        """Send what is pending and end all threads.

        Args:
            timeout: How long to wait at most, in seconds.
        """
        deadline = time.monotonic() + timeout
        if self._sampler is not None:
            self._worker.put(RequestEnd(None), urgent=True)
        self._worker.stop(timeout)
        if self._collecting is not None:
            self._collecting.stop(max(0.0, deadline - time.monotonic()))
        if self._meter_provider is not None:
            with suppress(Exception):  # OpenTelemetry raises where there is not time enough; what follows has to happen
                self._meter_provider.shutdown(max(0.0, deadline - time.monotonic()) * 1e3)
        self._sink.shutdown(max(0.0, deadline - time.monotonic()))

    # How it is sent.

    def _deliver(self, batch: list[Step | RequestEnd | CustomEvent]) -> None:
        events = [self._privacy.protect_event(thing) for thing in batch if isinstance(thing, CustomEvent)]
        steps = [thing for thing in batch if not isinstance(thing, CustomEvent)]
        self._count(step for step in steps if not isinstance(step, RequestEnd))
        passed = [step for step in steps if isinstance(step, RequestEnd) or self._shedder.passes(step)]
        if len(passed) < len(steps):
            self._sink.losses.add(Reason.OVERLOAD, len(steps) - len(passed))
        if self._collecting is not None:
            self._collecting.take(step for step in passed if not isinstance(step, RequestEnd))
        if sampled := self._sampled(passed):
            spans = (self._span(step, rate) for step, rate in in_breaths(sampled))
            self._sink.send_spans(span for span in spans if span is not None)
        if events:
            self._sink.send_events(events)

    def _wanted_collecting(self, settings: Settings, privacy: Privacy) -> Collecting | None:
        if not settings.collect_to:
            return None
        from pf_monitor.pipeline.collecting import Collecting

        return Collecting.wanted(settings, described(settings.deployment, privacy))

    def _thin(self, things: list[Step | RequestEnd | CustomEvent]) -> list[Step | RequestEnd | CustomEvent]:
        """Shed traces, so that half of what may wait is left; what is shed has its metrics recorded."""
        ratio = QUEUE_LENGTH / 4 / len(things)
        shed = self._shedder.thin((thing for thing in things if isinstance(thing, Step)), ratio)
        gone = [thing for thing in things if isinstance(thing, Step) and thing.context.trace_id in shed]
        self._count(gone)
        self._sink.losses.add(Reason.OVERLOAD, len(gone))
        notices.say_once(
            "overload",
            "pf_monitor sends only some of the requests: more come than it can prepare beside them. Of the others it "
            "sends what failed. The flow is not held up. Metrics stay exact.",
        )
        return [thing for thing in things if not (isinstance(thing, Step) and thing.context.trace_id in shed)]

    def _look(self, waiting: float, elapsed_s: float) -> float:
        return self._shedder.adapt(waiting, elapsed_s)

    def _count(self, steps: Iterable[Step]) -> None:
        if self._metrics is not None:
            for step in in_breaths(steps):
                self._metrics.record(step)

    def _after_fork(self) -> None:
        """In a forked child: what has been counted so far is the parent's to send."""
        self._metrics = self._meter_provider = None
        self._without_metrics = False
        self._starting = threading.RLock()
        self._shedder = Shedder()
        self._sink.losses.forget()

    def _sampled(self, steps: list[Step | RequestEnd]) -> list[Kept]:
        if self._sampler is not None:
            return self._sampler.take(steps)
        return [(step, WHOLE) for step in steps if not isinstance(step, RequestEnd)]

    def _span(self, step: Step, rate: float) -> ReadableSpan | None:
        item = to_item(step, self._processors)
        if item is None:
            return None
        if rate < WHOLE:
            item.attributes[SAMPLE_RATE] = rate
        return to_span(item, self._resources.of(step.flow.name if step.flow is not None else ""))

    def _started_metrics(self, step: Step) -> Metrics | None:
        """Make the instruments at the first step: only then is the flow's name known, which is the role's."""
        with self._starting:
            if self._metrics is None and not self._without_metrics:
                try:
                    self._metrics = self._make_metrics(step)
                except Exception as error:  # noqa: BLE001 - the step has its row all the same
                    self._without_metrics = True
                    notices.say_once("metrics", "pf_monitor could not start its metrics: %r", error)
            return self._metrics

    def _make_metrics(self, step: Step) -> Metrics:
        from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
        from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader

        from pf_monitor.pipeline.process_counters import add_process_counters

        exporter = self._sink.metric_exporter()
        readers: list[MetricReader] = (
            [PeriodicExportingMetricReader(exporter, _METRICS_PERIOD_MS)] if exporter is not None else []
        )
        flow = step.flow.name if step.flow is not None else ""
        self._meter_provider = MeterProvider(
            readers,
            self._resources.of(flow),
            shutdown_on_exit=False,
            exemplar_filter=AlwaysOffExemplarFilter(),  # Application Insights knows none, and they cost a fifth
        )
        add_process_counters(self._meter_provider)
        return Metrics(self._meter_provider, self._sink.losses)


def _flushed(metrics: MeterProvider, timeout_ms: float) -> bool:
    """Collect and send metrics; OpenTelemetry raises where there is not time enough."""
    try:
        return metrics.force_flush(timeout_ms)
    except Exception:  # noqa: BLE001 - never into the flow
        return False
