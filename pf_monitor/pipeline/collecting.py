"""Makes collected inference data of finished steps: inputs and outputs of each flow run, and its spans.

The records are those of Azure ML's model data collector, the spans in the shape that promptflow gives them there. All
records of a flow run have one correlation id: its trace id and its span id, so that scores find the run again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

from pf_monitor import notices
from pf_monitor.collected.records import Collection, line, path
from pf_monitor.collected.writing import Collector
from pf_monitor.model import names
from pf_monitor.model.kinds import Kind, Outcome
from pf_monitor.pipeline.sampling import is_sampled
from pf_monitor.pipeline.spans import to_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from opentelemetry.trace import SpanContext

    from pf_monitor.model.step import Step
    from pf_monitor.pipeline.item import Item
    from pf_monitor.settings import Settings

_NAMELESS: Final = "default"

_SPAN_TYPES: Final = {
    Kind.FLOW: "Flow",
    Kind.NODE: "Function",
    Kind.RETRIEVAL: "Retrieval",
    Kind.LLM: "LLM",
    Kind.EMBEDDING: "Embedding",
}
_SUMS: Final = {
    names.TOTAL_INPUT_TOKENS: "__computed__.cumulative_token_count.prompt",
    names.TOTAL_OUTPUT_TOKENS: "__computed__.cumulative_token_count.completion",
    names.TOTAL_TOKENS: "__computed__.cumulative_token_count.total",
    names.USAGE_INPUT_TOKENS: "llm.usage.prompt_tokens",
    names.USAGE_OUTPUT_TOKENS: "llm.usage.completion_tokens",
    names.RESPONSE_MODEL: "llm.response.model",
    names.NODE: "node_name",
    names.OUTCOME: names.OUTCOME,
    names.ERROR_TYPE: names.ERROR_TYPE,
    names.COST_USD: names.COST_USD,
}
"""What promptflow calls the things that it has a name for, and what else is worth keeping."""


class Collecting:
    """Collects the steps of a share of all requests. Used by one thread at a time: whoever delivers.

    Args:
        settings: The share, and whose data it is.
        processors: What a step goes through before it is collected, redaction among it.
        collector: What writes.
    """

    def __init__(
        self, settings: Settings, processors: Iterable[Callable[[Item], Item | None]], collector: Collector
    ) -> None:
        self._processors = tuple(processors)
        self._collector = collector
        self._ratio = settings.collect_ratio
        self._azure_ml = settings.azure_ml_deployment
        self._service = settings.service_name
        self._deployment = settings.deployment

    @classmethod
    def wanted(cls, settings: Settings, processors: Iterable[Callable[[Item], Item | None]]) -> Self | None:
        """Return what collects, or None where nothing is to be collected."""
        if not settings.collect_to:
            return None
        if not settings.capture_content:
            notices.say_once(
                "collect-content",
                "pf_monitor collects no inference data: content is switched off. Switch it on, or unset "
                "PF_MONITOR_COLLECT.",
            )
            return None
        return cls(settings, processors, Collector(settings.collect_to))

    def take(self, steps: Iterable[Step]) -> None:
        """Collect what has ended. Nothing that goes wrong with it is raised."""
        for step in steps:
            try:
                if self._is_wanted(step):
                    self._collect(step)
            except Exception as error:  # noqa: BLE001 - telemetry must go on its way
                notices.say_once("collect", "pf_monitor could not collect a step of %s: %r", step.name, error)

    def flush(self, timeout: float) -> bool:
        """Write what is waiting; see `Collector`."""
        return self._collector.flush(timeout)

    def stop(self, timeout: float) -> None:
        """Write what is left, and end the thread; see `Collector`."""
        self._collector.stop(timeout)

    def _is_wanted(self, step: Step) -> bool:
        """Decide by the trace id alone, as OpenTelemetry's TraceIdRatioBased does: a request whole, or not at all."""
        return step.flow is not None and is_sampled(step.context.trace_id, self._ratio)

    def _collect(self, step: Step) -> None:
        item = to_item(step, self._processors)
        if item is None:
            return
        run = _run_of(step)
        correlation = f"{run.trace_id:032x}-{run.span_id:016x}"
        request = str(item.attributes.get(names.REQUEST_ID) or correlation)
        endpoint, deployment, source = self._whose(step)
        for collection, row in _rows(item, is_run=run is step.context):
            record = line(collection, row, source=source, time_ns=step.end_ns, correlation=correlation, request=request)
            file = path(endpoint, deployment, collection, step.end_ns, self._collector.instance)
            self._collector.put(file, record)

    def _whose(self, step: Step) -> tuple[str, str, str]:
        """Return endpoint, deployment and source."""
        if self._azure_ml:
            parts = self._azure_ml.rstrip("/").split("/")
            return parts[-3] if len(parts) > 2 else _NAMELESS, parts[-1], self._azure_ml
        endpoint = self._service or _outermost(step).name
        source = f"/onlineEndpoints/{endpoint}"
        if self._deployment:
            source += f"/deployments/{self._deployment}"
        return endpoint, self._deployment or _NAMELESS, source


def _outermost(step: Step) -> Step:
    """Return the flow that a step belongs to: of a flow within a flow, the outer one."""
    found, above = step, step.parent
    while above is not None:
        if above.kind.is_flow:
            found = above
        above = above.parent
    return found


def _run_of(step: Step) -> SpanContext:
    top = _outermost(step)
    if top.kind.is_flow or step.flow is None:
        return top.context
    return step.flow.context


def _rows(item: Item, *, is_run: bool) -> Iterator[tuple[Collection, dict[str, Any]]]:
    """Yield what is collected of a step, by collection."""
    if item.step.kind.is_flow:
        inputs = _with_rest(item, (names.QUESTION, names.GROUND_TRUTH), names.INPUTS)
        output = _with_rest(item, (names.ANSWER, names.CONTEXT), names.OUTPUT)
        if is_run:
            yield Collection.INPUTS, inputs
            if output:
                yield Collection.OUTPUTS, output
        said = {"inputs": _json(inputs), "output": _json(output)}
    else:
        said = _said(item)
    yield Collection.TRACES, _span(item, said)


def _with_rest(item: Item, columns: Iterable[str], rest: str) -> dict[str, Any]:
    """Return columns by their names, together with the members of what they were not taken from."""
    found: dict[str, Any] = {name: item.content[name].text for name in columns if name in item.content}
    if rest in item.content:
        others = _parsed(item.content[rest].text)
        found = {**others, **found} if isinstance(others, dict) else {rest: others, **found}
    return found


def _said(item: Item) -> dict[str, str]:
    """Return what went into a node or a model call and what came out, under promptflow's names."""
    content = {name: text.text for name, text in item.content.items()}
    said = {}
    if item.step.kind.is_model_call:
        messages = {
            name: _parsed(content[key])
            for name, key in (("messages", names.INPUT_MESSAGES), ("system", names.SYSTEM_INSTRUCTIONS))
            if key in content
        }
        said = {"inputs": _json(messages), "output": content.get(names.OUTPUT_MESSAGES, "")}
    else:
        said = {"inputs": content.get(names.INPUTS, ""), "output": content.get(names.OUTPUT, "")}
    if item.step.kind.is_retrieval:
        said["retrieval.query"] = content.get(names.RETRIEVAL_QUERY, "")
        said["retrieval.documents"] = _json(list(_documents(content.get(names.OUTPUT, ""))))
    return {name: text for name, text in said.items() if text}


def _documents(output: str) -> Iterator[dict[str, str]]:
    found = _parsed(output)
    for document in found if isinstance(found, list) else [found]:
        if document:
            yield {"document.content": document if isinstance(document, str) else _json(document)}


def _span(item: Item, said: Mapping[str, str]) -> dict[str, Any]:
    step = item.step
    ids = step.context
    attributes = {
        "framework": "promptflow",
        "span_type": _SPAN_TYPES[step.kind],
        "request_id": item.attributes.get(names.REQUEST_ID, ""),
        **{theirs: item.attributes[ours] for ours, theirs in _SUMS.items() if ours in item.attributes},
        **said,
    }
    return {
        "name": step.name,
        "context": {"trace_id": f"0x{ids.trace_id:032x}", "span_id": f"0x{ids.span_id:016x}", "trace_state": "[]"},
        "kind": f"SpanKind.{step.span_kind.name}",
        "parent_id": f"0x{step.parent_context.span_id:016x}" if step.parent_context is not None else None,
        "start_time": _moment(step.start_ns),
        "end_time": _moment(step.end_ns),
        "status": {"status_code": "ERROR" if step.outcome is Outcome.ERROR else "OK"},
        "attributes": attributes,
        "events": [],
        "links": [],
        "resource": {},
    }


def _moment(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _parsed(text: str) -> Any:
    """Return what a JSON text says; the text itself where it was cut, or redacted so that it is none any more."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
