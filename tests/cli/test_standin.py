from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import httpx
from typer.testing import CliRunner

from pf_monitor.cli import app
from pf_monitor.standin import serve_in_thread


def test_serves_until_interrupted_and_says_how_to_use_it() -> None:
    command = [sys.executable, "-c", "from pf_monitor.cli import main; main()", "stand-in", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        said = ""
        for line in process.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        [base_url] = re.findall(r"export OPENAI_BASE_URL=(\S+)", said)
        assert httpx.get(f"{base_url}/models").json()["data"][0]["id"] == "stand-in"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def test_a_taken_port_is_explained() -> None:
    with serve_in_thread() as served:
        result = CliRunner().invoke(app, ["stand-in", "--port", str(served.port)])
    assert result.exit_code == 1
    assert "Choose another with --port" in result.output
