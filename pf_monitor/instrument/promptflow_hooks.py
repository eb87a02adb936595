"""Everything of promptflow's inside that the monitor touches, in one place.

Verified against promptflow 1.18.5, which is in maintenance: its inside no longer moves. Each function here hooks one
module of promptflow right after that was imported (see import_hooks.py); nothing here imports promptflow.

What promptflow runs is recorded at these places:

- a flex flow's entry, where `ScriptExecutor` finds it: as if the user had decorated it, if they have not;
- a DAG flow, around `FlowExecutor._exec_inner_with_trace`; its nodes, around the innermost call of each tool;
- a prompty, at its `__call__`: a flow by itself, a node within another flow.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from pf_monitor import notices, runtime
from pf_monitor.flowfile.settings import display_name
from pf_monitor.instrument import columns, correlation, parentage, served_feedback
from pf_monitor.instrument.definition import ATTRIBUTE, Definition, define
from pf_monitor.instrument.drivers import wrap
from pf_monitor.model.kinds import Kind
from pf_monitor.model.step import Step

if TYPE_CHECKING:
    from types import ModuleType

_MARK = "__pf_monitor_hook__"
_SERVER_SCOPES = {
    "opentelemetry.instrumentation.flask",
    "opentelemetry.instrumentation.fastapi",
    "opentelemetry.instrumentation.asgi",
}
_AZURE_EXPORTERS = (
    "AppInsightTraceExporterProvider",
    "AppInsightMetricsExporterProvider",
    "AppInsightLogExporterProvider",
)
_OWN_INGESTION = "IngestionEndpoint=https://dc.services.visualstudio.com/"


def _hook(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replace a function by one that calls it; once, and only where it is the owner's own."""
    original = vars(owner).get(name)
    if original is None or hasattr(original, _MARK):
        return
    replacement = functools.wraps(original)(make(original))
    setattr(replacement, _MARK, True)
    setattr(owner, name, replacement)


# Flow runs.


def hook_executor(module: ModuleType) -> None:
    """Hook DAG flows: `promptflow.executor.flow_executor`."""
    executor = module.FlowExecutor
    _hook_lines(executor)
    _hook(executor, "_exec_inner_with_trace", _dag_run)
    _hook(executor, "_exec_inner_with_trace_async", _dag_run_async)


def hook_script_executor(module: ModuleType) -> None:
    """Hook flex flows: `promptflow.executor._script_executor`."""
    executor = module.ScriptExecutor
    _hook_lines(executor)
    _hook(executor, "_parse_entry_func", _entry)


def hook_serving(module: ModuleType) -> None:
    """Hook `promptflow.core._serving.flow_invoker`: start before the first request, not during it."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def start_early(self: Any, *args: Any, **kwargs: Any) -> Any:
            original(self, *args, **kwargs)
            runtime.reconsider(_place(self.executor))
            runtime.decide()

        return start_early

    _hook(module.FlowInvoker, "_init_executor", make)
    correlation.request_ids.append(_served_request_id)


def _hook_lines(executor: Any) -> None:
    """Hook the running of one line: the outermost place, before promptflow opens spans of its own."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def exec_line(self: Any, *args: Any, **kwargs: Any) -> Any:
            token = _prepare(self)
            try:
                return original(self, *args, **kwargs)
            finally:
                parentage.detach(token)

        return exec_line

    def make_async(original: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        async def exec_line_async(self: Any, *args: Any, **kwargs: Any) -> Any:
            token = _prepare(self)
            try:
                return await original(self, *args, **kwargs)
            finally:
                parentage.detach(token)

        return exec_line_async

    _hook(executor, "exec_line", make)
    _hook(executor, "exec_line_async", make_async)


def _prepare(executor: Any) -> Any:
    """Before a line: the flow's environment variables are in place by now, and the caller is still what is above."""
    if runtime.recorder is None:  # else nothing is left to be decided, and where the flow lies need not be asked
        runtime.reconsider(_place(executor))
    return parentage.keep_origin()


def _entry(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def parse_entry_func(self: Any) -> Any:
        function = original(self)
        title = _display_name(self)
        definition: Definition | None = getattr(function, ATTRIBUTE, None)
        if definition is None:
            return wrap(define(function, Kind.FLOW, title, columns.mapping_from_environment()))
        if title is None or definition.named or hasattr(function, "__original_function"):
            return function
        renamed = wrap(definition.renamed(title))
        receiver = getattr(function, "__self__", None)
        return renamed if receiver is None else types.MethodType(renamed, receiver)

    return parse_entry_func


def _dag_run(original: Callable[..., Any]) -> Callable[..., Any]:
    def exec_inner_with_trace(self: Any, inputs: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        if runtime.off:
            return original(self, inputs, *args, **kwargs)
        rest: list[Any] = []

        def run(**inputs: Any) -> Any:
            output, *others = original(self, inputs, *args, **kwargs)
            rest.extend(others)
            return output

        output = wrap(_dag_definition(self, run))(**inputs)
        return (output, *rest)

    return exec_inner_with_trace


def _dag_run_async(original: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    async def exec_inner_with_trace_async(self: Any, inputs: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        if runtime.off:
            return await original(self, inputs, *args, **kwargs)
        rest: list[Any] = []

        async def run(**inputs: Any) -> Any:
            output, *others = await original(self, inputs, *args, **kwargs)
            rest.extend(others)
            return output

        output = await wrap(_dag_definition(self, run))(**inputs)
        return (output, *rest)

    return exec_inner_with_trace_async


def _dag_definition(executor: Any, run: Callable[..., Any]) -> Definition:
    folder = _folder(executor)
    name = _display_name(executor) or (folder.name if folder is not None else "") or executor._flow.name
    mapping = columns.mapping_from_environment()
    return Definition(Kind.FLOW, name, True, run, (), 0, {}, mapping, takes_iterators=True)


# Nodes.


def hook_nodes(module: ModuleType) -> None:
    """Hook the nodes of DAG flows: `promptflow._core.flow_execution_context`."""
    context = module.FlowExecutionContext
    _hook(context, "_invoke_tool_inner", _node)
    _hook(context, "_invoke_tool_async_inner", _node)


_RECORDED = "_pf_monitor_recorded"
"""Where a node keeps the recorded form of its tool, which lives as long as the flow does."""


def _node(original: Callable[..., Any]) -> Callable[..., Any]:
    def invoke(self: Any, node: Any, f: Callable[..., Any], kwargs: Mapping[str, Any]) -> Any:
        if runtime.off:
            return original(self, node, f, kwargs)
        return original(self, node, _as_node(f, node), kwargs)

    return invoke


def _as_node(tool: Callable[..., Any], node: Any) -> Callable[..., Any]:
    kept: tuple[Any, Callable[..., Any]] | None = vars(node).get(_RECORDED)
    if kept is not None and kept[0] is tool:
        return kept[1]
    # A tool that the user decorated would be recorded twice: once here, under the node's name, is enough.
    beneath = _decorated(tool)
    kind, function = (Kind.NODE, None) if beneath is None else (beneath.kind, beneath.function)
    recorded = wrap(define(tool, kind, node.name, takes_iterators=True, instead_of=function))
    # promptflow asks a tool for its module, which it finds for a partial in another way than for ours.
    recorded.__module__ = getattr(getattr(tool, "func", tool), "__module__", recorded.__module__)
    vars(node)[_RECORDED] = (tool, recorded)
    return recorded


def _decorated(tool: Callable[..., Any]) -> Definition | None:
    """Return the definition of a decorated tool, through promptflow's own wrappers and partials."""
    seen = 0
    while tool is not None and seen < 20:
        definition: Definition | None = getattr(tool, ATTRIBUTE, None)
        if definition is not None:
            return definition
        tool = getattr(tool, "__original_function", None) or getattr(tool, "func", None)  # type: ignore[assignment]  # any object
        seen += 1
    return None


# Prompty.


def hook_prompty(module: ModuleType) -> None:
    """Hook prompties: `promptflow.core._flow`."""
    _hook(module.Prompty, "__call__", _prompty)
    _hook(module.AsyncPrompty, "__call__", _prompty_async)
    _hook(module, "enrich_prompt_template", _template_on_its_own_span)


def _prompty(original: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        run = original if runtime.off else _recorded_prompty(self, original)
        return run(self, *args, **kwargs)

    return call


def _prompty_async(original: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    async def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        run = original if runtime.off else _recorded_prompty(self, original)
        return await run(self, *args, **kwargs)

    return call


def _template_on_its_own_span(original: Callable[..., Any]) -> Callable[..., Any]:
    """Keep promptflow from writing a prompty's template onto the current span where that is not promptflow's."""

    def enrich_prompt_template(*args: Any, **kwargs: Any) -> Any:
        if isinstance(trace.get_current_span(), Step):
            return None
        return original(*args, **kwargs)

    return enrich_prompt_template


def _recorded_prompty(prompty: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    kind = Kind.FLOW if parentage.current_step() is None else Kind.NODE
    mapping = columns.mapping_from_environment() if kind.is_flow else None
    return wrap(define(original, kind, str(prompty._name), mapping, takes_iterators=True))


# Feedback, which promptflow would put into a span of its own.


def hook_flask_feedback(module: ModuleType) -> None:
    """Hook `/feedback` of the flask engine: `promptflow.core._serving.v1.app`."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def add_default_routes(app: Any) -> None:
            original(app)
            view = app.view_functions["feedback"]

            @functools.wraps(view)
            def feedback(*args: Any, **kwargs: Any) -> Any:
                answer = view(*args, **kwargs)
                request = sys.modules["flask"].request
                _take_feedback(request.get_data(as_text=True), request.headers.get("traceparent"))
                return answer

            app.view_functions["feedback"] = feedback

        return add_default_routes

    _hook(module, "add_default_routes", make)


def hook_fastapi_feedback(module: ModuleType) -> None:
    """Hook `/feedback` of the fastapi engine: `promptflow.core._serving.v2.routers.feedback`."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def get_feedback_router(*args: Any, **kwargs: Any) -> Any:
            router = original(*args, **kwargs)
            for route in router.routes:
                route.endpoint = route.dependant.call = _watched_feedback(route.endpoint)
            return router

        return get_feedback_router

    _hook(module, "get_feedback_router", make)


def _watched_feedback(endpoint: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(endpoint)
    async def feedback(request: Any) -> Any:
        answer = await endpoint(request)
        body = await request.body()
        _take_feedback(body.decode(errors="replace"), request.headers.get("traceparent"))
        return answer

    return feedback


def _take_feedback(body: str, traceparent: str | None) -> None:
    if runtime.off:
        return
    try:
        served_feedback.take(body, traceparent)
    except Exception as error:  # noqa: BLE001 - never into the server
        notices.say_once("feedback", "pf_monitor could not record feedback: %r", error)


# promptflow's own export.


def hook_exporters(module: ModuleType) -> None:
    """Hook `promptflow.core._serving.extension.otel_exporter_provider_factory`.

    promptflow sets its exporters up before it has read the flow file. So whether they may send is asked when they
    are about to: with the monitor on, the same things would arrive twice, among 30 others that nobody asked for.
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def get_exporter(self: Any, **kwargs: Any) -> Any:
            exporter = original(self, **kwargs)
            if exporter is not None:
                _yield_to_monitor(exporter)
                parentage.unsent_scopes.update(_SERVER_SCOPES)
            return exporter

        return get_exporter

    for name in _AZURE_EXPORTERS:
        _hook(getattr(module, name), "get_exporter", make)


def _yield_to_monitor(exporter: Any) -> None:
    """Let an exporter send only while the monitor is off."""
    export = exporter.export
    success = _success_of(exporter)

    @functools.wraps(export)
    def export_unless_monitored(*args: Any, **kwargs: Any) -> Any:
        return success if runtime.takes_over else export(*args, **kwargs)

    exporter.export = export_unless_monitored


def _success_of(exporter: Any) -> Any:
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    if isinstance(exporter, SpanExporter):
        return SpanExportResult.SUCCESS
    if isinstance(exporter, MetricExporter):
        return MetricExportResult.SUCCESS
    from opentelemetry.sdk._logs.export import LogExportResult

    return LogExportResult.SUCCESS


def hook_cli_telemetry(module: ModuleType) -> None:
    """Hook `promptflow._sdk._telemetry.logging_handler`.

    promptflow's command line reports its own use to its own makers, but names no endpoint, so that with
    APPLICATIONINSIGHTS_CONNECTION_STRING in the environment it reports to the user's. Here it names its own.
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def init(self: Any, *args: Any, connection_string: str = "", **kwargs: Any) -> None:
            if connection_string and "IngestionEndpoint" not in connection_string:
                connection_string = f"{connection_string};{_OWN_INGESTION}"
            original(self, *args, connection_string=connection_string, **kwargs)

        return init

    _hook(module.PromptFlowSDKExporter, "__init__", make)


# What promptflow knows of a run.


def _folder(executor: Any) -> Path | None:
    folder = getattr(executor, "_working_dir", None)
    if folder is None:
        return None
    place = folder if isinstance(folder, Path) else Path(folder)
    return _resolved(place, None if place.is_absolute() else Path.cwd())


@functools.lru_cache(maxsize=64)
def _resolved(folder: Path, _below: Path | None) -> Path:
    """Resolve a flow's folder; once, since every line asks, and the file system takes its time."""
    return folder.resolve()


def _place(executor: Any) -> Path | None:
    """Return a prompty's file, which says itself what else a flow's folder says; else the folder."""
    file = getattr(getattr(executor, "prompty", None), "path", None)
    return _folder(executor) if file is None else Path(file)


def _display_name(executor: Any) -> str | None:
    folder, file = _folder(executor), getattr(executor, "_flow_file", None)
    if folder is None or not isinstance(file, (str, Path)):
        return None
    return display_name(folder / file)


def _served_request_id() -> str | None:
    """Return the request id of the caller, as promptflow's server has read it from the headers."""
    found: str | None = None
    fastapi = sys.modules.get("promptflow.core._serving.v2.fastapi_context_data_provider")
    flask = sys.modules.get("flask")
    if fastapi is not None and (request := fastapi._request_ctx_var.get()) is not None:
        found = request.get("req_id")
    elif flask is not None and flask.has_request_context():
        sent = flask.request.environ  # where a header that is missing is no exception
        found = sent.get("HTTP_X_REQUEST_ID") or sent.get("HTTP_X_MS_CLIENT_REQUEST_ID")
    return found
