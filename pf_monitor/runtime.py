"""Whether the monitor is on in this process, and if so, what records.

Nothing here runs at import: the decision falls at the first call of decorated code, because prompt flow's server puts
a flow's environment variables in place only after it has imported the flow.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pf_monitor import notices
from pf_monitor.redaction import RedactionError
from pf_monitor.settings import (
    ENABLED,
    Capture,
    Settings,
    connection_string_problem,
    read_capture,
    read_flag,
    read_ratio,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pf_monitor.model.step import Recorder
    from pf_monitor.pipeline.recorder import PipelineRecorder

off = False
"""Whether it is settled that nothing is recorded: the one thing that decorated code looks at when it is not."""

recorder: Recorder | None = None
"""What records, once it is settled that something is."""

takes_over = False
"""Whether the monitor tells this process's story, so that promptflow's own exporters shall not; to the very end."""

_lock = threading.RLock()
_overrides: dict[str, object] = {}
_captured: dict[str, Capture] = {}
_flow_places: list[Path] = []
_MOST_PLACES = 100
_pipeline: PipelineRecorder | None = None

_LOOK_AGAIN_S = 1.0
"""How long what the flow files say is taken to hold once it is settled that nothing is recorded, in seconds: a server
that is not monitored shall not look at them for each request."""
_settled: tuple[float, str] | None = None
"""When that was, on the monotonic clock, and what the environment's switch said; None where it is on, or stopped."""


def decide() -> Recorder | None:
    """Settle whether the monitor is on, and start it if so.

    Returns:
        What records, or None when nothing shall be.
    """
    global off, _settled  # noqa: PLW0603 - a module attribute is the cheapest switch to look at
    with _lock:
        if off or recorder is not None:
            return recorder
        try:
            settings = current_settings() if _is_wanted() else Settings()
            if settings.enabled and (problem := connection_string_problem(settings.connection_string)):
                notices.say_once(
                    "connection-string",
                    "pf_monitor records nothing: the connection string is wrong: %s. Copy it from the overview page "
                    "of your Application Insights resource, or unset APPLICATIONINSIGHTS_CONNECTION_STRING to use the "
                    "local one that `pf-monitor up` starts.",
                    problem,
                )
            elif settings.enabled:
                _start(settings)
        except RedactionError as error:
            notices.say_once(
                "redaction",
                "pf_monitor records nothing: it could not redact what it sends: %s. Correct that, or unset "
                "PF_MONITOR_REDACTION or PF_MONITOR_PERSONAL_DATA.",
                error,
            )
        except Exception as error:  # noqa: BLE001 - the flow must run, whatever is wrong with us
            notices.say_once("start", "pf_monitor records nothing: it could not start (%r).", error)
        off = recorder is None
        _settled = (time.monotonic(), os.environ.get(ENABLED, "")) if off else None
        return recorder


def reconsider(flow_place: Path | None = None) -> None:
    """Let the next call decide anew, if nothing is recorded so far and that is not just settled.

    Args:
        flow_place: The file or the folder of the flow that is about to run, to be looked at too.
    """
    global off  # noqa: PLW0603 - one monitor for the process
    if recorder is not None:
        return
    with _lock:
        if flow_place is not None and flow_place not in _flow_places and len(_flow_places) < _MOST_PLACES:
            _flow_places.append(flow_place)
        elif off and _is_just_settled():
            return
        if recorder is None:
            off = False


def _is_just_settled() -> bool:
    if _settled is None:
        return False
    when, switch = _settled
    return time.monotonic() - when < _LOOK_AGAIN_S and os.environ.get(ENABLED, "") == switch


def _is_wanted() -> bool:
    """Whether recording is switched on: asked again and again while it is not, and a fraction of all settings."""
    from pf_monitor.flowfile.settings import from_flow_files

    enabled = _overrides.get("enabled")
    if enabled is None:
        enabled = read_flag(os.environ.get(ENABLED))
    if enabled is None:
        enabled = from_flow_files(_flow_places).enabled
    return bool(enabled)


def current_settings() -> Settings:
    """Return the settings as they would hold now: `configure`, else the environment, else the flow file."""
    from pf_monitor.flowfile.settings import beside, from_flow_files

    settings = from_flow_files(_flow_places).with_environment(os.environ)
    settings = replace(settings, **_overrides)  # type: ignore[arg-type]  # configure() takes only this class's fields
    rules = beside(settings.redaction, _flow_places) if settings.redaction else None
    return replace(settings, capture={**settings.capture, **_captured}, redaction=rules)


def configure(
    *,
    enabled: bool | None = None,
    connection_string: str | None = None,
    capture_content: bool | None = None,
    capture: Mapping[str, str] | None = None,
    redaction: str | None = None,
    service_name: str | None = None,
    service_version: str | None = None,
    deployment: str | None = None,
    sampling_ratio: float | None = None,
) -> None:
    """Set the monitor up from code; what is set here wins over the environment and the flow file.

    Never needed: `PF_MONITOR_ENABLED: true` in the flow file is enough. A call while the monitor is already recording
    sends what is pending and starts anew.

    Args:
        enabled: Switch recording on or off.
        connection_string: That of an Application Insights resource.
        capture_content: Whether questions, answers, contexts, arguments and messages are sent along.
        capture: What becomes of single columns: `on`, `off`, `hash` or `sampled`, by column.
        redaction: A file of rules for what is redacted, beside the built-in ones.
        service_name: `cloud_RoleName`; the flow's name unless set.
        service_version: `application_Version`.
        deployment: `pf_monitor.deployment`.
        sampling_ratio: The share of requests whose spans are sent, 0 to 1; 1 unless set.

    Example:
        >>> pf_monitor.configure(enabled=True, capture_content=False)
    """
    given: dict[str, object | None] = {
        "enabled": enabled,
        "connection_string": connection_string,
        "capture_content": capture_content,
        "redaction": redaction,
        "service_name": service_name,
        "service_version": service_version,
        "deployment": deployment,
        "sampling_ratio": read_ratio(sampling_ratio, "sampling_ratio"),
    }
    global off, takes_over  # noqa: PLW0603 - likewise
    with _lock:
        _overrides.update({name: value for name, value in given.items() if value is not None})
        _captured.update(read_capture(capture or {}))
        stop()
        notices.forget()
        off = takes_over = False


def flush(timeout: float = 5.0) -> bool:
    """Send what is pending. For the end of a script or a notebook cell; never needed in a server.

    Args:
        timeout: How long to wait at most, in seconds.

    Returns:
        Whether everything was handed over (to the endpoint, or to the disk while that is away) in time.
    """
    return _pipeline.flush(timeout) if _pipeline is not None else True


def stop(timeout: float = 5.0) -> None:
    """Send what is pending and stop recording until the next decision.

    Args:
        timeout: How long to wait at most, in seconds.
    """
    global recorder, _pipeline, off, _settled
    with _lock:
        running, _pipeline, recorder, off, _settled = _pipeline, None, None, True, None
    if running is not None:
        running.shutdown(timeout)


def stop_on_sigterm() -> None:
    """Stop before SIGTERM ends this process, should a monitor be running by then and nobody else handle the signal."""
    from pf_monitor.pipeline import ends_of_life

    ends_of_life.stop_on_sigterm(stop)


def pipeline() -> PipelineRecorder | None:
    """Return the running pipeline, or None."""
    return _pipeline


def use(replacement: PipelineRecorder) -> None:
    """Record with this from now on; for tests and for hosts that build their own pipeline."""
    global recorder, _pipeline, off, takes_over  # noqa: PLW0603 - likewise
    with _lock:
        recorder = _pipeline = replacement
        off = False
        takes_over = True


def _start(settings: Settings) -> None:
    from pf_monitor.pipeline import ends_of_life
    from pf_monitor.pipeline.recorder import PipelineRecorder
    from pf_monitor.tokens import prices, ranks

    use(PipelineRecorder.for_application_insights(settings))
    ends_of_life.watch(stop)
    ranks.allow_download(settings.download_ranks)
    prices.warm_up()
