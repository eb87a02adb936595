"""promptflow's own server for a flow, in a process of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

HOST = "127.0.0.1"
_START_S = 60.0
_STOP_S = 20.0
_LAST_LINES = 15

_QUIET = {
    # promptflow's command line makes an exporter for its own makers even where it may not use it;
    # without these, that exporter calls home by itself.
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel",
}


class FlowServerError(RuntimeError):
    """The flow's server did not come up, or did not stay up; the message has the end of its log."""


class FlowServer:
    """A flow that is being served.

    Args:
        process: The server.
        port: Where it listens.
        log: The file that it writes its output to.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self._process = process
        self._log = log
        self.url = f"http://{HOST}:{port}"

    def wait_until_up(self, timeout: float = _START_S) -> None:
        """Wait until the server answers.

        Raises:
            FlowServerError: If it ends instead, or has not answered after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        with httpx.Client(base_url=self.url, trust_env=False) as client:
            while time.monotonic() < deadline:
                self.check()
                if _is_healthy(client):
                    return
                self._ends_within(0.1)
        raise FlowServerError(f"The flow's server did not come up within {timeout:.0f} s.{self._last_words()}")

    def check(self) -> None:
        """See that the server still runs.

        Raises:
            FlowServerError: If it has ended.
        """
        if (code := self._process.poll()) is not None:
            raise FlowServerError(f"The flow's server ended with exit code {code}.{self._last_words()}")

    def stop(self) -> None:
        """End the server; it sends the telemetry that is pending before it goes. A second call does nothing."""
        self._process.terminate()
        if not self._ends_within(_STOP_S):
            self._process.kill()
            self._process.wait()

    def _ends_within(self, timeout: float) -> bool:
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
        return "".join(f"\n  {line}" for line in ["The end of its log:", *lines]) if lines else " It logged nothing."


@contextmanager
def serve_flow(
    source: Path, workspace: Path, environment: Mapping[str, str], flow_variables: Mapping[str, str]
) -> Iterator[FlowServer]:
    """Serve a copy of a flow with `pf flow serve`, within.

    Args:
        source: The flow's folder; it is copied, because promptflow writes beside a flow's files.
        workspace: An empty folder for the copy, promptflow's settings and the log.
        environment: The environment of the server's process.
        flow_variables: Set over the flow file's `environment_variables`, which is where a user sets them: what stands
            in the process's environment would already reach promptflow's own exporters.

    Yields:
        The server, which has been started and may not be up yet.
    """
    shutil.copytree(source, workspace / "flow", ignore=shutil.ignore_patterns("__pycache__", ".promptflow"))
    settings = workspace / "promptflow"
    settings.mkdir()
    # The one switch for promptflow's own telemetry that it really looks at; there is no environment variable for it.
    (settings / "pf.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    log, port = workspace / "flow.log", _free_port()
    command = [
        *(sys.executable, "-m", "promptflow._cli.pf", "flow", "serve", "--source", "flow"),
        *("--host", HOST, "--port", str(port), "--engine", "fastapi", "--skip-open-browser"),
        *("--environment-variables", *(f"{name}={value}" for name, value in flow_variables.items())),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the command is made of constants
            command,
            cwd=workspace,
            env={**environment, **_QUIET, **_direct(environment), "PF_HOME_DIRECTORY": str(settings)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us alone: the server is ended when its telemetry is wanted
        )
    server = FlowServer(process, port, log)
    try:
        yield server
    finally:
        server.stop()


def _direct(environment: Mapping[str, str]) -> dict[str, str]:
    """What keeps a configured proxy from being asked for this machine's own addresses."""
    names = ("NO_PROXY", "no_proxy")
    return {name: ",".join(filter(None, (environment.get(name), HOST, "localhost"))) for name in names}


def _is_healthy(client: httpx.Client) -> bool:
    try:
        return client.get("/health").is_success
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
