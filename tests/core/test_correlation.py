"""One operation_Id selects a request's items, and it is the caller's."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

from opentelemetry import context, propagate, trace

import pf_monitor

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pf_monitor.node
def node(name):
    return name


@pf_monitor.flow
def threads(question):
    with ThreadPoolExecutor() as pool:
        for name in "ab":
            pool.submit(contextvars.copy_context().run, node, name).result()


@pf_monitor.flow
async def tasks(question):
    await asyncio.gather(*(asyncio.to_thread(node, name) for name in "ab"))


def called_with(headers):
    return context.attach(propagate.extract(headers))


def test_the_callers_trace_and_baggage(monitor):
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "baggage": "session.id=s-9,user.id=u-3,else=x"}
    token = called_with(headers)
    threads("q")
    context.detach(token)
    rows = monitor.rows("union requests, dependencies")
    assert len(rows) == 3
    assert {row["operation_Id"] for row in rows} == {TRACE}
    assert {row["user_Id"] for row in rows} == {"u-3"}
    assert {row["customDimensions"]["session.id"] for row in rows} == {"s-9"}
    assert not any("else" in row["customDimensions"] for row in rows)
    [request] = [row for row in rows if row["itemType"] == "request"]
    assert request["operation_ParentId"] == PARENT
    assert {row["operation_ParentId"] for row in rows if row is not request} == {request["id"]}


def test_a_steps_span_context_is_one_of_opentelemetrys_own(monitor):
    @pf_monitor.flow
    def show(question):
        return trace.get_current_span().get_span_context()

    own = show("q")
    theirs = trace.SpanContext(own.trace_id, own.span_id, is_remote=False, trace_flags=trace.TraceFlags(1))
    assert (own, own.is_valid, own.trace_flags.sampled, own.is_remote) == (theirs, True, True, False)
    assert own.trace_state == theirs.trace_state
    [row] = monitor.rows("requests")
    assert (row["operation_Id"], row["id"]) == (f"{own.trace_id:032x}", f"{own.span_id:016x}")


def test_a_caller_that_did_not_sample_is_recorded_all_the_same(monitor):
    token = called_with({"traceparent": f"00-{TRACE}-{PARENT}-00"})
    threads("q")
    context.detach(token)
    assert {row["operation_Id"] for row in monitor.rows("requests")} == {TRACE}


async def test_across_tasks(monitor):
    await tasks("q")
    rows = monitor.rows("union requests, dependencies")
    assert len(rows) == 3
    assert len({row["operation_Id"] for row in rows}) == 1


def test_what_is_set_outside_holds_for_the_flows_started_there(monitor):
    def session():
        pf_monitor.set_correlation(session="s-1", tenant=7)
        threads("q")

    contextvars.copy_context().run(session)
    threads("other")
    first, second = monitor.rows("requests | order by timestamp asc")
    assert (first["customDimensions"]["session.id"], first["customDimensions"]["tenant"]) == ("s-1", "7")
    assert "session.id" not in second["customDimensions"]


def test_two_requests_in_flight_do_not_mix(monitor):
    @pf_monitor.flow
    def flow(question):
        pf_monitor.set_correlation(session=question)
        node(question)
        pf_monitor.record_usage("m", input_tokens=int(question))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: contextvars.Context().run(flow, str(n)), range(1, 41)))
    rows = monitor.rows("requests")
    assert len(rows) == 40
    for row in rows:
        dimensions = row["customDimensions"]
        assert dimensions["session.id"] == dimensions["question"] == dimensions["pf_monitor.usage.input_tokens"]


def test_a_flow_below_a_recorded_server_span_is_internal_and_names_the_request(monitor):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import SpanKind

    tracer = TracerProvider().get_tracer("their.server")
    with tracer.start_as_current_span("POST /ask", kind=SpanKind.SERVER) as server:
        threads("q")
    [flow] = monitor.rows("dependencies | where name == 'threads'")
    assert flow["operation_ParentId"] == f"{server.get_span_context().span_id:016x}"
    assert server.attributes["pf_monitor.kind"] == "request"
    assert server.attributes["pf_monitor.flow"] == "threads"


def test_a_span_of_the_users_own_stands_between(monitor):
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider().get_tracer("theirs")

    @pf_monitor.flow
    def flow(question):
        with tracer.start_as_current_span("own work") as own:
            node("x")
        return f"{own.get_span_context().span_id:016x}"

    own = flow("q")
    [row] = monitor.rows("dependencies")
    assert row["operation_ParentId"] == own
