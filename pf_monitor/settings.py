"""What the monitor is told: by `configure`, by the environment, by the flow file; in this order of precedence."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from pf_monitor import local, notices

if TYPE_CHECKING:
    from collections.abc import Mapping

ENABLED = "PF_MONITOR_ENABLED"
CAPTURE_CONTENT = "PF_MONITOR_CAPTURE_CONTENT"
CAPTURE = {
    "PF_MONITOR_CAPTURE_QUESTION": "question",
    "PF_MONITOR_CAPTURE_ANSWER": "answer",
    "PF_MONITOR_CAPTURE_CONTEXT": "context",
    "PF_MONITOR_CAPTURE_GROUND_TRUTH": "ground_truth",
    "PF_MONITOR_CAPTURE_INPUTS": "inputs",
    "PF_MONITOR_CAPTURE_OUTPUT": "output",
    "PF_MONITOR_CAPTURE_QUERY": "query",
    "PF_MONITOR_CAPTURE_MESSAGES": "messages",
    "PF_MONITOR_CAPTURE_INSTRUCTIONS": "instructions",
    "PF_MONITOR_CAPTURE_TOOLS": "tools",
    "PF_MONITOR_CAPTURE_FEEDBACK": "feedback",
    "PF_MONITOR_CAPTURE_ERRORS": "errors",
    "PF_MONITOR_CAPTURE_USER": "user",
}
"""What each column's own switch is called."""

CONTENT_RATIO = "PF_MONITOR_CONTENT_RATIO"
REDACTION = "PF_MONITOR_REDACTION"
PERSONAL_DATA = "PF_MONITOR_PERSONAL_DATA"
HASH_KEY = "PF_MONITOR_HASH_KEY"
DEPLOYMENT = "PF_MONITOR_DEPLOYMENT"
DOWNLOAD_RANKS = "PF_MONITOR_DOWNLOAD_RANKS"
SAMPLING_RATIO = "PF_MONITOR_SAMPLING_RATIO"
SAMPLING_KEEP_ERRORS = "PF_MONITOR_SAMPLING_KEEP_ERRORS"
SAMPLING_KEEP_SLOWER_THAN_MS = "PF_MONITOR_SAMPLING_KEEP_SLOWER_THAN_MS"
SAMPLING_HONOUR_CALLER = "PF_MONITOR_SAMPLING_HONOUR_CALLER"
COLLECT = "PF_MONITOR_COLLECT"
COLLECT_RATIO = "PF_MONITOR_COLLECT_RATIO"
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


class Capture(StrEnum):
    """What becomes of a column on its way out."""

    ON = "on"
    OFF = "off"
    HASH = "hash"
    """A keyed hash takes the place of the text: who said the same can be told, not what."""
    SAMPLED = "sampled"
    """It is sent with a share of the requests."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, with its default.

    Attributes:
        enabled: Whether anything is recorded; None when nobody said so, which counts as no.
        connection_string: Where telemetry goes; the local Application Insights unless said otherwise.
        capture_content: Whether questions, answers, contexts, arguments and messages are sent along.
        capture: What becomes of single columns, by the names in `CAPTURE`; of the others, everything is sent.
        content_ratio: The share of requests with which columns are sent that are to be sampled, 0 to 1; None means
            that of `sampling_ratio`.
        redaction: A file of rules beside the built-in ones; see `redaction/rules.toml`.
        personal_data: Whether personal data is looked for too, with Presidio, which has to be installed.
        hash_key: What hashes are keyed with besides the resource, so that nobody can try texts out who lacks it.
        service_name: `cloud_RoleName`; None means the flow's name.
        service_version: `application_Version`.
        deployment: `pf_monitor.deployment`.
        download_ranks: Whether tiktoken's rank files, which estimates need, may be fetched from OpenAI's address
            where no installed package and no cache has them. Off, because the monitor contacts no host but the
            configured one; estimates are by characters then.
        sampling_ratio: The share of requests whose spans are sent, 0 to 1.
        sampling_keep_errors: Whether a request with a failed step is sent whatever the ratio.
        sampling_keep_slower_than_ms: A request slower than this is sent whatever the ratio; None means no such rule.
        sampling_honour_caller: Whether a caller's `traceparent` that says "not sampled" drops the spans.
        collect_to: The folder, or the URL in Azure Blob Storage, that inference data is collected in; None means that
            none is.
        collect_ratio: The share of requests that are collected, 0 to 1; whatever the share of those whose spans are
            sent.
        azure_ml_deployment: The resource id of the Azure ML deployment that this process runs in.
    """

    enabled: bool | None = None
    connection_string: str = local.connection_string()
    capture_content: bool = True
    capture: Mapping[str, Capture] = field(default_factory=dict)
    content_ratio: float | None = None
    redaction: str | None = None
    personal_data: bool = False
    hash_key: str | None = field(default=None, repr=False)
    service_name: str | None = None
    service_version: str | None = None
    deployment: str | None = None
    download_ranks: bool = False
    sampling_ratio: float = 1.0
    sampling_keep_errors: bool = True
    sampling_keep_slower_than_ms: float | None = None
    sampling_honour_caller: bool = False
    collect_to: str | None = None
    collect_ratio: float = 1.0
    azure_ml_deployment: str | None = None

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
        changes.update(_privacy(environment))
        if capture_columns := read_capture({name: environment.get(name, "") for name in CAPTURE}):
            changes["capture"] = {**self.capture, **capture_columns}
        if (download := read_flag(environment.get(DOWNLOAD_RANKS))) is not None:
            changes["download_ranks"] = download
        resource = _resource_attributes(environment.get(RESOURCE_ATTRIBUTES, ""))
        if name := environment.get(SERVICE_NAME) or resource.get("service.name"):
            changes["service_name"] = name
        if version := resource.get("service.version"):
            changes["service_version"] = version
        azure_ml = environment.get(_AZURE_ML_DEPLOYMENT, "")
        if azure_ml:
            changes["azure_ml_deployment"] = azure_ml
        if deployment := environment.get(DEPLOYMENT) or azure_ml.rpartition("/")[2]:
            changes["deployment"] = deployment
        changes.update(_collecting(environment))
        changes.update(_sampling(environment))
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


def read_ratio(value: float | str | None, name: str = SAMPLING_RATIO) -> float | None:
    """Read a share from 0 to 1; what is none is said once, under the name of the setting, and is None."""
    return _read_number(value, name, 1.0)


def read_capture(said: Mapping[str, str]) -> dict[str, Capture]:
    """Read what shall become of columns.

    Args:
        said: `on`, `off`, `hash` or `sampled` by the column's name or its variable's; what is empty says nothing.

    Returns:
        What was said, by column. A word that is none of these is said once and counts as `off`: the text is held back.
    """
    captured: dict[str, Capture] = {}
    for name, word in said.items():
        if not (text := str(word).strip().lower()):
            continue
        column = CAPTURE.get(name, name)
        flag = read_flag(text)
        if column in CAPTURE.values() and flag is not None:
            captured[column] = Capture.ON if flag else Capture.OFF
        elif column in CAPTURE.values() and text in [mode.value for mode in Capture]:
            captured[column] = Capture(text)
        else:
            notices.say_once(
                f"capture {name}",
                "pf_monitor does not understand %s=%r, and holds that back. Write on, off, hash or sampled; "
                "the columns are %s.",
                name,
                word,
                ", ".join(CAPTURE.values()),
            )
            captured[column] = Capture.OFF
    return captured


def connection_string_parts(text: str) -> dict[str, str]:
    """Return the values of a connection string by their names in small letters; what is no pair is left out."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, separator, value in pairs if separator}


def ingestion_endpoint(connection_string: str) -> str:
    """Return the address that telemetry goes to; the exporter's own default where none is named."""
    return connection_string_parts(connection_string).get("ingestionendpoint") or _GLOBAL_ENDPOINT


def connection_string_problem(text: str) -> str | None:
    """Say what is wrong with a connection string.

    Returns:
        None for a good one; else what is wrong, without repeating the string, since it holds a key.
    """
    if not all("=" in part for part in text.strip().strip(";").split(";")):
        return "it is not a list of name=value pairs separated by semicolons"
    values = connection_string_parts(text)
    key = values.get("instrumentationkey")
    if not key:
        return "it has no InstrumentationKey"
    if not _KEY.fullmatch(key):
        return "its InstrumentationKey is not a UUID"
    endpoint = values.get("ingestionendpoint", "https://")
    if not endpoint.startswith(("https://", "http://")):
        return "its IngestionEndpoint is not an http(s) address"
    return None


def _privacy(environment: Mapping[str, str]) -> dict[str, object]:
    said: dict[str, object | None] = {
        "content_ratio": read_ratio(environment.get(CONTENT_RATIO), CONTENT_RATIO),
        "redaction": environment.get(REDACTION, "").strip() or None,
        "personal_data": read_flag(environment.get(PERSONAL_DATA)),
        "hash_key": environment.get(HASH_KEY) or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _collecting(environment: Mapping[str, str]) -> dict[str, object]:
    changes: dict[str, object] = {}
    if collect_to := environment.get(COLLECT, "").strip():
        changes["collect_to"] = collect_to
    if (ratio := read_ratio(environment.get(COLLECT_RATIO), COLLECT_RATIO)) is not None:
        changes["collect_ratio"] = ratio
    return changes


def _sampling(environment: Mapping[str, str]) -> dict[str, object]:
    said: dict[str, object | None] = {
        "sampling_ratio": read_ratio(environment.get(SAMPLING_RATIO)),
        "sampling_keep_errors": read_flag(environment.get(SAMPLING_KEEP_ERRORS)),
        "sampling_keep_slower_than_ms": _read_number(
            environment.get(SAMPLING_KEEP_SLOWER_THAN_MS), SAMPLING_KEEP_SLOWER_THAN_MS, math.inf
        ),
        "sampling_honour_caller": read_flag(environment.get(SAMPLING_HONOUR_CALLER)),
    }
    return {name: value for name, value in said.items() if value is not None}


def _read_number(value: float | str | None, name: str, largest: float) -> float | None:
    """Read a number from 0 to the largest; what is none is said once and is None, as is what is empty."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if 0 <= number <= largest:
        return number
    upper = "up" if math.isinf(largest) else f"to {largest:g}"
    notices.say_once(name, "pf_monitor ignores %s=%r: it has to be a number from 0 %s.", name, value, upper)
    return None


def _resource_attributes(text: str) -> dict[str, str]:
    """Read `OTEL_RESOURCE_ATTRIBUTES`: name=value pairs separated by commas."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): value.strip() for name, separator, value in pairs if separator}
