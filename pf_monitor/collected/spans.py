"""What a collected span says: promptflow's own, and ours in the same shape."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

FLOW: Final = "Flow"
RETRIEVAL: Final = "Retrieval"
_MODEL_CALLS: Final = frozenset({"LLM", "Embedding"})
_COUNTS: Final = "__computed__.cumulative_token_count."
_OUTCOME: Final = "pf_monitor.outcome"
_MOST_TOKENS: Final = 1e15
"""What counts more is no count."""


@dataclass(frozen=True, slots=True)
class Call:
    """The tokens of a model call."""

    node: str
    model: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(slots=True)
class SpanFacts:
    """A span, as far as a monitor needs it.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 of them.
        parent_id: Likewise; empty for none.
        name: Its name.
        type: `Flow`, `Function`, `Retrieval`, `LLM`, `Embedding` and so on.
        request: promptflow's id of the request.
        start: When it began; None where that cannot be read.
        latency_ms: How long it took; None likewise.
        outcome: `ok`, `error`, or what ours says more closely.
        inputs: Of a flow: its inputs by name.
        output: Of a flow: what it gave.
        documents: Of a retrieval: the texts that it found.
        tokens: Of a flow: prompt, completion and total tokens, as far as they are known.
        call: Of a model call: its tokens.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    type: str
    request: str
    start: datetime | None
    latency_ms: float | None
    outcome: str
    inputs: dict[str, Any] = field(default_factory=dict)
    output: Any = None
    documents: list[str] = field(default_factory=list)
    tokens: dict[str, float] = field(default_factory=dict)
    call: Call | None = None


def read_span(row: object) -> SpanFacts | None:
    """Return what a row of `app_traces` says; None where it is no span."""
    if not isinstance(row, Mapping) or not isinstance(context := row.get("context"), Mapping):
        return None
    trace_id, span_id = _hex(context.get("trace_id")), _hex(context.get("span_id"))
    if not trace_id or not span_id:
        return None
    given = row.get("attributes")
    attributes: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    start, end = read_time(row.get("start_time")), read_time(row.get("end_time"))
    facts = SpanFacts(
        trace_id,
        span_id,
        _hex(row.get("parent_id")),
        clean(row.get("name")),
        clean(attributes.get("span_type")),
        clean(attributes.get("request_id") or attributes.get("line_run_id")),
        start,
        (end - start).total_seconds() * 1e3 if start and end else None,
        clean(attributes.get(_OUTCOME)) or _outcome(row.get("status")),
    )
    if facts.type == FLOW:
        inputs = _parsed(attributes.get("inputs"))
        facts.inputs = inputs if isinstance(inputs, dict) else {}
        facts.output = _parsed(attributes.get("output"))
        facts.tokens = dict(_flow_tokens(attributes))
    elif facts.type == RETRIEVAL:
        facts.documents = list(_documents(_parsed(attributes.get("retrieval.documents"))))
    elif facts.type in _MODEL_CALLS:
        facts.call = Call(
            clean(attributes.get("node_name")),
            clean(attributes.get("llm.response.model")),
            int(_number(attributes.get("llm.usage.prompt_tokens")) or 0),
            int(_number(attributes.get("llm.usage.completion_tokens")) or 0),
        )
    return facts


def read_time(value: object) -> datetime | None:
    """Return a time of a record, aware of its zone; None where it is none."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def roots(spans: Iterable[SpanFacts]) -> Iterator[tuple[SpanFacts, list[SpanFacts]]]:
    """Yield the flow runs of a trace, each with all spans beneath it.

    A flow that another flow calls is a part of that one.
    """
    by_id = {span.span_id: span for span in spans}
    beneath: dict[str, list[SpanFacts]] = {}
    for span in by_id.values():
        top = _outermost_flow(span, by_id)
        if top is not None:
            beneath.setdefault(top.span_id, [])
            if top is not span:
                beneath[top.span_id].append(span)
    for span_id, below in beneath.items():
        yield by_id[span_id], below


def _outermost_flow(span: SpanFacts, by_id: Mapping[str, SpanFacts]) -> SpanFacts | None:
    found = None
    seen: set[str] = set()
    above: SpanFacts | None = span
    while above is not None and above.span_id not in seen:
        seen.add(above.span_id)
        if above.type == FLOW:
            found = above
        above = by_id.get(above.parent_id)
    return found


def _flow_tokens(attributes: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name in ("prompt", "completion", "total"):
        count = _number(attributes.get(f"{_COUNTS}{name}"))
        if count is not None:
            yield f"{name}_tokens", count


def _documents(found: object) -> Iterator[str]:
    for document in found if isinstance(found, list) else [found]:
        text = document.get("document.content") if isinstance(document, Mapping) else document
        if isinstance(text, str) and text.strip():
            yield text


def _outcome(status: object) -> str:
    code = str(status.get("status_code")) if isinstance(status, Mapping) else str(status)
    return "error" if "ERROR" in code.upper() else "ok"


def clean(value: object) -> str:
    """Return a value as a text that any encoding can carry; nothing for None."""
    return str(value or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _hex(value: object) -> str:
    return clean(value).lower().removeprefix("0x")


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value <= _MOST_TOKENS else None


def _parsed(value: object) -> Any:
    """Return what a JSON text says; the text itself where it is none, as where it was cut."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
