"""The queries as a query pack: saved queries that the portal's Logs page offers."""

from __future__ import annotations

from datetime import timedelta
from itertools import takewhile
from typing import Final

from pf_monitor import queries
from pf_monitor.azure.arm import LOCATION, Json, Place, resource_id_parameter, template
from pf_monitor.queries import Expression, Parameter

_API: Final = "2019-09-01"
_PACK: Final = "Microsoft.OperationalInsights/queryPacks"
_PACK_NAME: Final = "concat('pf-monitor-', uniqueString(parameters('resourceId')))"

EXAMPLES: Final[dict[str, Parameter]] = {
    "since": Expression("ago(1d)"),
    "until": Expression("now()"),
    "step": timedelta(minutes=15),
    "operation": "0af7651916cd43dd8448eb211c80319c",
    "operations": Expression('dynamic(["0af7651916cd43dd8448eb211c80319c"])'),
    "monitor_name": "quality",
    "words": "",
    "sorted_by": "time",
    "descending": True,
    "upto": 50,
    "size": 50,
}
"""What a saved query starts with; its reader changes the lines at its top."""


def query_pack_template(place: Place) -> Json:
    """Return the template of a query pack with every query of ours."""
    pack: Json = {
        "type": _PACK,
        "apiVersion": _API,
        "name": f"[{_PACK_NAME}]",
        "location": "[parameters('location')]",
        "properties": {},
    }
    parameters = {"resourceId": resource_id_parameter(place), "location": LOCATION}
    return template(parameters, [pack, *(_query(name, place) for name in queries.names())])


def saved_query(name: str, place: Place) -> str:
    """Return a query as it is saved, with an example for each of its parameters."""
    asked = {parameter: EXAMPLES[parameter] for parameter in queries.parameters(name)}
    return place.query(queries.load(name, **asked))


def _query(name: str, place: Place) -> Json:
    return {
        "type": f"{_PACK}/queries",
        "apiVersion": _API,
        "name": f"[concat({_PACK_NAME}, '/', guid(parameters('resourceId'), 'pf-monitor', '{name}'))]",
        "dependsOn": [f"[resourceId('{_PACK}', {_PACK_NAME})]"],
        "properties": {
            "displayName": f"pf-monitor: {name.replace('_', ' ')}",
            "description": _description(name),
            "body": saved_query(name, place),
            "related": {"categories": ["applications"], "resourceTypes": [place.resource_type]},
            "tags": {"labels": ["pf-monitor"]},
        },
    }


def _description(name: str) -> str:
    """What the comment at a query's top says of it."""
    lines = takewhile(lambda line: line.startswith("//"), queries.own_text(name).splitlines())
    return " ".join(line.lstrip("/ ") for line in lines)
