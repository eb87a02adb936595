"""What the monitor is told: by `configure`, by the environment, by the flow file; in this order of precedence."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pf_monitor import local

if TYPE_CHECKING:
    from collections.abc import Mapping

ENABLED = "PF_MONITOR_ENABLED"
CAPTURE_CONTENT = "PF_MONITOR_CAPTURE_CONTENT"
DEPLOYMENT = "PF_MONITOR_DEPLOYMENT"
DOWNLOAD_RANKS = "PF_MONITOR_DOWNLOAD_RANKS"
CONNECTION_STRING = "APPLICATIONINSIGHTS_CONNECTION_STRING"
GENAI_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
SERVICE_NAME = "OTEL_SERVICE_NAME"
RESOURCE_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"

_KEY_VARIABLES = ("AML_APP_INSIGHTS_KEY", "APPINSIGHTS_INSTRUMENTATIONKEY")
"""Where promptflow's server looks when there is no connection string; Azure ML's endpoints set the first."""

_GLOBAL_ENDPOINT = "https://dc.services.visualstudio.com/"
_AZURE_ML_DEPLOYMENT = "AML_DEPLOYMENT_RESOURCE_ID"
"""Set in Azure ML's endpoints: a resource id that ends in `/deployments/NAME`."""

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_KEY = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, with its default.

    Attributes:
        enabled: Whether anything is recorded; None when nobody said so, which counts as no.
        connection_string: Where telemetry goes; the local Application Insights unless said otherwise.
        capture_content: Whether questions, answers, contexts, arguments and messages are sent along.
        service_name: `cloud_RoleName`; None means the flow's name.
        service_version: `application_Version`.
        deployment: `pf_monitor.deployment`.
        download_ranks: Whether tiktoken's rank files, which estimates need, may be fetched from OpenAI's address
            where no installed package and no cache has them. Off, because the monitor contacts no host but the
            configured one; estimates are by characters then.
    """

    enabled: bool | None = None
    connection_string: str = local.connection_string()
    capture_content: bool = True
    service_name: str | None = None
    service_version: str | None = None
    deployment: str | None = None
    download_ranks: bool = False

    def with_environment(self, environment: Mapping[str, str]) -> Settings:
        """Return these settings overridden by what the environment variables say."""
        changes: dict[str, object] = {}
        if (enabled := read_flag(environment.get(ENABLED))) is not None:
            changes["enabled"] = enabled
        if connection_string := environment.get(CONNECTION_STRING, "").strip():
            changes["connection_string"] = connection_string
        elif key := next((environment[name] for name in _KEY_VARIABLES if environment.get(name)), None):
            changes["connection_string"] = f"InstrumentationKey={key.strip()};IngestionEndpoint={_GLOBAL_ENDPOINT}"
        if environment.get(GENAI_CAPTURE, "").strip().upper() == "NO_CONTENT":
            changes["capture_content"] = False
        if (capture := read_flag(environment.get(CAPTURE_CONTENT))) is not None:
            changes["capture_content"] = capture
        if (download := read_flag(environment.get(DOWNLOAD_RANKS))) is not None:
            changes["download_ranks"] = download
        resource = _resource_attributes(environment.get(RESOURCE_ATTRIBUTES, ""))
        if name := environment.get(SERVICE_NAME) or resource.get("service.name"):
            changes["service_name"] = name
        if version := resource.get("service.version"):
            changes["service_version"] = version
        azure_ml = environment.get(_AZURE_ML_DEPLOYMENT, "").rpartition("/")[2]
        if deployment := environment.get(DEPLOYMENT) or azure_ml:
            changes["deployment"] = deployment
        return replace(self, **changes)  # type: ignore[arg-type]  # the keys are this class's own

    @classmethod
    def from_environment(cls) -> Settings:
        """Return the defaults overridden by this process's environment."""
        return cls().with_environment(os.environ)


def read_flag(text: str | bool | None) -> bool | None:
    """Read a switch as people write it: true/1/yes/on or false/0/no/off; anything else is None."""
    if text is None or isinstance(text, bool):
        return text
    word = text.strip().lower()
    if word in _TRUE:
        return True
    return False if word in _FALSE else None


def connection_string_problem(text: str) -> str | None:
    """Say what is wrong with a connection string.

    Returns:
        None for a good one; else what is wrong, without repeating the string, since it holds a key.
    """
    pairs = [part.partition("=") for part in text.strip().strip(";").split(";")]
    if any(not separator for _, separator, _ in pairs):
        return "it is not a list of name=value pairs separated by semicolons"
    values = {name.strip().lower(): value.strip() for name, _, value in pairs}
    key = values.get("instrumentationkey")
    if not key:
        return "it has no InstrumentationKey"
    if not _KEY.fullmatch(key):
        return "its InstrumentationKey is not a UUID"
    endpoint = values.get("ingestionendpoint", "https://")
    if not endpoint.startswith(("https://", "http://")):
        return "its IngestionEndpoint is not an http(s) address"
    return None


def _resource_attributes(text: str) -> dict[str, str]:
    """Read `OTEL_RESOURCE_ATTRIBUTES`: name=value pairs separated by commas."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): value.strip() for name, separator, value in pairs if separator}
