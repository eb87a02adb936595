"""Creates a monitor in Azure ML, and corrects what its service refuses today."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pf_monitor.quality.schedule_file.reader import RUNTIMES
from pf_monitor.quality.schedule_file.signals import DEFAULT_TOKEN_SIGNAL
from pf_monitor.quality.schedule_file.triggers import windows_zone

if TYPE_CHECKING:
    from azure.ai.ml.entities import MonitorSchedule
    from azure.core.credentials import TokenCredential

_SCOPE: Final = "https://management.azure.com/.default"
_TIMEOUT_S: Final = 20
_TASK: Final = "QuestionAnswering"
_PLACEHOLDERS: Final = ("/SUBSCRIPTION/", "ENDPOINT-DEPLOYMENT-")
"""What `pf-monitor monitor new` writes for names that nobody but the user knows."""


class SubmitError(Exception):
    """The monitor could not be created in Azure ML; the message says why and what to do."""


@dataclass(frozen=True)
class Workspace:
    """Where to create it; what is None is taken from the `config.json` of the workspace, in this folder or above.

    Attributes:
        subscription: The subscription's id.
        resource_group: The resource group's name.
        name: The workspace's or the Foundry project's name.
    """

    subscription: str | None = None
    resource_group: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Submission:
    """A monitor as it goes to Azure ML.

    Attributes:
        schedule: The object of azure-ai-ml.
        corrections: What was changed for today's service, in whole sentences.
    """

    schedule: MonitorSchedule
    corrections: tuple[str, ...]

    def payload(self) -> dict[str, Any]:
        """Return the body of the REST request, before names are replaced by resource ids."""
        with _quiet():
            body = self.schedule._to_rest_object()
        return {"name": self.schedule.name, **_as_plain(body.as_dict())}


def prepare(path: Path) -> Submission:
    """Read a file as Azure ML's tools do, and correct what the service refuses.

    Args:
        path: A file without errors, as `schedule_file.read` says.

    Raises:
        SubmitError: azure-ai-ml refuses the file all the same.
    """
    with _quiet():
        from azure.ai.ml.entities._load_functions import load_schedule

        try:
            schedule: Any = load_schedule(path)
        except Exception as error:
            why = " ".join(str(error.__context__ or error).split())
            raise SubmitError(f"azure-ai-ml refuses {path}: {why[:500]}") from error
    return Submission(schedule, tuple(_correct(schedule)))


def _correct(schedule: Any) -> Iterator[str]:
    """Change what the service refuses or takes for something else, and say what was changed."""
    definition = schedule.create_monitor
    if definition.compute.runtime_version not in RUNTIMES:
        yield f"Spark runtime {definition.compute.runtime_version} is refused now: {RUNTIMES[0]} is sent instead."
        definition.compute.runtime_version = RUNTIMES[0]
    target = definition.monitoring_target
    if target is not None and not target.ml_task:
        yield f"ml_task was missing and would have become classification: {_TASK} is sent."
        target.ml_task = _TASK
    if not definition.monitoring_signals:
        yield f"There was no signal: {DEFAULT_TOKEN_SIGNAL}, Azure ML's default, is sent."
        definition.monitoring_signals = {DEFAULT_TOKEN_SIGNAL: _token_signal()}
    for name, signal in definition.monitoring_signals.items():
        if str(signal.type.value) == "generation_token_statistics" and signal.sampling_rate is None:
            yield f"{name} had no sampling_rate and would have counted a tenth: 1.0 is sent."
            signal.sampling_rate = 1.0
    yield from _correct_zone(schedule.trigger)


def _correct_zone(trigger: Any) -> Iterator[str]:
    zone = str(getattr(trigger.time_zone, "value", trigger.time_zone))
    spelled = "UTC" if zone.upper() == "UTC" else windows_zone(zone)
    if spelled is not None and spelled != zone:
        yield f"The time zone {zone} is sent as {spelled}."
        trigger.time_zone = spelled


def _token_signal() -> Any:
    with _quiet():
        from azure.ai.ml.entities import GenerationTokenStatisticsSignal

        return GenerationTokenStatisticsSignal(sampling_rate=1.0)


def submit(submission: Submission, workspace: Workspace, credential: TokenCredential | None = None) -> str:
    """Create the monitor, or update it, and return its resource id.

    Args:
        submission: What `prepare` made.
        workspace: Where.
        credential: Who asks; None takes what `az login`, the environment or a managed identity gives.

    Raises:
        SubmitError: Nobody is logged in, there is no workspace, no network, or Azure ML refuses it.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    _check_placeholders(submission)
    credential = credential or _credential()
    with _quiet():
        try:
            credential.get_token(
                _SCOPE
            )  # before anything else: without it, everything else fails later and less clearly
            client = _client(workspace, credential)
            created = client.schedules.begin_create_or_update(submission.schedule).result(_TIMEOUT_S * 6)
        except ClientAuthenticationError as error:
            raise SubmitError(f"Azure knows nobody here: {_first_line(error)} Log in with: az login") from error
        except HttpResponseError as error:
            raise SubmitError(f"Azure ML refuses the monitor: {_first_line(error)}") from error
        except AzureError as error:
            raise SubmitError(f"Azure cannot be reached: {_first_line(error)} Check the network.") from error
    return str(created.id)


def _check_placeholders(submission: Submission) -> None:
    text = str(submission.payload())
    left = [placeholder.strip("/-") for placeholder in _PLACEHOLDERS if placeholder in text]
    if left:
        raise SubmitError(
            f"{' and '.join(left)} in connection_id or input_data stand for names of yours: fill them in."
        )


def _credential() -> TokenCredential:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(process_timeout=_TIMEOUT_S)


def _client(workspace: Workspace, credential: TokenCredential) -> Any:
    from azure.ai.ml import MLClient

    options: dict[str, Any] = {"retry_total": 1, "connection_timeout": _TIMEOUT_S, "enable_telemetry": False}
    if workspace.subscription and workspace.resource_group and workspace.name:
        return MLClient(credential, workspace.subscription, workspace.resource_group, workspace.name, **options)
    try:
        return MLClient.from_config(credential, **options)
    except Exception as error:
        raise SubmitError(
            "Which workspace? Give --subscription, --resource-group and --workspace, or put the config.json that the"
            " Azure ML portal offers into this folder."
        ) from error


def _first_line(error: Exception) -> str:
    """Return the beginning of what Azure says, which often goes on for pages."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return f"{re.sub(r'[.:]+$', '', line)[:300]}."


def _as_plain(value: Any) -> Any:
    return {k: _as_plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what azure-ai-ml says of its own classes being experimental, on warnings and on the root logger."""
    import warnings

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
