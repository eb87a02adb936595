"""Every query, with and without each filter, passes Microsoft's own parser and semantic checker."""

from __future__ import annotations

from typing import Any

import handmade
from kusto import findings

from pf_monitor import queries
from pf_monitor.queries import Expression, Filters, Parameter

PARAMETERS: dict[str, Parameter] = {
    "since": handmade.HOUR["since"],
    "until": handmade.HOUR["until"],
    "operation": 'an "id" \\ of\nmany kinds',
    "operations": Expression('dynamic(["a1", "b1"])'),
    "monitor_name": "answers",
    "step": handmade.HOUR["until"] - handmade.HOUR["since"],
    "words": "🏕 'words' // \"",
    "sorted_by": "time",
    "descending": True,
    "upto": 100,
    "size": 50,
}

EVERY: dict[str, Any] = {
    "flow": "f",
    "deployment": "d",
    "model": "m",
    "node": "n",
    "outcome": "error",
    "dimensions": (("tenant", "a"), ("session.id", "b"), ('"] //', '" //')),
}

FILTERS = {
    "none": Filters(),
    **{name: Filters(**{name: value}) for name, value in EVERY.items()},
    "all": Filters(**EVERY),
}


def given(name: str) -> dict[str, Parameter]:
    return {key: PARAMETERS[key] for key in queries.parameters(name)}


def test_the_checker_finds_nothing() -> None:
    texts = {
        f"{name}, filter {label}": queries.load(name, filters, **given(name))
        for name in queries.names()
        for label, filters in FILTERS.items()
    }
    assert {name: found for name, found in findings(texts).items() if found} == {}


def test_the_checker_finds_nothing_in_what_the_portal_is_given() -> None:
    times = {"since": Expression("ago(1d)"), "until": Expression("now()")}
    texts = {name: queries.load(name, **given(name) | times) for name in queries.names()}
    assert {name: found for name, found in findings(texts).items() if found} == {}


def test_the_checker_finds_what_is_wrong() -> None:
    found = findings(
        {
            "column": "requests | where nam == 1",
            "table": "request | count",
            "function": "requests | extend a = dubble(duration)",
            "type": "requests | summarize sum(name)",
            "syntax": "requests | summarize count( by name",
            "parameter": queries.load("summary"),
        }
    )
    codes = {name: messages[0].split()[0] if messages else None for name, messages in found.items()}
    assert codes == {
        "column": "KS142",
        "table": "KS204",
        "function": "KS211",
        "type": "KS138",
        "syntax": "KS005",
        "parameter": "KS142",
    }
