"""Who sends: OpenTelemetry's resource for each flow of a process, from which `cloud_RoleName` comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from pf_monitor.settings import Settings

_NAMELESS = "pf_monitor"
"""`cloud_RoleName` of steps outside any flow, where no service name is set."""

_MOST = 100


class Resources:
    """The resources of a process, by flow.

    Args:
        settings: What the user wants to be called.
    """

    def __init__(self, settings: Settings) -> None:
        self._service_name = settings.service_name
        self._service_version = settings.service_version
        self._known: dict[str, Resource] = {}

    def of(self, flow: str) -> Resource:
        """Return the resource of a flow.

        Args:
            flow: Its name; empty outside any.
        """
        if (resource := self._known.get(flow)) is None:
            attributes = {"service.name": self._service_name or flow or _NAMELESS}
            if self._service_version:
                attributes["service.version"] = self._service_version
            resource = _created(attributes)
            if len(self._known) < _MOST:
                self._known[flow] = resource
        return resource


def _created(attributes: dict[str, str]) -> Resource:
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    try:
        return Resource.create(attributes)
    except RuntimeError:
        # OpenTelemetry asks its detectors on a pool of threads, and a process that is about to end, but still finishes
        # a request, has none any more. The one that reads the environment needs none.
        return OTELResourceDetector().detect().merge(Resource(dict(attributes)))
