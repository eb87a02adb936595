"""What is installed, whether it works together, and whether the monitor loads by itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from pf_monitor.doctor.check import Check, fail, ok, warn

_REQUIRED = ("opentelemetry-sdk", "azure-monitor-opentelemetry-exporter")
_LOCAL_EXTRA = ("duckdb", "duckdb-kql", "fastapi", "uvicorn", "bpe-openai")

_OLDEST_PROMPTFLOW = (1, 18, 5)
"""Older ones import private modules of the exporter that have moved (promptflow#4227)."""

_FIRST_FOREIGN_SDK = (1, 39)
"""promptflow-tracing asks for an older OpenTelemetry SDK."""

_RANKS_IN_CACHE = "fb374d419588a4632f3f557e76b4b70aebbca790"
"""The name under which tiktoken keeps a downloaded o200k_base."""

_IS_LOADED = "import sys; print('pf_monitor' in sys.modules)"


def examine_installation() -> Iterator[Check]:
    """Look at the packages of this environment."""
    yield _package("pf-monitor") or warn(
        "pf-monitor", "runs from a folder, not from an installation", "pip install pf-monitor, or pip install -e ."
    )
    yield _promptflow()
    for name in _REQUIRED:
        yield _package(name) or fail(name, "not installed: nothing can be sent", f"pip install {name}")
    yield _package("openai") or ok("openai", "not installed: there are no model calls of it to record")
    yield _local_extra()
    yield _token_ranks()
    yield _prices()
    yield _autoload()


def _promptflow() -> Check:
    found = _version("promptflow-devkit") or _version("promptflow-core")
    if found is None:
        return warn("promptflow", "not installed: only decorated code is recorded", "pip install 'promptflow>=1.18.5'")
    if _numbers(found) < _OLDEST_PROMPTFLOW:
        return fail(
            "promptflow",
            f"{found} does not work with a current Azure Monitor exporter: it imports modules that have moved",
            "pip install 'promptflow>=1.18.5'",
        )
    sdk = _version("opentelemetry-sdk")
    if sdk is not None and _numbers(sdk) >= _FIRST_FOREIGN_SDK:
        return warn(
            "promptflow",
            f"{found} asks for opentelemetry-sdk below 1.39, but {sdk} is installed",
            "pip install 'opentelemetry-sdk<1.39'",
        )
    return ok("promptflow", found)


def _local_extra() -> Check:
    missing = [name for name in _LOCAL_EXTRA if _version(name) is None]
    if missing:
        return warn(
            "local extra",
            f"{', '.join(missing)} not installed: no local Application Insights, query, report or demo",
            "pip install 'pf-monitor[local]'",
        )
    return ok("local extra", "installed")


def _token_ranks() -> Check:
    if find_spec("bpe_openai") is not None:
        return ok("tiktoken ranks", "installed with bpe-openai")
    cache = os.environ.get("TIKTOKEN_CACHE_DIR") or Path(tempfile.gettempdir(), "data-gym-cache")
    if Path(cache, _RANKS_IN_CACHE).is_file():
        return ok("tiktoken ranks", "in tiktoken's cache")
    return warn(
        "tiktoken ranks",
        "not on this machine: tokens that a provider does not count are estimated by characters",
        "pip install 'pf-monitor[local]'",
    )


def _prices() -> Check:
    from pf_monitor.tokens.prices import price_list

    return ok("price list", price_list())


def _autoload() -> Check:
    command = [sys.executable, "-c", _IS_LOADED]
    try:
        started = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
    except (OSError, subprocess.TimeoutExpired) as error:
        return warn("autoload", f"cannot be tried: {error}", "Run pf-monitor from the environment that runs the flow")
    if started.stdout.strip() == "True":
        return ok("autoload", "every Python process of this environment loads the monitor")
    return warn(
        "autoload",
        "the monitor is not loaded at the start of Python: DAG flows, prompties and code without decorators go unseen",
        "Install pf-monitor into this environment, or write `import pf_monitor` at the top of the flow's code",
    )


def _package(name: str) -> Check | None:
    found = _version(name)
    return None if found is None else ok(name, found)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version, which are all that the comparisons here need."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
