"""Microsoft's own checker, from the npm package `@kusto/language-service-next`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from pf_monitor.insights.schema import TABLES

VARIABLE = "PF_MONITOR_TEST_NODE_MODULES"
"""The environment variable that names the folder `node_modules` in which the package is."""

_PACKAGE = "@kusto/language-service-next"
_SCRIPT = Path(__file__).with_name("kusto_findings.js")


CLASSIC = {
    table: f"({', '.join(f'{column.name}: {column.type}' for column in columns)})" for table, columns in TABLES.items()
}
"""The tables of Application Insights, as the checker takes them."""


def findings(queries: Mapping[str, str], tables: Mapping[str, str] = CLASSIC) -> dict[str, list[str]]:
    """Return what the checker finds wrong, by the query's name; skips the test where it is not installed."""
    modules = Path(os.environ.get(VARIABLE, "node_modules"))
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (modules / _PACKAGE).is_dir():
        pytest.skip(f"{_PACKAGE} is not in {modules}: npm install --prefix DIR {_PACKAGE}, {VARIABLE}=DIR/node_modules")
    done = subprocess.run(
        ["node", str(_SCRIPT), str(modules.resolve())],
        input=json.dumps({"tables": dict(tables), "queries": dict(queries)}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found
