"""Records as the collectors write them, made by hand, and those that were really collected."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

RECORDED = Path(__file__).parents[2].parent / "shared" / "data" / "mdc"

ALWAYS = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
SHOP = "/subscriptions/0/workspaces/w/onlineEndpoints/shop/deployments/blue"


def recorded() -> Path:
    """Return the folder of really collected records; skips the test where they are not."""
    if not RECORDED.is_dir():
        pytest.skip("the collected records are not there: shared/data/mdc beside this repository")
    return RECORDED


def record(kind: str, rows: list[Any], correlation: str, request: str = "", **others: Any) -> dict[str, Any]:
    """Return a record; what is not said is as Azure ML's collector has it."""
    return {
        "specversion": "1.0",
        "id": f"{kind}-{correlation}-{len(rows)}",
        "source": SHOP,
        "type": f"azureml.inference.{kind}",
        "datacontenttype": "application/json",
        "time": "2026-01-05T10:00:00Z",
        "data": rows,
        "correlationid": correlation,
        "xrequestid": request or correlation,
        "modelversion": "default",
        "collectdatatype": "pandas.core.frame.DataFrame",
        "agent": "azureml-ai-monitoring/1.0.0",
        **others,
    }


def span(name: str, own: int, parent: int, span_type: str, trace: str = "ab" * 16, **attributes: Any) -> dict[str, Any]:
    """Return a span as promptflow's collector has it."""
    return {
        "name": name,
        "context": {"trace_id": f"0x{trace}", "span_id": f"0x{own:016x}", "trace_state": "[]"},
        "kind": "SpanKind.INTERNAL",
        "parent_id": f"0x{parent:016x}" if parent else None,
        "start_time": "2026-01-05T10:00:00.000000Z",
        "end_time": "2026-01-05T10:00:01.500000Z",
        "status": {"status_code": "OK"},
        "attributes": {"framework": "promptflow", "span_type": span_type, **attributes},
        "events": [],
        "links": [],
        "resource": {},
    }


def write(path: Path, *records: Any, between: str = "\n") -> None:
    """Write records into a file, which is made with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(between.join(json.dumps(one) for one in records), encoding="utf-8")
