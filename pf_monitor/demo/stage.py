"""Everything that the demo needs running: a local Application Insights, a model, a served flow."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx

from pf_monitor.demo.flow_server import FlowServer, serve_flow
from pf_monitor.demo.sample_flows import sample_flow
from pf_monitor.demo.traffic import failing_rules
from pf_monitor.insights.server import PortInUseError, bind, running
from pf_monitor.local import PORT, connection_string
from pf_monitor.settings import CONNECTION_STRING, ENABLED
from pf_monitor.standin import StandIn, serve_in_thread
from pf_monitor.web.site import routes

FLOW = "rag-chat"

_MODEL_PREFIXES = ("OPENAI_", "AZURE_OPENAI_")
_MONITOR_PREFIXES = ("PF_MONITOR_", "APPLICATIONINSIGHTS_", "OTEL_")


@dataclass(frozen=True)
class Stage:
    """What is running.

    Attributes:
        insights_port: Of the local Application Insights.
        flow: The served flow.
        stand_in: The model; None where a real one is configured.
        data: The flow's questions.
        is_shared: Whether others may send to the same Application Insights, because it is where they expect it.
    """

    insights_port: int
    flow: FlowServer
    stand_in: StandIn | None
    data: Path
    is_shared: bool


@contextmanager
def set_up(kept: Path | None) -> Iterator[Stage]:
    """Start everything, and end it in good order.

    Args:
        kept: Where telemetry is kept, on the usual port if that is free; None for a temporary place and any port.

    Yields:
        The stage; its flow has been started and may not be up yet.

    Raises:
        StoreError: If the telemetry in `kept` cannot be opened, as when another process has it open.
    """
    with tempfile.TemporaryDirectory(prefix="pf-demo-", ignore_cleanup_errors=True) as temporary:
        workspace = Path(temporary, "served")
        workspace.mkdir()
        source = sample_flow(FLOW)
        with (
            running(kept or Path(temporary, "insights"), _usual_port() if kept else 0, routes) as port,
            nullcontext() if real_model_is_configured(os.environ) else serve_in_thread() as stand_in,
            serve_flow(source, workspace, _environment(stand_in, temporary), _variables(port)) as flow,
        ):
            if stand_in is not None:
                # Not by `stand_in.script`, which would ask a proxy where one is configured.
                rules = {"rules": failing_rules()}
                httpx.post(f"{stand_in.url}/stand-in/script", json=rules, trust_env=False).raise_for_status()
            yield Stage(port, flow, stand_in, source / "data.jsonl", kept is not None)


def real_model_is_configured(environment: Mapping[str, str]) -> bool:
    """Whether the sample flow would find a real model in an environment."""
    return bool(environment.get("OPENAI_API_KEY") or environment.get("AZURE_OPENAI_ENDPOINT"))


def _environment(stand_in: StandIn | None, temporary: str) -> dict[str, str]:
    """The environment of the flow's server: what the user has set for flows of their own shall not change the demo."""
    left_out = _MONITOR_PREFIXES if stand_in is None else _MONITOR_PREFIXES + _MODEL_PREFIXES
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    model = {} if stand_in is None else stand_in.environment
    # The exporter keeps what it cannot send in the temporary folder: this one goes when the demo goes. Its name is
    # short, since promptflow's server puts a socket there, whose path may have 103 characters on macOS.
    return {**inherited, **model, "TMPDIR": temporary}


def _variables(insights_port: int) -> dict[str, str]:
    return {ENABLED: "true", CONNECTION_STRING: connection_string(insights_port)}


def _usual_port() -> int:
    try:
        bind(PORT).close()
    except PortInUseError:
        return 0
    return PORT
