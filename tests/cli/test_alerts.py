"""`pf-monitor alerts` and the alerts of `pf-monitor up`, as processes."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

PROGRAM = [sys.executable, "-c", "from pf_monitor.cli import main; main()"]

FILE = """\
notify:
  team: json://127.0.0.1:${HOOK_PORT}/hook
rules:
  error-rate:
    failing: 1 of 1
"""


@pytest.fixture
def environment(tmp_path: Path, hook: tuple[int, queue.Queue]) -> dict[str, str]:
    (tmp_path / "data").mkdir()
    here = {"HOME": str(tmp_path), "PF_MONITOR_DATA": str(tmp_path / "data"), "COLUMNS": "140"}
    return os.environ | here | {"HOOK_PORT": str(hook[0])}


@pytest.fixture
def hook() -> Iterator[tuple[int, queue.Queue]]:
    """A web server on this machine, and what is posted to it."""
    posted: queue.Queue = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, posted
        server.shutdown()


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)


def failed_run() -> str:
    base = {"name": "rag", "duration": "00:00:02", "success": False, "properties": {"pf_monitor.kind": "flow"}}
    item = {"time": datetime.now(UTC).isoformat(), "data": {"baseType": "RequestData", "baseData": base}, "iKey": "k"}
    return json.dumps([item])


@contextmanager
def up(environment: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Run `pf-monitor up`; give its address and what it says of alerts."""
    command = [*PROGRAM, "up", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1].rstrip("/")
            said = [process.stdout.readline() for _ in range(3)][-1]
            httpx.get(f"{url}/health", trust_env=False).raise_for_status()
            yield url, " ".join(said.split())
            process.terminate()
            process.wait(timeout=20)
        finally:
            process.kill()


def test_up_tells_when_an_alert_starts_and_list_shows_it(environment, hook, tmp_path):
    (tmp_path / "data" / "alerts.yaml").write_text(FILE)
    with up(environment) as (url, said):
        assert said == "Alerts 1 rule, 1 receiver"
        httpx.post(f"{url}/v2.1/track", content=failed_run(), trust_env=False).raise_for_status()
        wait_until_evaluated(environment, url)
    make_due(tmp_path / "data" / "alerts-state.json")
    with up(environment) as (url, _):
        assert hook[1].get(timeout=30)["title"] == "Error: error-rate, error_rate is 100.0%"
        [listed] = json.loads(run(environment, "alerts", "list", "--json", "--url", url).stdout)
    assert (listed["name"], listed["value"], listed["firing"], listed["problem"]) == ("error-rate", 1.0, True, None)
    shown = run(environment, "alerts", "list").stdout
    assert "FIRING" in shown
    assert "100.0%" in shown
    assert "1 delivered, 0 to be tried again, 0 given up" in shown
    assert hook[1].empty()


def make_due(state: Path) -> None:
    """Say that what was evaluated was evaluated long ago, and fired for nobody."""
    known = json.loads(state.read_text())
    known["rules"]["error-rate"] |= {"evaluated": "2020-01-01T00:00:00+00:00", "firing": False}
    state.write_text(json.dumps(known | {"pending": [], "delivered": 0}))


def wait_until_evaluated(environment: dict[str, str], url: str) -> None:
    """Ask until the rule was evaluated once, at most half a minute."""
    for _ in range(30):
        [listed] = json.loads(run(environment, "alerts", "list", "--json", "--url", url).stdout)
        if listed["evaluated"]:
            return
    pytest.fail("the rule was not evaluated")


def test_up_takes_a_file_from_elsewhere_and_refuses_a_wrong_one(environment, tmp_path):
    (tmp_path / "wrong.yaml").write_text("rules:\n  error-rate:\n    every: 7m\n")
    result = run(environment, "up", "--port", "0", "--alerts", str(tmp_path / "wrong.yaml"))
    assert result.returncode == 1
    assert "wrong.yaml, line 3: every: '7m' is not allowed" in result.stderr
    missing = run(environment, "up", "--port", "0", "--alerts", str(tmp_path / "none.yaml"))
    assert "There is no" in missing.stderr


def test_new_writes_a_file_once_and_validate_likes_it(environment, tmp_path):
    assert run(environment, "alerts", "new").returncode == 0
    path = tmp_path / "data" / "alerts.yaml"
    path.write_text(path.read_text() + "# mine\n")
    again = run(environment, "alerts", "new")
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    assert path.read_text().endswith("# mine\n")
    assert run(environment, "alerts", "validate").stdout == f"{path}: 6 rules, 0 receivers, all good\n"
    nobody = run(environment, "alerts", "test")
    assert (nobody.returncode, "names nobody to tell" in nobody.stderr) == (1, True)


def test_test_tells_everyone_or_one(environment, hook, tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("notify:\n  team: json://127.0.0.1:${HOOK_PORT}/a\n  gone: json://127.0.0.1:1/hunter22\n")
    result = run(environment, "alerts", "test", "--file", str(path))
    assert (result.returncode, result.stdout) == (1, "team: delivered\n")
    assert result.stderr.startswith("gone: not delivered: ")
    assert "hunter22" not in result.stderr
    assert hook[1].get(timeout=5)["title"] == "Test: pf-monitor can reach you"
    assert run(environment, "alerts", "test", "--file", str(path), "--to", "team").returncode == 0
    unknown = run(environment, "alerts", "test", "--file", str(path), "--to", "boss")
    assert unknown.stderr == "There is no receiver 'boss'; known are team, gone\n"
