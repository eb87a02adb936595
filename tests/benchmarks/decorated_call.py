"""One decorated call, its input and output captured, beside a bare OpenTelemetry span, promptflow and peers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from measuring import ChildError, Contestant, Figure, answer, compare, in_child
from servers import server

CALLS = 500
ROUNDS = 25
BARE_CALL = "a bare call"
BARE_SPAN = "a bare span with six attributes"

TARGET = 1.3
OURS = {"flow": "pf_monitor: a flow run", "node": "pf_monitor: a node in a flow"}
OTHERS = {
    "promptflow": "promptflow: @trace",
    "openinference": "OpenInference: @tracer.chain",
    "traceloop": "traceloop: @task",
    "logfire": "Logfire: @instrument(record_return=True)",
    "langfuse": "Langfuse: @observe",
    "util_genai": "util-genai: handler.workflow, content captured",
}


def benchmark(options: dict[str, Any]) -> Iterator[Figure | str]:
    """Yield figures, and what could not be measured."""
    told_bare = False
    for case, title in {**OURS, **OTHERS}.items():
        python = options["python"] if case in OURS or case == "promptflow" else options["peers_python"]
        try:
            timed = in_child(__file__, case, "", environment=_ENVIRONMENT.get(case), python=python)
        except ChildError as error:
            yield f"{title}: not measured ({error})"
            continue
        (bare, bare_all), (own, own_all) = timed[BARE_SPAN], timed[case]
        if not told_bare:
            told_bare = True
            call = timed[BARE_CALL][0]
            yield Figure(f"{BARE_CALL}, caller", call * 1e6, "µs")
            yield Figure(f"{BARE_SPAN}, caller", bare * 1e6, "µs", 1.0)
            yield Figure(f"{BARE_SPAN}, whole process", bare_all * 1e6, "µs", 1.0)
        yield Figure(f"{title}, caller", own * 1e6, "µs", own / bare, TARGET if case in OURS else None)
        yield Figure(f"{title}, whole process", own_all * 1e6, "µs", own_all / bare_all)
    with server("ingestion") as port:
        for case, title in OURS.items():
            timed = in_child(__file__, case, port)
            (bare, bare_all), (own, own_all) = timed[BARE_SPAN], timed[case]
            if case == "flow":
                yield Figure(f"{BARE_SPAN}, sent by the Azure exporter, whole process", bare_all * 1e6, "µs", 1.0)
            yield Figure(f"{title}, sent by the Azure exporter, caller", own * 1e6, "µs", own / bare)
            yield Figure(f"{title}, sent, whole process", own_all * 1e6, "µs", own_all / bare_all)


_ENVIRONMENT = {
    "promptflow": {"PF_DISABLE_TRACING": "false"},
    "traceloop": {"TRACELOOP_TELEMETRY": "false", "TRACELOOP_TRACE_CONTENT": "true"},
    "util_genai": {
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    },
}


def work(question: str, top: int = 3) -> dict[str, Any]:
    """Do next to nothing: what is measured is what is done about it."""
    return {"answer": question, "top": top}


def repeatedly(function: Callable[..., Any]) -> Callable[[int], None]:
    def run(number: int) -> None:
        for _ in range(number):
            function("How heavy is the tent?", top=5)

    return run


# The measuring process.


def provider(port: str = "") -> Any:
    """Return a tracer provider with a batch processor that exports to a port, or nowhere."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    made = TracerProvider()
    made.add_span_processor(BatchSpanProcessor(azure_exporter(port) if port else no_op_exporter()))
    return made


def no_op_exporter() -> Any:
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class NoOp(SpanExporter):
        def export(self, spans: Any) -> Any:
            return SpanExportResult.SUCCESS

    return NoOp()


def azure_exporter(port: str) -> Any:
    import pf_monitor.pipeline.sinks as sinks
    from pf_monitor.local import connection_string

    sinks.ApplicationInsights(connection_string(int(port)))  # it silences what the exporter sends about itself
    from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter

    return AzureMonitorTraceExporter(connection_string=connection_string(int(port)))


def bare_span(port: str = "") -> Contestant:
    """Return the baseline: six attributes that are there already; nothing is serialised, correlated or counted."""
    made = provider(port)
    tracer = made.get_tracer("bare")

    def traced(question: str, top: int = 3) -> dict[str, Any]:
        with tracer.start_as_current_span("work") as span:
            span.set_attribute("kind", "node")
            span.set_attribute("flow", "chat")
            span.set_attribute("node", "work")
            span.set_attribute("session.id", "s-1")
            span.set_attribute("question", question)
            span.set_attribute("top", top)
            return work(question, top)

    return Contestant(repeatedly(traced), made.force_flush)


def against_bare(case: str, contestant: Contestant, port: str = "") -> dict[str, tuple[float, float]]:
    timed = compare(
        {BARE_CALL: Contestant(repeatedly(work)), BARE_SPAN: bare_span(port), case: contestant}, CALLS, ROUNDS
    )
    return {name: (timing.caller, timing.process) for name, timing in timed.items()}


def flow(port: str) -> Any:
    import pf_monitor

    _switch_on(port)
    decorated = pf_monitor.flow(work)
    pf_monitor.set_correlation(session="s-1")
    return against_bare("flow", Contestant(repeatedly(decorated), lambda: pf_monitor.flush(30)), port)


def node(port: str) -> Any:
    import pf_monitor

    _switch_on(port)
    pf_monitor.set_correlation(session="s-1")
    nodes = repeatedly(pf_monitor.node(work))

    @pf_monitor.flow
    def flow(number: int) -> None:
        nodes(number)

    return against_bare("node", Contestant(flow, lambda: pf_monitor.flush(30)), port)


def _switch_on(port: str) -> None:
    import monitors

    monitors.switch(monitors.to_port(port) if port else monitors.to_nowhere())


def promptflow(_: str) -> Any:
    from opentelemetry import trace
    from promptflow.tracing import trace as traced

    made = provider()
    trace.set_tracer_provider(made)
    return against_bare("promptflow", Contestant(repeatedly(traced(work)), made.force_flush))


def openinference(_: str) -> Any:
    from openinference.instrumentation import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    made = TracerProvider()
    made.add_span_processor(BatchSpanProcessor(no_op_exporter()))
    tracer = made.get_tracer("bench")
    return against_bare("openinference", Contestant(repeatedly(tracer.chain(work)), made.force_flush))


def traceloop(_: str) -> Any:
    from opentelemetry import trace
    from traceloop.sdk import Traceloop
    from traceloop.sdk.decorators import task

    Traceloop.init("bench", exporter=no_op_exporter(), telemetry_enabled=False, instruments=set())
    decorated = task(name="work")(work)
    return against_bare("traceloop", Contestant(repeatedly(decorated), trace.get_tracer_provider().force_flush))


def logfire(_: str) -> Any:
    import logfire
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    processor = BatchSpanProcessor(no_op_exporter())
    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[processor])
    decorated = logfire.instrument("work", record_return=True)(work)
    return against_bare("logfire", Contestant(repeatedly(decorated), processor.force_flush))


def langfuse(_: str) -> Any:
    from langfuse import Langfuse, observe

    keys = {"public_key": "pk-lf-0", "secret_key": "sk-lf-0", "base_url": "http://127.0.0.1:9"}
    client = Langfuse(**keys, span_exporter=no_op_exporter())
    decorated = observe()(work)
    return against_bare("langfuse", Contestant(repeatedly(decorated), client.flush))


def util_genai(_: str) -> Any:
    from opentelemetry.util.genai.handler import TelemetryHandler
    from opentelemetry.util.genai.types import InputMessage, OutputMessage, Text

    made = provider()
    handler = TelemetryHandler(tracer_provider=made)

    def handled(question: str, top: int = 3) -> dict[str, Any]:
        with handler.workflow("work") as invocation:
            inputs = json.dumps({"question": question, "top": top})
            invocation.input_messages = [InputMessage(role="user", parts=[Text(content=inputs)])]
            output = work(question, top)
            said = Text(content=json.dumps(output))
            invocation.output_messages = [OutputMessage(role="assistant", parts=[said], finish_reason="stop")]
        return output

    return against_bare("util_genai", Contestant(repeatedly(handled), made.force_flush))


if __name__ == "__main__":
    answer(
        {
            function.__name__: function
            for function in (flow, node, promptflow, openinference, traceloop, logfire, langfuse, util_genai)
        }
    )
