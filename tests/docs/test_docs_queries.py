"""Every KQL block of the documentation runs, and finds what it says, in rows that the real exporter has sent."""

from __future__ import annotations

import gc
import re
from datetime import UTC, datetime
from functools import partial
from itertools import chain

import openai
import orjson
import pytest
from doc_pages import all_blocks, blocks, code, read, rows, sections, without_blocks
from local_rows import ask
from opentelemetry import context, propagate, trace

import pf_monitor
from pf_monitor import queries, runtime
from pf_monitor.insights.schema import TABLES
from pf_monitor.insights.server import running
from pf_monitor.local import connection_string
from pf_monitor.model import kinds, names
from pf_monitor.pipeline import processors
from pf_monitor.pipeline.losses import Reason
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.settings import Settings
from pf_monitor.tokens.usage import Source

TRACE = "0af7651916cd43dd8448eb211c80319c"
"""The trace that the pages' examples ask for."""

TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"

_NOT_DIMENSIONS = {
    *(names.USER_ID, names.PSEUDONYMOUS_USER_ID),
    *(names.SERVER_ADDRESS, names.SERVER_PORT, names.PEER_NAME, names.PEER_PORT),
}
"""Attributes that the exporter turns into columns."""

_NAMESPACES = {names.METRIC_NAMESPACE, names.GENAI_METRIC_NAMESPACE, names.QUALITY_METRIC_NAMESPACE}


@pytest.fixture(scope="module")
def filled(tmp_path_factory, _stand_in):
    """A local Application Insights that has seen everything that the pages speak of; gives a way to ask it."""
    _stand_in.reset()
    with running(tmp_path_factory.mktemp("insights")) as port:
        settings = Settings(enabled=True, service_version="1.4.0", deployment="blue")
        runtime.use(PipelineRecorder(settings, ApplicationInsights(connection_string(port))))
        try:
            run_everything(_stand_in)
            assert runtime.flush(20)
        finally:
            runtime.stop()
            runtime.off = runtime.takes_over = False
        yield partial(ask, port)


def run_everything(stand_in):
    client = openai.OpenAI(base_url=stand_in.base_url, api_key="stand-in", max_retries=0)
    messages = [{"role": "user", "content": "How heavy is the Larkspur 2?"}]

    @pf_monitor.retrieval
    def retrieve(question):
        client.embeddings.create(model="stand-in", input=question)
        return ["The Larkspur 2 weighs 2.1 kg."]

    @pf_monitor.node
    def answer(question, notes):
        made = client.chat.completions.create(
            model="stand-in", messages=messages, temperature=0.5, top_p=0.9, max_tokens=50, seed=1, n=2
        )
        pf_monitor.record_usage("gpt-4o-mini", input_tokens=10, output_tokens=2, provider="openai")
        return made.choices[0].message.content

    @pf_monitor.flow
    def chat(question, ground_truth="", top=3):
        pf_monitor.set_correlation(user="u-42", session="s-17", conversation="c-3")
        trace.get_current_span().add_event("note")
        pf_monitor.record_feedback(False, comment="too long")
        return {"answer": answer(question, retrieve(question)), "confidence": 0.9}

    @pf_monitor.flow
    def stream(question, **options):
        for chunk in client.chat.completions.create(model="stand-in", messages=messages, stream=True, **options):
            yield from (choice.delta.content or "" for choice in chunk.choices)

    @pf_monitor.flow
    def respond(question):
        tool = {"type": "function", "name": "weigh", "parameters": {"type": "object", "properties": {}}}
        made = client.responses.create(model="stand-in", input=question, instructions="Be brief.", tools=[tool])
        return made.output_text

    @pf_monitor.flow
    def first(question):
        return client.chat.completions.create(model="stand-in", messages=messages).choices[0].message.content

    @pf_monitor.flow
    def fail(question):
        client.chat.completions.create(model="stand-in", messages=messages, extra_headers={"x-stand-in": "fail=500"})

    # The first model call is the one whose id the pages ask for.
    first("Is it the first?")
    token = context.attach(propagate.extract({"traceparent": TRACEPARENT}))
    chat("How heavy is the Larkspur 2?", ground_truth="2.1 kg")
    context.detach(token)
    list(stream("And the Firefly?"))
    abandoned = stream("Who waits?", extra_headers={"x-stand-in": "stall=60, stall_after=2"})
    next(abandoned)
    abandoned.close()
    gc.collect()  # the client's own objects hold each other, and the connection
    respond("Weigh it.")
    chat("long " * 20_000)
    with pytest.raises(openai.InternalServerError):
        fail("Does it break?")
    client.close()


PREAMBLE = next(block.text for block in blocks("azure-portal.md", "kql") if block.marker == "preamble")
QUOTED = [block for block in all_blocks("kql") if block.marker.startswith("query: ")]
OWN = [block for block in all_blocks("kql") if not block.marker]


@pytest.mark.parametrize("block", OWN, ids=lambda block: block.place)
def test_a_query_of_the_pages_finds_something(block, filled):
    assert filled(block.text), f"{block.place}: the query runs, but finds nothing"


@pytest.mark.parametrize("block", QUOTED, ids=lambda block: block.marker)
def test_a_quoted_query_is_the_file(block, filled):
    name = block.marker.removeprefix("query: ")
    assert name in queries.names(), f"{block.place}: there is no pf_monitor/queries/{name}.kql"
    assert block.text.rstrip() == queries.own_text(name).rstrip(), (
        f"{block.place} differs from pf_monitor/queries/{name}.kql"
    )
    # As the page tells its reader to: two lines in front, or the operation.
    in_front = f'let operation = "{TRACE}";\n' if name == "request" else PREAMBLE
    assert filled(in_front + block.text)
    now = datetime.now(UTC)
    assert filled(queries.load(name, since=now.replace(year=now.year - 1), until=now, operation=TRACE))


def test_the_preamble_is_what_the_views_put_in_front():
    lets, _, tables = PREAMBLE.partition("// What every page counts")
    assert lets == "let since = ago(1d);\nlet until = now();\n"
    assert f"// What every page counts{tables}".rstrip() == queries.own_text("scope").rstrip()


def test_every_query_file_is_on_the_portal_page():
    page = read("azure-portal.md")
    missing = [name for name in queries.names() if f"`{name}.kql`" not in page]
    assert not missing, f"azure-portal.md does not say what these files of pf_monitor/queries are for: {missing}"


COMMANDS = [
    (block, kql) for block in all_blocks("sh") for kql in re.findall(r"pf-monitor query [^'\n]*'([^']+)'", block.text)
]
INLINE = [("troubleshooting.md", kql) for kql in re.findall(r"pf-monitor query '([^']+)'", read("troubleshooting.md"))]


@pytest.mark.parametrize("kql", [kql for _, kql in chain(COMMANDS, INLINE)])
def test_a_query_in_a_command_line_finds_something(kql, filled):
    assert filled(kql)


# The names on the telemetry page.


def dimensions_of(filled, tables):
    found = filled(f"{tables} | project customDimensions")
    return {key for row in found for key in orjson.loads(row["customDimensions"])}


def documented_names():
    return {name for row in rows(without_blocks(read("telemetry.md"))) for cell in row for name in code(cell)}


def test_every_dimension_that_arrives_is_on_the_page(filled):
    arrived = dimensions_of(filled, "union requests, dependencies, exceptions, customEvents, customMetrics")
    parts = {key for key in arrived if re.search(r"\.\d+$", key)}  # question.2 and so on
    assert parts, "the long question was not continued"
    missing = arrived - parts - documented_names()
    assert not missing, f"telemetry.md does not name {sorted(missing)}"


def test_every_name_of_the_contract_is_on_the_page():
    constants = {value for name, value in vars(names).items() if name.isupper()} - _NOT_DIMENSIONS - _NAMESPACES
    missing = constants - documented_names()
    assert not missing, f"telemetry.md does not name {sorted(missing)} of model/names.py"
    missing = {reason.value for reason in Reason} - documented_names()
    assert not missing, f"telemetry.md does not say what {sorted(missing)} of pipeline/losses.py mean"
    for namespace in _NAMESPACES:
        assert f"Namespace `{namespace}`" in read("telemetry.md")


def test_every_name_on_the_page_is_one_that_the_code_gives(filled):
    arrived = dimensions_of(filled, "union requests, dependencies, exceptions, customEvents, customMetrics")
    metrics = {row["name"] for row in filled("customMetrics | distinct name")}
    ours = {name for name in documented_names() if re.match(r"(pf_monitor|gen_ai)\.", name)}
    known = arrived | metrics | {value for name, value in vars(names).items() if name.isupper()}
    unknown = ours - known
    assert not unknown, f"telemetry.md names {sorted(unknown)}, which the code does not know"


NEVER_HERE = {
    names.USAGE_CACHE_READ: "the stand-in has no cache",
    names.USAGE_CACHE_WRITE: "the stand-in has no cache",
    names.USAGE_REASONING: "the stand-in does not reason",
    names.REDACTED: "nobody tells the flow a secret",
    names.WITHHELD: "redaction does not fail",
}


def test_what_the_page_says_is_on_spans_is_there(filled):
    arrived = dimensions_of(filled, "union requests, dependencies")
    promised = {
        name
        for heading in ("On every span", "On flows and nodes", "On model calls")
        for row in rows(sections("telemetry.md", 3)[heading])
        for name in code(row[0])
    }
    missing = promised - arrived - NEVER_HERE.keys()
    assert not missing, f"telemetry.md promises {sorted(missing)}, which no span has"


def test_the_deployment_is_on_every_span(filled):
    assert names.DEPLOYMENT in dimensions_of(filled, "requests")


def test_every_metric_is_on_the_page(filled):
    arrived = {row["name"] for row in filled("customMetrics | distinct name")}
    assert arrived <= documented_names(), f"telemetry.md does not name {sorted(arrived - documented_names())}"
    counters = {row["name"] for row in filled("performanceCounters | distinct name")}
    assert counters <= set(code(read("telemetry.md"))), f"telemetry.md does not name {sorted(counters)}"


@pytest.mark.parametrize("values", [kinds.Kind, kinds.Outcome, Source])
def test_every_value_is_on_the_page(values):
    said = set(code(read("telemetry.md")))
    missing = {value.value for value in values} - said
    assert not missing, f"telemetry.md does not name {sorted(missing)} of {values.__name__}"


def test_outcomes_succeed_as_the_page_says(filled):
    said = {code(row[0])[0]: code(row[2])[0] for row in rows(sections("telemetry.md", 3)["Outcomes"])}
    assert said.keys() == {outcome.value for outcome in kinds.Outcome}
    found = filled(
        "union requests, dependencies"
        '| extend outcome = tostring(customDimensions["pf_monitor.outcome"]) | distinct outcome, success'
    )
    assert {row["outcome"] for row in found} == {"ok", "error", "abandoned"}
    assert all(row["success"] == said[row["outcome"]] for row in found)


def test_the_limits_are_those_of_the_code():
    page = read("telemetry.md")
    assert f"{processors.LONGEST_VALUE:,} characters" in page
    assert f"{processors.CONTENT_BUDGET:,} bytes" in page


def test_columns_on_the_page_exist(filled):
    have = set(filled("union requests, dependencies | take 1")[0])
    said = {name for row in rows(sections("telemetry.md", 3)["Columns"]) for name in code(row[0])}
    assert said <= have, f"telemetry.md speaks of the columns {sorted(said - have)}"
    classic = {code(row[0])[0] for row in rows(sections("azure-portal.md", 2)["Classic and workspace table names"])}
    assert classic <= have | TABLES.keys(), f"azure-portal.md speaks of {sorted(classic - have - TABLES.keys())}"
