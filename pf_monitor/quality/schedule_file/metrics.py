"""What is judged and by which thresholds: `metric_thresholds`, and metrics of the user's own."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from pf_monitor.quality.monitor import (
    DEFAULT_ACCEPTABLE_SCORE,
    REQUIRED_COLUMNS,
    SCORES,
    Column,
    Columns,
    CustomEvaluator,
    Metric,
)
from pf_monitor.quality.schedule_file.problems import listed, meant
from pf_monitor.quality.schedule_file.section import PREFIX, Properties, Section

AVERAGES: Final = "azureml.modelmonitor.gsq_thresholds"
"""The property in which Azure's documentation puts thresholds of average scores, as JSON."""

_CUSTOM: Final = f"{PREFIX}metric."
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SCORES: Final = re.compile(r"\s*(-?[\d.]+)\s*\.\.\s*(-?[\d.]+)\s*")
_SHARE: Final = "a pass rate: a share from 0 to 1"
_OPTIONS: Final = ("pass_rate", "acceptable_score", "average_score", "columns", "scores")


def read_metrics(signal: Section, properties: Properties, columns: Columns, base: Path) -> tuple[Metric, ...]:
    """Return the metrics of a signal, with those of the user's own at the end.

    Args:
        signal: The signal.
        properties: Its properties.
        columns: What the columns are called in the data.
        base: The folder that paths start from.
    """
    thresholds = signal.section("metric_thresholds", required=f"say what is judged: {listed(REQUIRED_COLUMNS)}")
    metrics = [metric for name in REQUIRED_COLUMNS if (metric := _built_in(thresholds, name)) is not None]
    own = [metric for name in _own_names(properties) if (metric := _own(properties, name, base)) is not None]
    if "metric_thresholds" in signal and not metrics and not list(thresholds):
        signal.problems.error(
            signal.place("metric_thresholds"), f"is empty: say what is judged: {listed(REQUIRED_COLUMNS)}"
        )
    thresholds.close()
    averages = _averages(properties, [metric.name for metric in metrics])
    found = tuple(replace(metric, average_score=averages.get(metric.name)) for metric in metrics) + tuple(own)
    _check_columns(thresholds, properties, found, columns)
    return found


def _built_in(thresholds: Section, name: str) -> Metric | None:
    section = thresholds.section(name)
    if name not in thresholds:
        return None
    rate_key, score_key = f"aggregated_{name}_pass_rate", f"acceptable_{name}_score_per_instance"
    section.take(rate_key, required=f"{_SHARE}; Azure ML stops with a KeyError without it")
    pass_rate = section.number(rate_key, _SHARE, 0, 1)
    score = section.number(score_key, f"a score from {SCORES[0]:g} to {SCORES[1]:g}", *SCORES)
    section.close()
    return Metric(name, pass_rate, DEFAULT_ACCEPTABLE_SCORE if score is None else score)


def _own_names(properties: Properties) -> list[str]:
    """Return the names of the metrics that the properties define."""
    names = []
    for key in properties:
        name = key.removeprefix(_CUSTOM)
        if not key.startswith(_CUSTOM) or name.partition(".")[2] in _OPTIONS:
            continue
        if _NAME.fullmatch(name) and name not in REQUIRED_COLUMNS:
            names.append(name)
            continue
        properties.take(key)
        properties.problems.error(
            properties.place(key),
            "is not a name for a metric: a-z, 0-9 and _, at most 60, and not one of the metrics that are there; after"
            f" a point come {listed(_OPTIONS)}",
        )
    return names


def _own(properties: Properties, name: str, base: Path) -> Metric | None:
    key = f"{_CUSTOM}{name}"
    prompty, function = _reference(properties, key, base)
    lowest, highest = _range(properties, f"{key}.scores")
    within = f"a score from {lowest:g} to {highest:g}"
    score = properties.number(f"{key}.acceptable_score", within, lowest, highest)
    if score is None and not lowest <= DEFAULT_ACCEPTABLE_SCORE <= highest:
        properties.take(f"{key}.acceptable_score", required=within)
    columns = _own_columns(properties, f"{key}.columns")
    return Metric(
        name,
        pass_rate=properties.number(f"{key}.pass_rate", _SHARE, 0, 1),
        acceptable_score=DEFAULT_ACCEPTABLE_SCORE if score is None else score,
        average_score=properties.number(f"{key}.average_score", within, lowest, highest),
        evaluator=CustomEvaluator(prompty, function, columns, lowest, highest),
    )


def _reference(properties: Properties, key: str, base: Path) -> tuple[Path | None, str | None]:
    """Return the prompty or the function; neither when there is something wrong with it."""
    text = properties.text(key) or ""
    place = properties.place(key)
    if text.endswith(".prompty"):
        if not (base / text).is_file():
            properties.problems.error(place, f"there is no file {base / text}")
        return base / text, None
    where, separator, name = text.rpartition(":")
    if not separator or not name.isidentifier() or not (where.endswith(".py") or _MODULE.fullmatch(where)):
        properties.problems.error(
            place, f"{place} is not what judges: a FILE.prompty, a FILE.py:FUNCTION, or a MODULE:FUNCTION"
        )
        return None, None
    if not where.endswith(".py"):
        return None, text
    if (wrong := _wrong_function(base / where, name)) is not None:
        properties.problems.error(place, wrong)
    return None, f"{base / where}:{name}"


def _wrong_function(path: Path, name: str) -> str | None:
    """Say what keeps a function from being found, without running the file."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except OSError:
        return f"there is no file {path}"
    except (SyntaxError, ValueError) as error:
        return f"{path} is not Python: {error}"
    defined = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return None if name in defined else f"{path} has no function {name}.{meant(name, defined)}"


def _range(properties: Properties, key: str) -> tuple[float, float]:
    text = properties.text(key)
    if text is None:
        return SCORES
    match = _SCORES.fullmatch(text)
    try:
        lowest, highest = (float(bound) for bound in match.groups()) if match else (0.0, 0.0)
    except ValueError:
        lowest = highest = 0.0
    if lowest >= highest:
        place = properties.place(key)
        properties.problems.error(place, f"{place} is not a range of scores such as 1..5 or 0..1")
        return SCORES
    return lowest, highest


def _own_columns(properties: Properties, key: str) -> tuple[Column, ...]:
    text = properties.text(key)
    if text is None:
        return CustomEvaluator().columns
    allowed = [column.value for column in Column]
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in allowed:
            properties.problems.error(
                properties.place(key), f'"{name}" is not one of {listed(allowed)}.{meant(name, allowed)}'
            )
    return tuple(column for column in Column if column.value in names)


def _averages(properties: Properties, metrics: list[str]) -> Mapping[str, float]:
    """Return the thresholds of average scores by metric."""
    text = properties.text(AVERAGES)
    if text is None:
        return {}
    place = properties.place(AVERAGES)
    allowed = [f"average_{name}" for name in metrics]
    form = '[{"metricName": "average_fluency", "threshold": {"value": 4}}]'
    try:
        items = json.loads(text)
        read = {str(item["metricName"]): float(item["threshold"]["value"]) for item in items}
    except (ValueError, KeyError, TypeError, RecursionError):
        properties.problems.error(place, f"is not JSON such as {form}")
        return {}
    for name, value in read.items():
        if name not in allowed:
            properties.problems.error(place, f'"{name}" is not one of {listed(allowed)}.{meant(name, allowed)}')
        if not SCORES[0] <= value <= SCORES[1]:
            properties.problems.error(place, f"{value:g} is not an average score from {SCORES[0]:g} to {SCORES[1]:g}")
    return {name.removeprefix("average_"): value for name, value in read.items()}


def _check_columns(thresholds: Section, properties: Properties, metrics: tuple[Metric, ...], columns: Columns) -> None:
    for metric in metrics:
        missing = [column for column in metric.required_columns if columns.name_of(column) is None]
        if missing:
            own = metric.evaluator is not None
            place = properties.place(f"{_CUSTOM}{metric.name}") if own else thresholds.place(metric.name)
            names = listed(f"{column}_column" for column in missing)
            thresholds.problems.error(
                place, f"{metric.name} cannot be judged without {names}: add it to data_column_names"
            )
