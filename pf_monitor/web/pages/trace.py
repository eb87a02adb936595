"""The trace of one request: when each step ran, what was said, what went wrong, what people thought of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pf_monitor.views.trace import Trace, TraceSpan, trace
from pf_monitor.web.asked import Asked
from pf_monitor.web.charts import span_bar
from pf_monitor.web.page import Data, NotFoundError, Page, Source

_TONES: Final = {"flow": 6, "request": 6, "node": 1, "retrieval": 4, "llm": 3, "embedding": 2}
_FAILED: Final = 5
_KINDS: Final = {"llm": "model", "": "other"}
_DEEPEST: Final = 6
"""Steps below this are not indented further."""


def collect(source: Source, asked: Asked) -> Data:
    """Return the view's data.

    Raises:
        NotFoundError: If there is no such request.
    """
    operation = asked.parts["operation_id"]
    found = trace(source, operation)
    if found is None:
        raise NotFoundError(
            f"There is no request {operation}. It may be older than what is kept, or its telemetry is still under way."
        )
    return found


def present(data: Trace, _: Asked) -> Mapping[str, Any]:
    """Return the waterfall, and what belongs to each step."""
    spans = data["spans"]
    return {
        "steps": [_step(span, data) for span in spans],
        "loose_errors": _loose(data["errors"], spans),
        "severities": ("verbose", "information", "warning", "error", "critical"),
    }


def _step(span: TraceSpan, data: Trace) -> Mapping[str, Any]:
    whole = data["total_ms"] or 1.0
    start = span["offset_ms"] / whole
    tone = _FAILED if span["is_failed"] else _TONES.get(span["kind"], 6)
    bar = span_bar(start, start + span["duration_ms"] / whole, tone=tone)
    known = [span[side] for side in ("prompt_tokens", "completion_tokens")]
    return {
        "span": span,
        "bar": bar,
        "depth": min(span["depth"], _DEEPEST),
        "kind": _KINDS.get(span["kind"], span["kind"]),
        "tokens": sum(value or 0 for value in known) if any(value is not None for value in known) else None,
        "errors": [error for error in data["errors"] if error["span_id"] == span["id"]],
        "logs": [log for log in data["logs"] if log["span_id"] == span["id"]],
    }


def _loose(errors: Any, spans: Any) -> list[Any]:
    """Exceptions of steps that are not in the trace."""
    ids = {span["id"] for span in spans}
    return [error for error in errors if error["span_id"] not in ids]


PAGE: Final = Page(
    path="/requests/{operation_id}",
    title="Request",
    template="trace.html",
    collect=collect,
    present=present,
    in_navigation=False,
    has_range=False,
    has_filters=False,
)
