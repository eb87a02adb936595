"""`pf-monitor doctor`: what is wrong with a monitored flow or its environment, and what to do about it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pf_monitor.doctor.check import Check
    from pf_monitor.doctor.privacy import Content
    from pf_monitor.settings import Settings


def doctor(
    flow_dir: Annotated[
        Path | None,
        typer.Argument(metavar="FLOW_DIR", help="A flow's folder or file; else the current one, if it holds a flow."),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Examine what is installed, enabled, reachable and mapped, and say what to do about what is not.

    Exits with 1 if something fails; warnings alone exit with 0.

    `pf-monitor doctor`

    `pf-monitor doctor flows/rag-chat --json`
    """
    from pf_monitor.doctor.check import Status

    checks, content = _examine(flow_dir)
    passed = all(check.status is not Status.FAIL for check in checks)
    if as_json:
        answer = {"ok": passed, "checks": [c._asdict() for c in checks], "content": [c._asdict() for c in content]}
        typer.echo(json.dumps(answer, indent=2))
    else:
        _print(checks)
        _print_content(content)
    if not passed:
        raise typer.Exit(1)


def _examine(flow_dir: Path | None) -> tuple[list[Check], list[Content]]:
    from pf_monitor.doctor.privacy import content_of
    from pf_monitor.flowfile.settings import beside, from_flow_files

    places = [_flow_place(flow_dir or Path())]
    found = from_flow_files(places).with_environment(os.environ)
    rules = beside(found.redaction, places) if found.redaction else None
    settings = replace(found, redaction=rules)
    return list(_checks(flow_dir, settings)), content_of(settings)


def _flow_place(place: Path) -> Path:
    from pf_monitor.flowfile.read import FlowFileError, read

    try:
        return read(place).path
    except FlowFileError:
        return place


def _checks(flow_dir: Path | None, settings: Settings) -> Iterator[Check]:
    from pf_monitor.doctor.check import fail
    from pf_monitor.doctor.delivery import examine_delivery
    from pf_monitor.doctor.flow import examine_flow
    from pf_monitor.doctor.installation import examine_installation
    from pf_monitor.doctor.privacy import examine_privacy
    from pf_monitor.doctor.switches import examine_switches
    from pf_monitor.flowfile.read import FlowFileError, flows_in, read

    place = flow_dir or Path()
    yield from examine_installation()
    flow = None
    if flow_dir is not None or flows_in(place):
        try:
            flow = read(place)
        except FlowFileError as error:
            yield fail("flow", str(error), "Give the folder that holds a flow, or its file")
    yield from examine_switches(flow, os.environ)
    yield from examine_delivery(settings.connection_string, os.environ)
    yield from examine_privacy(settings)
    if flow is not None:
        yield from examine_flow(flow)


def _print(checks: Sequence[Check]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from pf_monitor.doctor.check import Status

    styles = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("What", no_wrap=True)
    table.add_column("Finding", overflow="fold", ratio=1)
    for check in checks:
        finding = Text(check.finding)
        if check.remedy:
            finding.append(f"\n→ {check.remedy}", style="cyan")
        table.add_row(Text(check.status, style=styles[check.status]), Text(check.name), finding)
    Console().print(table)


def _print_content(content: Sequence[Content]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title="What content goes where, and waits on disk for while that is away",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        header_style="bold",
    )
    for heading in ("What", "Goes to", "How", "Without"):
        table.add_column(heading)
    for row in content:
        table.add_row(Text(row.what), Text(row.to or "nowhere"), Text(row.sent), Text(row.redacted))
    Console().print(table)
