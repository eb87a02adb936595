"""The trace of one request: its steps as a tree in time, what was said, what went wrong, what people thought of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict

import orjson

from pf_monitor import queries
from pf_monitor.views.messages import Message, messages
from pf_monitor.views.source import Record, Source
from pf_monitor.views.stacks import Frame, frames
from pf_monitor.views.tree import depth_first

_MOST_ITEMS: Final = 2_000
"""What `request.kql` takes."""

_EVALUATION: Final = "gen_ai.evaluation.result"
_CONTENT: Final = ("question", "answer", "context", "ground_truth", "inputs", "output", "gen_ai.retrieval.query.text")
_MESSAGES: Final = (
    "gen_ai.system_instructions",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.tool.definitions",
)


class TraceSpan(TypedDict):
    """One step, in the order in which a tree is drawn.

    Attributes:
        depth: How many steps stand above it.
        kind: `flow`, `node`, `retrieval`, `llm`, `embedding`, `request`, or empty for what somebody else recorded.
        offset_ms: Milliseconds from the beginning of the trace.
        prompt_tokens: Of a model call its own; of a flow or node the sums of what is beneath. None where not known.
        content: What went in and out, whole, by name.
        messages: What a model was told and answered.
        cut: What was too long to be sent whole, with its full length in characters.
        attributes: All else that was recorded of it.
    """

    id: str
    parent_id: str
    depth: int
    kind: str
    name: str
    node: str
    model: str
    outcome: str
    is_failed: bool
    error_type: str
    started: str
    offset_ms: float
    duration_ms: float
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    usage_source: str
    first_chunk_s: float | None
    content: dict[str, str]
    messages: list[Message]
    cut: dict[str, int]
    attributes: dict[str, str]


class TraceError(TypedDict):
    """An exception: its stack as text, and its frames, the innermost last."""

    timestamp: str
    span_id: str
    type: str
    message: str
    stack: str
    frames: list[Frame]


class TraceLog(TypedDict):
    """A log record or event; severity 0 (verbose) to 4 (critical), None where it has none."""

    timestamp: str
    offset_ms: float
    span_id: str
    message: str
    severity: int | None
    attributes: dict[str, str]


class TraceScore(TypedDict):
    """What a judge or a person (`is_feedback`) thought of the answer."""

    timestamp: str
    span_id: str
    metric: str
    score: float | None
    label: str
    explanation: str
    evaluator: str
    is_feedback: bool


class Trace(TypedDict):
    """The page's data.

    Attributes:
        flow: The outermost flow run; its question, answer and context, outcome and sums.
        total_ms: From the beginning of the first step to the end of the last.
        is_whole: Whether all items are there; a trace of very many shows the first.
        correlation: The ids by which this request is found elsewhere, by name.
        dimensions: The custom dimensions that the user's code set.
        kql: The query that shows the same in the Azure portal.
    """

    operation_Id: str
    flow: str
    outcome: str
    started: str
    total_ms: float
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    question: str
    answer: str
    context: str
    ground_truth: str
    is_whole: bool
    spans: list[TraceSpan]
    errors: list[TraceError]
    logs: list[TraceLog]
    scores: list[TraceScore]
    correlation: dict[str, str]
    dimensions: dict[str, str]
    kql: str


def trace(source: Source, operation: str) -> Trace | None:
    """Return the trace of one request, or None if there is none.

    Args:
        source: What answers queries.
        operation: The `operation_Id`.
    """
    kql = queries.load("request", operation=operation)
    items = [_Item(record) for record in source.query(kql).records()]
    if not items:
        return None
    began = min(item.moment for item in items)
    spans = [_span(item, depth, began) for item, depth in depth_first([item for item in items if item.is_span])]
    outermost = next((span for span in spans if span["kind"] == "flow"), spans[0] if spans else None)
    content = outermost["content"] if outermost else {}
    return Trace(
        operation_Id=operation,
        flow=outermost["name"] if outermost else "",
        outcome=outermost["outcome"] if outermost else "",
        started=_iso(began),
        total_ms=max((span["offset_ms"] + span["duration_ms"] for span in spans), default=0.0),
        prompt_tokens=outermost["prompt_tokens"] if outermost else None,
        completion_tokens=outermost["completion_tokens"] if outermost else None,
        cost_usd=outermost["cost_usd"] if outermost else None,
        question=content.get("question", ""),
        answer=content.get("answer", ""),
        context=content.get("context", ""),
        ground_truth=content.get("ground_truth", ""),
        is_whole=len(items) < _MOST_ITEMS,
        spans=spans,
        errors=[_error(item) for item in items if item.type == "exception"],
        logs=[_log(item, began) for item in items if item.is_log],
        scores=[_score(item) for item in items if item.is_score],
        correlation=_correlation(operation, items),
        dimensions=_own_dimensions(outermost),
        kql=kql,
    )


class _Item:
    """A row of `request.kql`."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.type: str = record["itemType"]
        self.id: str = record["id"] or ""
        self.parent_id: str = record["operation_ParentId"] or ""
        self.moment = datetime.fromisoformat(record["timestamp"])
        self.dimensions = _dimensions(record["customDimensions"])

    @property
    def is_span(self) -> bool:
        return self.type in {"request", "dependency"}

    @property
    def is_score(self) -> bool:
        return self.type == "customEvent" and self.record["name"] == _EVALUATION

    @property
    def is_log(self) -> bool:
        return self.type == "trace" or (self.type == "customEvent" and not self.is_score)

    def number(self, *names: str) -> float | None:
        """The first of some dimensions that is a number."""
        for name in names:
            try:
                number = float(self.dimensions[name])
            except (KeyError, ValueError):
                continue
            if math.isfinite(number):
                return number
        return None

    def count(self, *names: str) -> int | None:
        number = self.number(*names)
        return None if number is None else int(number)

    def whole(self, name: str) -> str:
        """A text with what goes on in `NAME.2`, `NAME.3` and so on."""
        return "".join(self._parts(name))

    def _parts(self, name: str) -> Iterator[str]:
        number, key = 1, name
        while key in self.dimensions:
            yield self.dimensions[key]
            number += 1
            key = f"{name}.{number}"


def _dimensions(text: Any) -> dict[str, str]:
    found = _json(text)
    if not isinstance(found, dict):
        return {}
    return {key: value if isinstance(value, str) else orjson.dumps(value).decode() for key, value in found.items()}


def _json(text: Any) -> Any:
    """What a dynamic column holds; None where it cannot be read."""
    if not isinstance(text, str):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _span(item: _Item, depth: int, began: datetime) -> TraceSpan:
    record, dimensions = item.record, item.dimensions
    kind = record["item_kind"] or ""
    return TraceSpan(
        id=item.id,
        parent_id=item.parent_id,
        depth=depth,
        kind=kind,
        name=record["name"] or "",
        node=dimensions.get("pf_monitor.node", ""),
        model=dimensions.get("gen_ai.response.model") or dimensions.get("gen_ai.request.model", ""),
        outcome=dimensions.get("pf_monitor.outcome", ""),
        is_failed=str(record["success"]).lower() == "false",
        error_type=dimensions.get("pf_monitor.error.type", ""),
        started=_iso(item.moment),
        offset_ms=_milliseconds(item.moment - began),
        duration_ms=record["duration"] or 0.0,
        prompt_tokens=item.count("gen_ai.usage.input_tokens", "pf_monitor.usage.input_tokens"),
        completion_tokens=item.count("gen_ai.usage.output_tokens", "pf_monitor.usage.output_tokens"),
        cost_usd=item.number("pf_monitor.usage.cost_usd"),
        usage_source=dimensions.get("pf_monitor.usage.source", ""),
        first_chunk_s=item.number("gen_ai.response.time_to_first_chunk"),
        content={name: item.whole(name) for name in _CONTENT if name in dimensions},
        messages=messages({name: item.whole(name) for name in _MESSAGES if name in dimensions}),
        cut=_cut(dimensions),
        attributes=_rest(dimensions),
    )


def _cut(dimensions: Mapping[str, str]) -> dict[str, int]:
    found = _json(dimensions.get("pf_monitor.truncated", ""))
    return (
        {name: length for name, length in found.items() if isinstance(length, int)} if isinstance(found, dict) else {}
    )


def _rest(dimensions: Mapping[str, str]) -> dict[str, str]:
    """The dimensions that are neither content nor what goes on from it."""
    content = (*_CONTENT, *_MESSAGES)

    def is_content(name: str) -> bool:
        start, dot, number = name.rpartition(".")
        return name in content or (bool(dot) and number.isdecimal() and start in content)

    return {name: value for name, value in dimensions.items() if not is_content(name)}


def _error(item: _Item) -> TraceError:
    record = item.record
    details = _json(record["details"])
    first = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else {}
    stack = str(first.get("rawStack") or "")
    return TraceError(
        timestamp=_iso(item.moment),
        span_id=item.parent_id,
        type=record["error_type"] or "",
        message=record["outerMessage"] or "",
        stack=stack,
        frames=frames(stack, first.get("parsedStack")),
    )


def _log(item: _Item, began: datetime) -> TraceLog:
    return TraceLog(
        timestamp=_iso(item.moment),
        offset_ms=_milliseconds(item.moment - began),
        span_id=item.parent_id,
        message=item.record["message"] or item.record["name"] or "",
        severity=item.record["severityLevel"],
        attributes=item.dimensions,
    )


def _score(item: _Item) -> TraceScore:
    dimensions = item.dimensions
    metric = dimensions.get("gen_ai.evaluation.name", "")
    return TraceScore(
        timestamp=_iso(item.moment),
        span_id=item.parent_id,
        metric=metric,
        score=item.number("gen_ai.evaluation.score.value"),
        label=dimensions.get("gen_ai.evaluation.score.label", ""),
        explanation=dimensions.get("gen_ai.evaluation.explanation", ""),
        evaluator=dimensions.get("pf_monitor.evaluator", ""),
        is_feedback=metric == "user_feedback",
    )


def _correlation(operation: str, items: Iterable[_Item]) -> dict[str, str]:
    """The ids that the items carry, each as the first has it that has one."""
    found = {"operation_Id": operation}
    for item in items:
        carried = {
            "request_id": item.dimensions.get("pf_monitor.request_id"),
            "session": item.record["session_Id"] or item.dimensions.get("session.id"),
            "conversation": item.dimensions.get("gen_ai.conversation.id"),
            "user": item.record["user_Id"],
            "deployment": item.dimensions.get("pf_monitor.deployment"),
            "role": item.record["cloud_RoleName"],
        }
        for name, value in carried.items():
            if value:
                found.setdefault(name, value)
    return found


def _own_dimensions(span: TraceSpan | None) -> dict[str, str]:
    if span is None:
        return {}
    ours = ("pf_monitor.", "gen_ai.", "session.id")
    return {name: value for name, value in span["attributes"].items() if not name.startswith(ours)}


def _milliseconds(time: timedelta) -> float:
    return time / timedelta(milliseconds=1)


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
