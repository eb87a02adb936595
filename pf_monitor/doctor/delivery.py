"""Where telemetry goes, whether it gets there, and what is still waiting on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from pf_monitor import local
from pf_monitor.doctor.check import Check, fail, ok, warn
from pf_monitor.pipeline.delivery.place import BATCH_SUFFIX, spool_folder
from pf_monitor.settings import CONNECTION_STRING, connection_string_problem, ingestion_endpoint

_TIMEOUT_S = 5.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def examine_delivery(connection_string: str, environment: Mapping[str, str]) -> Iterator[Check]:
    """Follow the way of telemetry from here to its endpoint.

    Args:
        connection_string: That which would hold for the flow.
        environment: The environment that the flow would run in.
    """
    is_default = connection_string == local.connection_string()
    if "${" in connection_string:
        yield warn(
            "connection string",
            "is a reference that promptflow resolves when the flow runs; it cannot be examined here",
            f"export {CONNECTION_STRING}=... with its value to have it examined",
        )
        return
    if (problem := connection_string_problem(connection_string)) is not None:
        yield fail(
            "connection string",
            f"wrong: {problem}. Nothing is recorded",
            "Copy it from the overview page of the Application Insights resource",
        )
        return
    endpoint = ingestion_endpoint(connection_string)
    host = urlsplit(endpoint).netloc
    source = "none set: the local Application Insights" if is_default else f"well-formed, for {host}"
    yield ok("connection string", source)
    yield _reached(endpoint, is_default=is_default, environment=environment)
    yield _waiting(connection_string)


def endpoint_of(connection_string: str) -> str:
    """Return the host that telemetry goes to, with its port."""
    return urlsplit(ingestion_endpoint(connection_string)).netloc


def _reached(endpoint: str, *, is_default: bool, environment: Mapping[str, str]) -> Check:
    """Send an empty batch, as harmless as a request to an ingestion endpoint can be."""
    where = urlsplit(endpoint)
    try:
        answer = httpx.post(f"{endpoint.rstrip('/')}/v2.1/track", json=[], timeout=_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if is_default:
            return warn(
                "endpoint",
                f"no local Application Insights runs on port {local.PORT}; telemetry waits on disk, 48 hours at most",
                "pf-monitor up",
            )
        remedy = "See that this machine may reach it (firewall, proxy, private link)"
        if where.hostname in _LOOPBACK:
            proxied = any(environment.get(name) for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"))
            remedy = f"export NO_PROXY={where.hostname}" if proxied else f"pf-monitor up --port {where.port or 80}"
        return fail("endpoint", f"{where.netloc} cannot be reached: {type(error).__name__}", remedy)
    if _is_ingestion(answer):
        return ok("endpoint", f"{where.netloc} answers")
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return fail(
            "endpoint",
            f"{where.netloc} refuses: the connection string does not hold its key",
            "Use the connection string that `pf-monitor up` prints there, or that of the Azure resource",
        )
    return fail(
        "endpoint",
        f"{where.netloc} answers with HTTP {answer.status_code}, but not as Application Insights does",
        "Correct IngestionEndpoint in the connection string",
    )


def _is_ingestion(answer: httpx.Response) -> bool:
    """Whether this is how an ingestion endpoint answers: it counts items, whatever it thinks of them."""
    try:
        return "itemsReceived" in answer.json()
    except (ValueError, TypeError):
        return False


def _waiting(connection_string: str) -> Check:
    """Count what waits on disk: in a folder for each process."""
    files = spool_folder(connection_string).glob(f"*/*{BATCH_SUFFIX}")
    sizes = [size for file in files if (size := _size(file)) is not None]
    if not sizes:
        return ok("waiting on disk", "nothing")
    return warn(
        "waiting on disk",
        f"{len(sizes)} batch{'' if len(sizes) == 1 else 'es'}, {sum(sizes):,} bytes",
        "They are sent as soon as a monitored process for this resource runs and the endpoint answers, within 48 hours",
    )


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:  # sent in the meantime
        return None
