"""CPU and memory of the monitored process, under the names that the exporter turns into performance counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
from opentelemetry.metrics import CallbackOptions, Observation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import MeterProvider

_PREFIX = "azuremonitor.performancecounter"


def add_process_counters(provider: MeterProvider) -> None:
    r"""Let a meter provider collect CPU and memory, as often as it collects at all.

    They arrive as `\Process(??APP_WIN32_PROC??)\% Processor Time` (100 is one core), the same normalised by the
    number of cores, and `\Process(??APP_WIN32_PROC??)\Private Bytes`.
    """
    process = psutil.Process()
    process.cpu_percent(None)  # the first reading only sets the beginning
    cores = psutil.cpu_count() or 1
    last = [0.0]

    def cpu(_: CallbackOptions) -> Iterable[Observation]:
        last[0] = process.cpu_percent(None)
        yield Observation(last[0])

    def cpu_normalized(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(last[0] / cores)

    def memory(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(process.memory_info().rss)

    meter = provider.get_meter("azure.monitor.opentelemetry.performance_counters")
    meter.create_observable_gauge(f"{_PREFIX}.processtime", [cpu], unit="percent")
    meter.create_observable_gauge(f"{_PREFIX}.processtimenormalized", [cpu_normalized], unit="percent")
    meter.create_observable_gauge(f"{_PREFIX}.processprivatebytes", [memory], unit="byte")
