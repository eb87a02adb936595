"""ARM templates as data: what every template of ours has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from pf_monitor.azure.workspace import on_workspace

Json = dict[str, Any]

COMPONENT_TYPE: Final = "microsoft.insights/components"
WORKSPACE_TYPE: Final = "microsoft.operationalinsights/workspaces"


@dataclass(frozen=True)
class Place:
    """Where the exported artefacts will look: an Application Insights resource, or a workspace."""

    resource_id: str | None = None
    """The resource's id where it is known at export; else it is asked for at deployment."""
    is_workspace: bool = False

    @classmethod
    def component(cls, resource_id: str | None = None) -> Self:
        """Return the place of an Application Insights resource."""
        return cls(resource_id)

    @property
    def resource_type(self) -> str:
        """The resource's type, as workbooks and query packs write it."""
        return WORKSPACE_TYPE if self.is_workspace else COMPONENT_TYPE

    def query(self, kql: str) -> str:
        """Return a query in the classic names as it runs at this place."""
        return on_workspace(kql) if self.is_workspace else kql


def parameter(description: str, kind: str = "string", **more: object) -> Json:
    """Return the declaration of a template's parameter."""
    return {"type": kind, **more, "metadata": {"description": description}}


def resource_id_parameter(place: Place) -> Json:
    """Return the declaration of the parameter that says which resource is watched."""
    kind = "Log Analytics workspace" if place.is_workspace else "Application Insights resource"
    known = {} if place.resource_id is None else {"defaultValue": place.resource_id}
    return parameter(f"The id of the {kind}.", **known)


LOCATION: Final[Mapping[str, Any]] = parameter(
    "Where the artefacts are kept.", defaultValue="[resourceGroup().location]"
)


def template(parameters: Json, resources: Sequence[Json], variables: Json | None = None) -> Json:
    """Return a template for a resource group."""
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": parameters,
        "variables": variables or {},
        "resources": list(resources),
    }


def text(value: str) -> str:
    """Return text as a template takes it as it is: what begins with a bracket would be an expression."""
    return f"[{value}" if value.startswith("[") else value
