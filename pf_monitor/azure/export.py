"""Writes everything for Azure into a folder: templates, the script that deploys them, and what to do with both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from pf_monitor.alerts.rules import Rule
from pf_monitor.azure.alert_rules import alerts_template
from pf_monitor.azure.arm import Place
from pf_monitor.azure.query_pack import query_pack_template
from pf_monitor.azure.workbook import workbook_template

_MANIFEST: Final = ".pf-monitor-export.json"
"""Where a folder says which files an export wrote, and what was in them."""


class ExportError(Exception):
    """Nothing was written; the message says what is in the way."""


def contents(rules: Iterable[Rule], place: Place) -> dict[str, str]:
    """Return the files of an export by name. The same arguments give the same files.

    Args:
        rules: The alert rules.
        place: What they and the workbook look at.
    """
    rules = list(rules)
    templates = {
        "workbook.json": workbook_template(place),
        "alerts.json": alerts_template(rules, place),
        "queries.json": query_pack_template(place),
    }
    written = {name: json.dumps(one, indent=2, ensure_ascii=False) + "\n" for name, one in templates.items()}
    return written | {"deploy.sh": _script(place), "README.md": _readme(rules, place)}


def export(directory: Path, rules: Iterable[Rule], place: Place, *, force: bool = False) -> list[Path]:
    """Write an export, in place of an earlier one.

    Args:
        directory: Where to; made if need be.
        rules: The alert rules.
        place: What they and the workbook look at.
        force: Whether files that an export did not write, or that were changed since, are overwritten.

    Returns:
        The files.

    Raises:
        ExportError: If such a file is in the way, or the folder cannot be written to.
    """
    wanted = contents(rules, place)
    try:
        known = _known(directory)
        foreign = [name for name in wanted if not force and not _is_ours(directory / name, known)]
        if foreign:
            raise ExportError(
                f"{directory / foreign[0]} was not written by an export, or was changed since."
                " Move it, choose another folder, or overwrite it with --force"
            )
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in wanted.items():
            (directory / name).write_text(text, encoding="utf-8", newline="\n")
        (directory / "deploy.sh").chmod(0o755)
        hashes = {name: _hash(text.encode()) for name, text in wanted.items()}
        (directory / _MANIFEST).write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ExportError(f"Cannot write to {directory}: {error.strerror}") from error
    return [directory / name for name in wanted]


def _known(directory: Path) -> Mapping[str, str]:
    try:
        known = json.loads((directory / _MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _is_ours(path: Path, known: Mapping[str, str]) -> bool:
    """Whether a file is not there, or as an export left it."""
    return not path.exists() or known.get(path.name) == _hash(path.read_bytes())


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _script(place: Place) -> str:
    script = files(__package__).joinpath("deploy.sh").read_text(encoding="utf-8")
    return script.replace("@RESOURCE_ID@", place.resource_id or "").replace("@RESOURCE_TYPE@", place.resource_type)


def _readme(rules: Iterable[Rule], place: Place) -> str:
    what = "Log Analytics workspace" if place.is_workspace else "Application Insights resource"
    listed = "\n".join(f"| {rule.name} | `{rule.measure}` {rule.condition} | {rule.means} |" for rule in rules)
    return _README.format(what=what, rules=listed, id="" if place.resource_id else " --resource-id ID")


_README: Final = """\
# pf-monitor in Azure

Written by `pf-monitor azure export`, for an {what}.

| file | what it deploys |
|---|---|
| `workbook.json` | a workbook with the pages of the dashboard |
| `alerts.json` | the alert rules below, and an action group that tells people |
| `queries.json` | a query pack: every query, saved for the portal's Logs page |
| `deploy.sh` | all three, with the Azure CLI |

```sh
./deploy.sh{id} --email team@example.com --what-if   # shows what would change
./deploy.sh{id} --email team@example.com             # shows it, asks, and deploys
```

Deploy again after another export: the same artefacts are changed. Thresholds are parameters of `alerts.json`; change
them for good in the file of alert rules, and export again.

| rule | fires when | what it means |
|---|---|---|
{rules}
"""
