"""Reads a whole monitor in one pass, and collects everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pf_monitor.quality.monitor import Alerts, Monitor, Target
from pf_monitor.quality.schedule_file.extensions import (
    read_baseline,
    read_budget,
    read_flow,
    read_judge,
    read_receivers,
    read_seed,
)
from pf_monitor.quality.schedule_file.nodes import Node, parse, plain
from pf_monitor.quality.schedule_file.objects import as_mapping, is_schedule, name_of
from pf_monitor.quality.schedule_file.problems import MonitorFileError, Problems, Reading
from pf_monitor.quality.schedule_file.section import Properties, Section
from pf_monitor.quality.schedule_file.signals import Surroundings, deployment_of, read_signals
from pf_monitor.quality.schedule_file.triggers import read_trigger
from pf_monitor.quality.schedule_file.windows import default_window

RUNTIMES: Final = ("3.4", "3.5")
"""The Spark runtimes that Azure ML takes for a monitor."""

INSTANCES: Final = tuple(f"standard_e{cores}s_v3" for cores in (4, 8, 16, 32, 64))
"""The instance types that its documentation names."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}")
_DEPLOYMENT: Final = re.compile(r"(?:azureml:)?(?P<endpoint>[\w-]+):(?P<deployment>[\w-]+)")
_RESOURCE: Final = re.compile(
    r".*/onlineEndpoints/(?P<endpoint>[^/]+)/deployments/(?P<deployment>[^/]+)/?", re.IGNORECASE
)
_EMAIL: Final = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+")
_AZURE_MONITOR: Final = "azmonitoring"
_OTHER_SCHEDULES: Final = ("create_job", "import_data")
_MOST_EMAILS: Final = 100


class _Task(StrEnum):
    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    QUESTION_ANSWERING = "questionanswering"


def load(source: Path | str | object) -> Monitor:
    """Return the monitor of a file, or of a `MonitorSchedule` object of azure-ai-ml.

    Raises:
        MonitorFileError: Something is wrong with it; the message has everything.
    """
    reading = read(Path(source)) if isinstance(source, (Path, str)) else read_object(source)
    if reading.monitor is None:
        raise MonitorFileError(reading.source, reading.problems)
    return reading.monitor


def read(path: Path) -> Reading:
    """Read a file, and find everything that is wrong with it.

    Args:
        path: Azure ML's schedule YAML. Paths in it start from its folder.
    """
    try:
        root = parse(path)
    except MonitorFileError as error:
        return Reading(str(path), None, error.problems)
    return _read(str(path), root, path.absolute().parent)


def read_object(schedule: object, base: Path | None = None) -> Reading:
    """Read a `MonitorSchedule` object of azure-ai-ml, or a mapping with the keys of the file.

    Args:
        schedule: The object.
        base: The folder that paths in it start from; None means the current one.

    Raises:
        TypeError: It is neither.
    """
    if is_schedule(schedule):
        content: Mapping[str, Any] = as_mapping(schedule)
    elif isinstance(schedule, Mapping):
        content = schedule
    else:
        raise TypeError(f"a monitor is a file, a MonitorSchedule or a mapping, not a {type(schedule).__name__}")
    source = name_of(content)
    try:
        root = plain(source, content)
    except MonitorFileError as error:
        return Reading(source, None, error.problems)
    return _read(source, root, (base or Path()).absolute())


def _read(source: str, root: Node, base: Path) -> Reading:
    problems = Problems()
    if not isinstance(root.value, Mapping):
        problems.error(root, f"{root} stands where a mapping is expected, with keys such as name and create_monitor")
        return Reading(source, None, problems.in_order())
    monitor = _monitor(Section(root, problems), base)
    reading = Reading(source, monitor, problems.in_order())
    return Reading(source, None, reading.problems) if reading.errors else reading


def _monitor(document: Section, base: Path) -> Monitor:
    for key in _OTHER_SCHEDULES:
        if document.take(key) is not None:
            document.problems.error(
                document.place(key), "belongs to another kind of schedule: a monitor has create_monitor"
            )
    properties = Properties(document.section("properties").node, document.problems)
    trigger = read_trigger(document)
    definition = document.section("create_monitor", required="what is monitored: compute, monitoring_target, signals")
    around = Surroundings(default_window(trigger), read_seed(properties), base)
    signals = read_signals(definition, around)
    monitor = Monitor(
        name=_name(document),
        signals=signals,
        trigger=trigger,
        target=_target(definition, read_flow(properties)),
        judge=read_judge(properties, deployment_of(definition.section("monitoring_signals"))),
        budget=read_budget(properties),
        baseline=read_baseline(properties, base),
        alerts=_alerts(definition, properties, signals),
        display_name=document.text("display_name"),
    )
    _check_compute(definition)
    if "create_monitor" in document:
        definition.close()
    properties.close()
    document.close(also=("$schema", "description", "tags"))
    return monitor


def _name(document: Section) -> str:
    name = document.text("name", required="what the monitor is called: letters, digits, - and _")
    if name is not None and not _NAME.fullmatch(name):
        document.problems.error(
            document.place("name"), f"{document.place('name')} is not a name: letters, digits, - and _, at most 200"
        )
    return name or ""


def _target(definition: Section, flow: str | None) -> Target:
    section = definition.section("monitoring_target")
    endpoint = deployment = None
    task = section.choice("ml_task", _Task)
    if task is not _Task.QUESTION_ANSWERING and (task is not None or "ml_task" not in section):
        section.problems.warn(
            section.place("ml_task"),
            "should be QuestionAnswering: Azure ML takes a monitor without it for one of a classification",
        )
    text = section.text("endpoint_deployment_id")
    if text is not None:
        match = _DEPLOYMENT.fullmatch(text) or _RESOURCE.fullmatch(text)
        if match is None:
            place = section.place("endpoint_deployment_id")
            section.problems.error(
                place, f"{place} is not azureml:ENDPOINT:DEPLOYMENT, nor the resource id of a deployment"
            )
        else:
            endpoint, deployment = match["endpoint"], match["deployment"]
    section.text("model_id")
    section.close()
    return Target(endpoint, deployment, flow)


def _check_compute(definition: Section) -> None:
    section = definition.section(
        "compute",
        required=f'what Azure ML\'s job runs on: instance_type ({INSTANCES[0]}) and runtime_version ("{RUNTIMES[0]}")',
    )
    if "compute" not in definition:
        return
    instance = section.text("instance_type", required=f"one of {', '.join(INSTANCES)}")
    if instance is not None and instance.lower() not in INSTANCES:
        place = section.place("instance_type")
        section.problems.warn(place, f"{place} is not one of {', '.join(INSTANCES)}, which Azure ML documents")
    runtime = section.text("runtime_version", required=f'"{RUNTIMES[0]}" or "{RUNTIMES[1]}"')
    if runtime is not None and runtime not in RUNTIMES:
        place = section.place("runtime_version")
        section.problems.warn(
            place,
            f'{place} is refused by Azure ML: write "{RUNTIMES[0]}" or "{RUNTIMES[1]}". A local run needs none, and'
            " pf-monitor monitor submit corrects it",
        )
    section.close()


def _alerts(definition: Section, properties: Properties, signals: tuple[Any, ...]) -> Alerts:
    emails = _emails(definition)
    receivers, on_inconclusive = read_receivers(properties)
    told = bool(emails or receivers)
    for signal in signals:
        place = definition.place("monitoring_signals")
        own = place.value.get(signal.name, place) if isinstance(place.value, Mapping) else place
        if told and not signal.alert_enabled:
            definition.problems.warn(own, "has no alert_enabled: true, and nobody is told when it fails")
    return Alerts(emails, receivers, on_inconclusive)


def _emails(definition: Section) -> tuple[str, ...]:
    node = definition.take("alert_notification")
    if node is None:
        return ()
    if isinstance(node.value, str) and node.value.lower() == _AZURE_MONITOR:
        return ()
    if not isinstance(node.value, Mapping):
        definition.problems.error(node, f"{node} is neither {_AZURE_MONITOR} nor a mapping with emails")
        return ()
    section = definition.section("alert_notification")
    found = []
    for item in section.items("emails"):
        if isinstance(item.value, str) and _EMAIL.fullmatch(item.value.strip()):
            found.append(item.value.strip())
        else:
            section.problems.error(item, f"{item} is not an e-mail address")
    section.close()
    if len(found) > _MOST_EMAILS:
        section.problems.error(section.place("emails"), f"has {len(found)} addresses; at most {_MOST_EMAILS} are told")
    return tuple(found)
