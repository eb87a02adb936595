"""Tracing and monitoring for Microsoft prompt flow.

Decorate a flow, switch the monitor on in `flow.flex.yaml`, and see in Application Insights, or in the local one that
`pf-monitor up` starts, what the flow does: tokens, cost, latency, errors, the question, the answer and its context.
"""

from __future__ import annotations

from pf_monitor import import_hooks

TYPE_CHECKING = False  # as typing says it, without importing typing at the start of every process
if TYPE_CHECKING:
    from typing import Any

    from pf_monitor.instrument.correlation import set_correlation
    from pf_monitor.instrument.decorators import flow, node, retrieval
    from pf_monitor.instrument.reports import record_feedback, record_usage
    from pf_monitor.runtime import configure, flush

__all__ = [
    "configure",
    "flow",
    "flush",
    "node",
    "record_feedback",
    "record_usage",
    "retrieval",
    "set_correlation",
]

_HOMES = {
    "configure": "pf_monitor.runtime",
    "flow": "pf_monitor.instrument.decorators",
    "flush": "pf_monitor.runtime",
    "node": "pf_monitor.instrument.decorators",
    "record_feedback": "pf_monitor.instrument.reports",
    "record_usage": "pf_monitor.instrument.reports",
    "retrieval": "pf_monitor.instrument.decorators",
    "set_correlation": "pf_monitor.instrument.correlation",
}
"""Where the public names live. They are imported when they are first used: this package is imported at the start of
every Python process of an environment that it is installed in (see autoload.pth), and must cost next to nothing."""

import_hooks.install()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
