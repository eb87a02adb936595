"""Real promptflow servers, as users run them, in front of a real local Application Insights and a stand-in model."""

from __future__ import annotations

import gzip
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from local_rows import ask_with_dimensions
from ports import free_port

from pf_monitor.insights.server import running
from pf_monitor.local import connection_string
from pf_monitor.standin import StandIn, serve_in_thread

FLOWS = Path(__file__).parents[2] / "flows"
START_TIMEOUT_S = 90


@dataclass
class Wire:
    """What went over the wire to Application Insights: a server in between that passes everything on."""

    target: int
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def items(self) -> list[dict[str, Any]]:
        plain = [gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body for body in self.bodies]
        return [item for body in plain for item in json.loads(body)]


@contextmanager
def wire_to(target: int) -> Iterator[Wire]:
    wire = Wire(target)

    class Between(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            wire.bodies.append(body)
            encoding = {"content-encoding": self.headers.get("content-encoding", "identity")}
            address = f"http://127.0.0.1:{target}{self.path}"
            answer = httpx.post(address, content=body, headers=encoding, timeout=30)
            self.send_response(answer.status_code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Between)
    wire.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Lab:
    """Everything that a served flow needs, and what tests ask."""

    folder: Path
    insights: int
    wire: Wire
    stand_in: StandIn

    @property
    def connection_string(self) -> str:
        return connection_string(self.wire.port)

    def environment(self, **more: str) -> dict[str, str]:
        """Return an environment without Azure, without a real model, and with promptflow's own telemetry off."""
        ours = ("PF_MONITOR_", "APPLICATIONINSIGHTS_", "OTEL_", "AZURE_OPENAI_", "OPENAI_", "PF_DISABLE_TRACING")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {
            **inherited,
            **self.stand_in.environment,
            "PF_TELEMETRY_ENABLED": "false",
            "TMPDIR": str(self.folder),
            **more,
        }

    def flow(self, name: str, *, with_connection_string: bool = True) -> Path:
        """Return a copy of an example flow."""
        folder = self.folder / "flows" / name
        shutil.copytree(FLOWS / name, folder, ignore=shutil.ignore_patterns(".promptflow", "__pycache__"))
        if with_connection_string:
            for file in folder.glob("flow.*.yaml"):
                switch = "  PF_MONITOR_ENABLED: true\n"
                text = file.read_text()
                assert switch in text
                line = f"  APPLICATIONINSIGHTS_CONNECTION_STRING: {self.connection_string}\n"
                file.write_text(text.replace(switch, switch + line))
        return folder

    @contextmanager
    def served(self, command: list[str], folder: Path, port: int, environment: dict[str, str]) -> Iterator[str]:
        """Run a server until the end of the block, then end it as a platform does: by SIGTERM."""
        log = self.folder / "server.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                url = f"http://127.0.0.1:{port}"
                wait_for(url + "/health", process, log)
                yield url
            finally:
                if process.poll() is not None:
                    raise AssertionError(f"the server ended by itself\n{log.read_text()}")
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(30)

    @contextmanager
    def promptflow(self, folder: Path, engine: str, environment: dict[str, str]) -> Iterator[str]:
        """`pf flow serve`."""
        port = free_port()
        command = [pf(), "flow", "serve", "--source", str(folder), "--host", "127.0.0.1", "--port", str(port)]
        with self.served([*command, "--engine", engine, "--skip-open-browser"], folder, port, environment) as url:
            yield url

    @contextmanager
    def gunicorn(self, folder: Path, environment: dict[str, str], engine: str = "flask") -> Iterator[str]:
        """The deployed form: gunicorn with two workers."""
        port = free_port()
        workers = ["-k", "uvicorn.workers.UvicornWorker"] if engine == "fastapi" else []
        command = [sys.executable, "-m", "gunicorn", "-w", "2", "-b", f"127.0.0.1:{port}", "--timeout", "120", *workers]
        app = f"promptflow.core._serving.app:create_app(engine='{engine}')"
        environment = {**environment, "PROMPTFLOW_PROJECT_PATH": str(folder)}
        with self.served([*command, app], folder, port, environment) as url:
            yield url

    def pf(self, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run promptflow's command line to its end."""
        done = subprocess.run(
            [pf(), *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a KQL query; custom dimensions as a dict."""
        return ask_with_dimensions(self.insights, query)

    def kinds(self) -> dict[str, int]:
        """Return how many items of each kind there are."""
        counted = self.rows(
            "union requests, dependencies"
            " | summarize n = count() by item = tostring(customDimensions['pf_monitor.kind'])"
        )
        return {row["item"]: row["n"] for row in counted}

    def tokens(self) -> tuple[int, int]:
        """Return the prompt and completion tokens of all model calls."""
        [row] = self.rows(
            "dependencies | where customDimensions['pf_monitor.kind'] == 'llm'"
            " | summarize p = sum(toint(customDimensions['gen_ai.usage.input_tokens'])),"
            " c = sum(toint(customDimensions['gen_ai.usage.output_tokens']))"
        )
        return row["p"] or 0, row["c"] or 0

    def billed(self) -> tuple[int, int]:
        """Return what the stand-in says it has billed."""
        totals = self.stand_in.ledger()["totals"]
        return totals["prompt_tokens"], totals["completion_tokens"]

    def assert_nothing_else(self, events: int = 0) -> None:
        """No item that the telemetry contract does not name."""
        assert not set(self.kinds()) - {"flow", "node", "retrieval", "llm", "embedding"}
        assert self.rows("traces") == []
        assert len(self.rows("customEvents")) == events
        metrics = {row["name"] for row in self.rows("customMetrics | distinct name")}
        assert metrics <= {
            "token_consumption",
            "flow_latency",
            "flow_request",
            "node_latency",
            "node_request",
            "rpc_latency",
            "rpc_request",
            "flow_streaming_response_duration",
            "gen_ai.client.token.usage",
            "gen_ai.client.operation.duration",
            "gen_ai.client.operation.time_to_first_chunk",
        }


def pf() -> str:
    return str(Path(sys.executable).with_name("pf"))


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers; it says itself when it cannot."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url, timeout=5).status_code < 500:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"no server at {url}\n{log.read_text()}")


@pytest.fixture(scope="session")
def _stand_in() -> Iterator[StandIn]:
    with serve_in_thread() as served:
        yield served


@pytest.fixture
def lab(tmp_path: Path, _stand_in: StandIn) -> Iterator[Lab]:
    _stand_in.reset()
    with running(tmp_path / "insights") as port, wire_to(port) as wire:
        yield Lab(tmp_path, port, wire, _stand_in)
