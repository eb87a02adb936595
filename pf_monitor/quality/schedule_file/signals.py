"""What is monitored: `monitoring_signals` of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pf_monitor.quality.monitor import (
    DEFAULT_SAMPLING_RATE,
    Column,
    Columns,
    ProductionData,
    QualitySignal,
    Sampling,
    Strata,
    TokenSignal,
    Window,
)
from pf_monitor.quality.schedule_file.metrics import read_metrics
from pf_monitor.quality.schedule_file.nodes import Node
from pf_monitor.quality.schedule_file.problems import listed, meant
from pf_monitor.quality.schedule_file.section import PREFIX, Properties, Section
from pf_monitor.quality.schedule_file.windows import read_window

DEFAULT_TOKEN_SIGNAL: Final = "token-usage-signal"  # noqa: S105 - not a password
"""What Azure ML calls the signal that it adds where a file has none."""

DEPLOYMENT: Final = "aoai_deployment_name"
"""The property by which a signal names the deployment that Azure's own job judges with."""

_QUALITY: Final = "generation_safety_quality"
_TOKENS: Final = "generation_token_statistics"
_AZURE_ONLY: Final = (
    "data_drift",
    "data_quality",
    "prediction_drift",
    "model_performance",
    "feature_attribution_drift",
    "custom",
)
_MOST_SIGNALS: Final = 20
_MOST_FLOOR: Final = 1_000_000
_RATE: Final = "a sampling rate: above 0 and up to 1, which is all rows"
_SMALLEST_RATE: Final = 1e-9


class _DataType(StrEnum):
    URI_FOLDER = "uri_folder"
    URI_FILE = "uri_file"
    MLTABLE = "mltable"


@dataclass(frozen=True)
class Surroundings:
    """What a signal takes from the rest of the file.

    Attributes:
        window: The window where the signal has none.
        seed: The seed of the sample.
        base: The folder that paths start from.
    """

    window: Window
    seed: int
    base: Path


def read_signals(definition: Section, around: Surroundings) -> tuple[QualitySignal | TokenSignal, ...]:
    """Return the signals that pf-monitor runs; Azure ML's default where the file has none."""
    if definition.take("monitoring_signals") is None:
        return (TokenSignal(DEFAULT_TOKEN_SIGNAL, window=around.window, sampling=Sampling(1.0, seed=around.seed)),)
    signals = definition.section("monitoring_signals")
    names = list(signals)
    if len(names) > _MOST_SIGNALS:
        definition.problems.error(signals.node, f"has {len(names)} signals; at most {_MOST_SIGNALS} are read")
    found = [signal for name in names[:_MOST_SIGNALS] if (signal := _signal(signals, name, around)) is not None]
    if not found and not definition.problems.has_errors():
        definition.problems.error(signals.node, f"has no signal that pf-monitor runs: {_QUALITY} or {_TOKENS}")
    return tuple(found)


def deployment_of(signals: Section) -> str | None:
    """Return the Azure OpenAI deployment that the first quality signal names, if any does."""
    for name in signals:
        properties = signals.section(name).section("properties")
        if DEPLOYMENT in properties:
            return str(properties.place(DEPLOYMENT).value)
    return None


def _signal(signals: Section, name: str, around: Surroundings) -> QualitySignal | TokenSignal | None:
    section = signals.section(name)
    node = section.take("type", required=f"{_QUALITY} or {_TOKENS}")
    if node is None:
        return None
    kind = str(node.value).lower()
    if kind == _QUALITY:
        return _quality(name, section, around)
    if kind == _TOKENS:
        return _tokens(name, section, around)
    if kind in _AZURE_ONLY:
        section.problems.warn(node, f"{node} is left out: pf-monitor runs {_QUALITY} and {_TOKENS}")
    else:
        known = (_QUALITY, _TOKENS, *_AZURE_ONLY)
        section.problems.error(node, f"{node} is not one of {listed(known)}.{meant(kind, known)}")
    return None


def _quality(name: str, section: Section, around: Surroundings) -> QualitySignal:
    properties = Properties(section.section("properties").node, section.problems)
    section.take("production_data", required="a list of what is judged, with data_column_names and input_data")
    data = [_read_data(node, section, around.window) for node in section.items("production_data")]
    columns = _merged(section, data)
    rate = _sampling_rate(section)
    signal = QualitySignal(
        name,
        metrics=read_metrics(section, properties, columns, around.base),
        columns=columns,
        sampling=_sampling(properties, DEFAULT_SAMPLING_RATE if rate is None else rate, around.seed),
        window=_common_window(section, data, around.window),
        alert_enabled=section.flag("alert_enabled") or False,
        connection_id=section.text("connection_id"),
        data=tuple(one.data for one in data if one.data),
    )
    if signal.connection_id is None:
        section.problems.warn(section.node, "has no connection_id: Azure ML's own job cannot judge; a local run can")
    section.close({"workspace_connection_id": "connection_id"})
    properties.close()
    return signal


def _tokens(name: str, section: Section, around: Surroundings) -> TokenSignal:
    properties = Properties(section.section("properties").node, section.problems)
    node = section.take("production_data")
    if node is not None and isinstance(node.value, list):
        section.problems.error(node, "is a list where a mapping is expected: this signal has one entry, without '- '")
        node = None
    data = _read_data(node, section, around.window) if node else _Data(None, {}, around.window)
    rate = _sampling_rate(section)
    if rate is None and "sampling_rate" not in section:
        section.problems.warn(
            section.node,
            "has no sampling_rate: Azure ML would count a tenth of the runs and call it the total; a local"
            " run counts all. Write sampling_rate: 1.0",
        )
    total, per_group = _token_limits(section)
    signal = TokenSignal(
        name,
        total=total,
        total_per_group=per_group,
        sampling=_sampling(properties, 1.0 if rate is None else rate, around.seed),
        window=data.window,
        alert_enabled=section.flag("alert_enabled") or False,
        data=(data.data,) if data.data else (),
    )
    section.close()
    properties.close()
    return signal


def _token_limits(section: Section) -> tuple[float | None, float | None]:
    thresholds = section.section("metric_thresholds")
    limits = thresholds.section("totaltoken")
    found = []
    for key in ("total_token_count", "total_token_count_per_group"):
        if "totaltoken" in thresholds:
            limits.take(key, required="a number of tokens, 0 for no limit; Azure ML takes 3, or stops, without it")
        found.append(limits.number(key, "a number of tokens from 0 up; 0 is no limit", 0) or None)
    limits.close()
    thresholds.close()
    return found[0], found[1]


def _sampling_rate(section: Section) -> float | None:
    return section.number("sampling_rate", _RATE, _SMALLEST_RATE, 1)


def _sampling(properties: Properties, rate: float, seed: int) -> Sampling:
    floor = properties.whole(f"{PREFIX}sampling.floor", "a number of rows from 0 up", 0, _MOST_FLOOR)
    strata = properties.choice(f"{PREFIX}sampling.strata", Strata)
    return Sampling(rate, floor or 0, strata or Strata.NONE, seed)


@dataclass(frozen=True)
class _Data:
    """One entry of production data; `columns` has the nodes of the columns' names."""

    data: ProductionData | None
    columns: dict[Column, Node]
    window: Window


def _read_data(node: Node, signal: Section, window: Window) -> _Data:
    section = Section(node, signal.problems)
    inputs = section.section("input_data", required="what Azure ML's job reads: type and path")
    columns = _read_columns(section.section("data_column_names"))
    read = _Data(_production_data(inputs), columns, read_window(section, window))
    section.close()
    return read


def _production_data(inputs: Section) -> ProductionData | None:
    if not list(inputs):
        return None
    kind = inputs.choice("type", _DataType, required=True)
    path = inputs.text("path", required="a data asset such as azureml:NAME:VERSION, a folder or a URL")
    inputs.close(also=("mode",))
    return ProductionData(path, kind.value) if path and kind else None


def _read_columns(section: Section) -> dict[Column, Node]:
    found = {}
    for column in Column:
        if section.text(f"{column}_column") is not None:
            found[column] = section.place(f"{column}_column")
    section.close({"question": "prompt_column", "answer": "completion_column", "context": "context_column"})
    return found


def _merged(section: Section, data: Sequence[_Data]) -> Columns:
    """Return the columns of all entries together."""
    found: dict[Column, Node] = {}
    for one in data:
        for column, node in one.columns.items():
            if column in found and found[column].value != node.value:
                section.problems.error(node, f"{node} is called {found[column]} in another entry of production_data")
            found[column] = node
    names = {column: str(node.value) for column, node in found.items()}
    return Columns(*(names.get(column) for column in Column))


def _common_window(section: Section, data: Sequence[_Data], default: Window) -> Window:
    windows = {one.window for one in data}
    if len(windows) > 1:
        section.problems.error(section.place("production_data"), "has windows that differ: a run looks at one")
    return data[0].window if data else default
