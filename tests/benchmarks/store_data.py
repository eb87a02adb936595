"""A store of any size for the benchmarks: a question-answering flow over some days, written as ingestion writes.

Every request is what pf_monitor records of one: the flow run, a retrieval, a node and a model call, with the dimensions
of the telemetry contract and text of the usual lengths. Two in a hundred fail, with an exception; one in ten is judged.
The same number of requests gives the same telemetry, but for `itemId`, whatever the chunks it is written in.

DuckDB makes the items, some hundred times faster than Python would. The store's own statements then insert them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

SPANS_PER_REQUEST: Final = 4
CHUNK_REQUESTS: Final = 25_000
_PASSAGES: Final = 5_000
_SENTENCES: Final = 8_000


class Span(NamedTuple):
    """A time range that requests are spread over evenly."""

    start: datetime
    end: datetime


def setup() -> Iterator[str]:
    """Statements that make the texts to choose from, in temporary tables."""
    text = (
        "the a tent pack stove weighs holds costs packs stands kilograms litres euros days warranty covers seams poles"
        " zips floor cabin flysheet water column millimetres returned unused within for with and of two three four"
        " people season family trekking light waterproof opening porch bicycle table aluminium nylon buckle belt lid"
    )
    words = [f"'{word}'" for word in text.split()]
    yield f"""
        CREATE OR REPLACE TEMP TABLE sentences AS
        SELECT number, upper(text[1]) || text[2:] || '.' AS text FROM (
            SELECT number, string_agg(
                ([{", ".join(words)}])[1 + (md5_number(number * 100 + place) % {len(words)})::INT], ' '
                ORDER BY place) AS text
            FROM range({_SENTENCES}) AS s(number), range(16) AS w(place)
            WHERE place < 8 + number % 9 GROUP BY number)"""
    yield f"""
        CREATE OR REPLACE TEMP TABLE passages AS
        SELECT p.number, 'Product ' || p.number || ': ' || string_agg(s.text, ' ' ORDER BY place) AS text
        FROM range({_PASSAGES}) AS p(number), range(5) AS w(place), sentences AS s
        WHERE s.number = md5_number(7000000 + p.number * 10 + place) % {_SENTENCES}
        GROUP BY p.number"""


MACROS: Final = ("CREATE OR REPLACE TEMP MACRO md5_number(x) AS (hash(x))",)


def operations(first: int, count: int, total: int, time: Span) -> str:
    """The statement that makes a chunk of requests, one row each, in a temporary table."""
    microseconds = int((time.end - time.start).total_seconds() * 1_000_000)
    start = time.start.replace(tzinfo=None).isoformat(sep=" ")
    return f"""
        CREATE OR REPLACE TEMP TABLE operations AS
        WITH draws AS (
            SELECT i, md5(i::VARCHAR) AS trace, md5('s' || i) AS spans,
                hash(i, 1) AS h1, hash(i, 2) AS h2, hash(i, 3) AS h3, hash(i, 4) AS h4, hash(i, 5) AS h5,
                hash(i, 6) AS h6
            FROM range({first}, {first + count}) AS r(i)
        )
        SELECT d.*,
            TIMESTAMP '{start}' + to_microseconds((i::HUGEINT * {microseconds} // {total})::BIGINT) AS began,
            CASE WHEN h1 % 10 < 7 THEN 'rag-chat' ELSE 'triage' END AS flow,
            CASE WHEN h1 % 10 < 7 THEN 'blue' ELSE 'green' END AS deployment,
            ['gpt-4o', 'gpt-4o-mini', 'gpt-4.1-nano'][1 + (h2 % 3)::INT] AS model,
            [2.5, 0.15, 0.1][1 + (h2 % 3)::INT] AS price,
            h3 % 50 = 0 AS failed,
            'user-' || (h4 % 5000) AS user_name,
            'session-' || (h4 % 5000) || '-' || (h5 % 20) AS session,
            (250 + 40000 / (10 + h6 % 190))::INT AS call_ms,
            (250 + h1 % 300)::INT AS prompt,
            (20 + h2 % 200)::INT AS completion,
            'What about product ' || p1.number || ': ' || lower(s1.text) AS question,
            s1.text || ' ' || s2.text || ' ' || s3.text AS answer,
            p1.text AS p1, p2.text AS p2, p3.text AS p3,
            json_array(p1.text, p2.text, p3.text)::VARCHAR AS context
        FROM draws AS d
        JOIN passages AS p1 ON p1.number = h1 % {_PASSAGES}
        JOIN passages AS p2 ON p2.number = h2 % {_PASSAGES}
        JOIN passages AS p3 ON p3.number = h3 % {_PASSAGES}
        JOIN sentences AS s1 ON s1.number = h4 % {_SENTENCES}
        JOIN sentences AS s2 ON s2.number = h5 % {_SENTENCES}
        JOIN sentences AS s3 ON s3.number = h6 % {_SENTENCES}
        ORDER BY i"""


_COMMON: Final = """
    trace AS operation_Id, user_name AS user_Id, 'Other' AS client_Type, flow AS cloud_RoleName, 'laptop' AS
    cloud_RoleInstance, '00000000-0000-4000-8000-706600004319' AS iKey,
    'ulm_py3.11.7:otel1.38.0:ext1.0.0b45' AS sdkVersion, uuid()::VARCHAR AS itemId, 1 AS itemCount
"""

_CORRELATION: Final = """
    'pf_monitor.flow', flow, 'pf_monitor.deployment', deployment,
    'pf_monitor.outcome', CASE WHEN failed THEN 'error' ELSE 'ok' END,
    'pf_monitor.request_id', md5('r' || i), 'session.id', session
"""

_COST: Final = "printf('%.9f', (prompt * price + completion * price * 4) / 1000000)"

_SUMS: Final = f"""
    'pf_monitor.usage.input_tokens', prompt::VARCHAR, 'pf_monitor.usage.output_tokens', completion::VARCHAR,
    'pf_monitor.usage.total_tokens', (prompt + completion)::VARCHAR, 'pf_monitor.usage.llm_calls', '1',
    'pf_monitor.usage.cost_usd', {_COST}
"""


def _text(value: str) -> str:
    return f"'{value}'"


def _bucket(ms: str) -> str:
    return (
        f"CASE WHEN {ms} < 250 THEN '<250ms' WHEN {ms} < 500 THEN '250ms-500ms' WHEN {ms} < 1000 THEN '500ms-1sec'"
        f" WHEN {ms} < 3000 THEN '1sec-3sec' WHEN {ms} < 7000 THEN '3sec-7sec' ELSE '7sec-15sec' END"
    )


def _span(*, name: str, number: int, parent: int | None, after: int, ms: str, type_: str, dims: Sequence[str]) -> str:
    """One kind of span of every request."""
    place = f"spans[{1 + 8 * (number % 4)}:{8 + 8 * (number % 4)}] || trace[{1 + 8 * number}:{8 + 8 * number}]"
    above = (
        "''"
        if parent is None
        else f"spans[{1 + 8 * parent}:{8 + 8 * parent}] || trace[{1 + 8 * parent}:{8 + 8 * parent}]"
    )
    kind = "request" if parent is None else "dependency"
    own = "" if parent is None else f"{type_} AS type, {_text('api.openai.com' if number == 3 else '')} AS target,"
    return f"""
        SELECT i, {number} AS number, began + to_milliseconds({after}) AS timestamp, {place} AS id, {name} AS name,
            {own}
            CASE WHEN failed THEN 'False' ELSE 'True' END AS success, '0' AS resultCode, ({ms})::DOUBLE AS duration,
            {_bucket(ms)} AS performanceBucket, '{kind}' AS itemType, {above} AS operation_ParentId,
            {name} AS operation_Name, json_object({", ".join(dims)}) AS customDimensions, {_COMMON}
        FROM operations"""


REQUESTS: Final = _span(
    name="flow", number=0, parent=None, after=0, ms="call_ms + 14", type_="", dims=[
        "'pf_monitor.kind', 'flow', 'gen_ai.operation.name', 'invoke_workflow'", _CORRELATION, _SUMS,
        "'question', question, 'answer', CASE WHEN failed THEN '' ELSE answer END, 'context', context,"
        " 'inputs', '{\"chat_history\":null}'",
    ],
)  # fmt: skip

DEPENDENCIES: Final = " UNION ALL ".join([
    _span(name="'retrieve'", number=1, parent=0, after=1, ms="8 + h5 % 40", type_="'InProc'", dims=[
        "'pf_monitor.kind', 'retrieval', 'pf_monitor.node', 'retrieve', 'gen_ai.operation.name', 'retrieval'",
        _CORRELATION, "'gen_ai.retrieval.query.text', question",
        "'inputs', json_object('question', question)::VARCHAR, 'output', context",
    ]),
    _span(name="'ask_model'", number=2, parent=0, after=10, ms="call_ms + 3", type_="'InProc'", dims=[
        "'pf_monitor.kind', 'node', 'pf_monitor.node', 'ask_model'", _CORRELATION, _SUMS,
        "'inputs', json_object('question', question, 'context', context::JSON)::VARCHAR,"
        " 'output', to_json(answer)::VARCHAR",
    ]),
    _span(name="'chat ' || model", number=3, parent=2, after=11, ms="call_ms", type_="'GenAI | openai'", dims=[
        "'pf_monitor.kind', 'llm', 'pf_monitor.node', 'ask_model', 'gen_ai.operation.name', 'chat',"
        " 'gen_ai.provider.name', 'openai', 'gen_ai.system', 'openai'",
        _CORRELATION,
        "'gen_ai.request.model', model, 'gen_ai.response.model', model, 'gen_ai.request.temperature', '0',"
        " 'gen_ai.response.id', 'chatcmpl-' || md5('m' || i), 'gen_ai.response.finish_reasons', '[\"stop\"]',"
        " 'gen_ai.usage.input_tokens', prompt::VARCHAR, 'gen_ai.usage.output_tokens', completion::VARCHAR,"
        f" 'gen_ai.response.time_to_first_chunk', printf('%.3f', call_ms / 4000.0),"
        f" 'pf_monitor.usage.cost_usd', {_COST},"
        " 'pf_monitor.usage.source', CASE WHEN h4 % 20 = 0 THEN 'estimated' ELSE 'provider' END",
        "'gen_ai.input.messages', json_array(json_object('role', 'system', 'parts', json_array(json_object('type',"
        " 'text', 'content', 'You are the assistant of an outdoor shop. Answer only from this context: ' || p1 || ' '"
        " || p2 || ' ' || p3))), json_object('role', 'user', 'parts', json_array(json_object('type', 'text',"
        " 'content', question))))::VARCHAR, 'gen_ai.output.messages', json_array(json_object('role', 'assistant',"
        " 'parts', json_array(json_object('type', 'text', 'content', answer)), 'finish_reason', 'stop'))::VARCHAR",
    ]),
])  # fmt: skip
