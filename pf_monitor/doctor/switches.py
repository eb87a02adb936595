"""Whether the monitor is on for a flow, and who says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pf_monitor.doctor.check import Check, ok, warn
from pf_monitor.flowfile.read import DEPLOYED_SWITCH, FlowFile
from pf_monitor.settings import CONNECTION_STRING, ENABLED, read_flag

_TRACING = "PF_DISABLE_TRACING"


def examine_switches(flow: FlowFile | None, environment: Mapping[str, str]) -> Iterator[Check]:
    """Look at what switches the monitor on and off.

    Args:
        flow: The flow's file, if there is a flow.
        environment: The environment that the flow would run in.
    """
    yield _enabled(flow, environment)
    if flow is not None and DEPLOYED_SWITCH in flow.document:
        yield warn(
            DEPLOYED_SWITCH,
            f"stands at the top level of {flow.path.name}: promptflow's tools refuse that; a deployed flow may have it",
            f"pf-monitor enable {flow.path.parent} moves it to environment_variables",
        )
    if read_flag(environment.get(_TRACING)) is False and environment.get(CONNECTION_STRING):
        yield ok(
            "promptflow's tracing",
            "is on, with a connection string: promptflow's own exporters stay silent while the monitor is on, "
            "so that nothing arrives twice",
        )


def _enabled(flow: FlowFile | None, environment: Mapping[str, str]) -> Check:
    said = environment.get(ENABLED)
    in_environment = read_flag(said)
    in_file, key = _by_file(flow)
    where = flow.path.name if flow is not None else ""
    if said and in_environment is None:
        finding = f"{ENABLED} in the environment is neither true nor false, and so is ignored"
        return warn("enabled", finding, f"export {ENABLED}=true, or unset it")
    if in_environment is False and in_file:
        finding = f"no: {ENABLED} in the environment switches it off, and wins over {where}"
        return warn("enabled", finding, f"unset {ENABLED}")
    if in_environment:
        return ok("enabled", f"yes, by {ENABLED} in the environment")
    if in_environment is None and in_file:
        return ok("enabled", f"yes, by {key} in {where}")
    if in_environment is False:
        return _off(flow, "no: switched off in the environment")
    return _off(flow, "no: nobody says so" if in_file is None else f"no: switched off in {where}")


def _by_file(flow: FlowFile | None) -> tuple[bool | None, str]:
    """What a flow file says, and under which key."""
    if flow is not None:
        variables = flow.section("environment_variables")
        for key, value in ((ENABLED, variables.get(ENABLED)), (DEPLOYED_SWITCH, flow.document.get(DEPLOYED_SWITCH))):
            if (flag := read_flag(str(value))) is not None:
                return flag, key
    return None, ""


def _off(flow: FlowFile | None, finding: str) -> Check:
    if flow is None:
        return warn("enabled", finding, f"export {ENABLED}=true, or pf-monitor enable FLOW_DIR")
    return warn("enabled", finding, f"pf-monitor enable {flow.path.parent}")
