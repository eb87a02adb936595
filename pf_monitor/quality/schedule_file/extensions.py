"""What Azure's schema has no place for: the judge, the budget, the baseline, under `properties`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pf_monitor.quality.monitor import Alerts, Baseline, BaselineKind, Budget, Judge, JudgeKind
from pf_monitor.quality.schedule_file.section import PREFIX, Properties

_JUDGE: Final = f"{PREFIX}judge"
_BUDGET: Final = f"{PREFIX}budget"
_BASELINE: Final = f"{PREFIX}baseline"
_ANCHORS: Final = f"{PREFIX}anchors"
_RECEIVERS: Final = f"{PREFIX}alert.receivers"

_NONE: Final = "none"
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_KEY_VARIABLES: Final = {JudgeKind.OPENAI: "OPENAI_API_KEY", JudgeKind.AZURE_OPENAI: "AZURE_OPENAI_API_KEY"}
_MOST_CALLS: Final = 256
_MOST_SECONDS: Final = 3600


def read_judge(properties: Properties, deployment: str | None) -> Judge:
    """Return the judge.

    Args:
        properties: The properties of the file.
        deployment: The Azure OpenAI deployment that a signal names for Azure's own job.
    """
    kind = properties.choice(_JUDGE, JudgeKind) or JudgeKind.STAND_IN
    read = Judge(
        kind=kind,
        model=properties.text(f"{_JUDGE}.model"),
        base_url=_url(properties, f"{_JUDGE}.base_url"),
        api_version=properties.text(f"{_JUDGE}.api_version"),
        key_variable=_variable(properties, f"{_JUDGE}.key_variable") or _KEY_VARIABLES.get(kind),
        concurrency=properties.whole(f"{_JUDGE}.concurrency", "a number of calls from 1 to 256", 1, _MOST_CALLS)
        or Judge().concurrency,
        timeout_s=properties.number(f"{_JUDGE}.timeout_s", "a number of seconds from 1 to 3600", 1, _MOST_SECONDS)
        or Judge().timeout_s,
        input_usd_per_million=_price(properties, "input"),
        output_usd_per_million=_price(properties, "output"),
    )
    return _judge_with_model(properties, read, deployment)


def _judge_with_model(properties: Properties, judge: Judge, deployment: str | None) -> Judge:
    from dataclasses import replace

    if judge.kind is JudgeKind.STAND_IN:
        for name in ("model", "base_url", "api_version", "key_variable"):
            if (key := f"{_JUDGE}.{name}") in properties:
                properties.problems.error(
                    properties.place(key),
                    f"says something of a model, and {_JUDGE} is the stand-in: set it to"
                    f" {JudgeKind.OPENAI} or {JudgeKind.AZURE_OPENAI}",
                )
        return judge
    if judge.model is None and judge.kind is JudgeKind.AZURE_OPENAI:
        judge = replace(judge, model=deployment)
    if judge.model is None:
        what = "the deployment" if judge.kind is JudgeKind.AZURE_OPENAI else "the model, such as gpt-4o-mini"
        properties.problems.error(properties.place(f"{_JUDGE}.model"), f"is missing: {what}")
    return judge


def _url(properties: Properties, key: str) -> str | None:
    url = properties.text(key)
    if url is not None and not re.match(r"https?://[^/\s]+", url):
        properties.problems.error(
            properties.place(key), f"{properties.place(key)} is not a URL that begins with https://"
        )
        return None
    return url


def _variable(properties: Properties, key: str) -> str | None:
    name = properties.text(key)
    if name is not None and not _VARIABLE.fullmatch(name):  # not repeated: it may be the key itself
        properties.problems.error(
            properties.place(key), "is not the name of an environment variable: a key does not belong into the file"
        )
        return None
    return name


def _price(properties: Properties, side: str) -> float | None:
    return properties.number(f"{_JUDGE}.{side}_usd_per_million", "a price in US dollars for a million tokens", 0)


def read_budget(properties: Properties) -> Budget:
    """Return the budget; `none` lifts a limit."""
    default = Budget()
    return Budget(
        run_tokens=_tokens(properties, f"{_BUDGET}.run_tokens", default.run_tokens),
        run_usd=_usd(properties, f"{_BUDGET}.run_usd", default.run_usd),
        day_tokens=_tokens(properties, f"{_BUDGET}.day_tokens", default.day_tokens),
        day_usd=_usd(properties, f"{_BUDGET}.day_usd", default.day_usd),
    )


def _tokens(properties: Properties, key: str, default: int | None) -> int | None:
    if _is_lifted(properties, key):
        return None
    limit = properties.whole(key, "a number of tokens from 1 up, or none", 1)
    return default if limit is None else limit


def _usd(properties: Properties, key: str, default: float | None) -> float | None:
    if _is_lifted(properties, key):
        return None
    limit = properties.number(key, "an amount in US dollars, or none", 0)
    return default if limit is None else limit


def _is_lifted(properties: Properties, key: str) -> bool:
    node = properties.take(key)
    return node is not None and str(node.value).strip().lower() == _NONE


def read_baseline(properties: Properties, base: Path) -> Baseline:
    """Return the baseline.

    Args:
        properties: The properties of the file.
        base: The folder that paths start from.
    """
    anchors = _anchors(properties, base)
    text = properties.text(_BASELINE)
    if text is None or text.lower() == BaselineKind.PREVIOUS:
        return Baseline(anchors=anchors)
    if text.lower() == BaselineKind.NONE:
        return Baseline(BaselineKind.NONE, anchors=anchors)
    try:
        start, end = (_in_utc(datetime.fromisoformat(part)) for part in text.split("/"))
    except ValueError:
        start = end = datetime.min.replace(tzinfo=UTC)
    if start >= end:
        node = properties.place(_BASELINE)
        properties.problems.error(
            node, f"{node} is not one of previous, none, or START/END such as 2026-11-01/2026-11-08"
        )
        return Baseline(anchors=anchors)
    return Baseline(BaselineKind.FIXED, start, end, anchors)


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _anchors(properties: Properties, base: Path) -> Path | None:
    name = properties.text(_ANCHORS)
    if name is None:
        return None
    path = base / name
    if not path.is_file():
        properties.problems.error(properties.place(_ANCHORS), f"there is no file {path}")
    return path


def read_receivers(properties: Properties) -> tuple[tuple[str, ...], bool]:
    """Return the names of those who are told, and whether they are told of an inconclusive verdict too."""
    names = tuple(name for part in (properties.text(_RECEIVERS) or "").split(",") if (name := part.strip()))
    return names, properties.flag(f"{PREFIX}alert.on_inconclusive") or Alerts().on_inconclusive


def read_seed(properties: Properties) -> int:
    """Return the seed of the sample."""
    return properties.whole(f"{PREFIX}sampling.seed", "a whole number from 0 up", 0) or 0


def read_flow(properties: Properties) -> str | None:
    """Return the flow that is monitored, or None for all."""
    return properties.text(f"{PREFIX}flow")
