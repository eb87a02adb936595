"""The generation quality monitor: flow runs sampled, judged, compared with thresholds, and said with intervals.

`monitor` says what is monitored and `report` what a run leaves. `sampling` chooses rows, `judging` scores them,
`statistics` and `drift` say what the scores mean, and `run` does it all for one window. `here` runs it on this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pf_monitor.quality.here import run_monitor

__all__ = ["run_monitor"]


def __getattr__(name: str) -> Any:
    """Import the public name when it is first used: the model of a monitor is read without an engine."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pf_monitor.quality.here import run_monitor

    return run_monitor
