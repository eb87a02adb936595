"""What the doctor finds in flow folders, environments and at endpoints that are really there."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pf_monitor.cli import app
from pf_monitor.insights.access import Access
from pf_monitor.insights.server import running
from pf_monitor.local import connection_string
from pf_monitor.pipeline.delivery.place import spool_folder

CODE = """
import pf_monitor as monitor
from pf_monitor import retrieval

@monitor.flow(question="inputs.question", answer="outputs.answer", context="${search.output}")
def chat(question: str, history: list = None): ...

@retrieval(name="search")
def look_up(question): ...
"""
FLOW = """
entry: chat:chat
environment_variables:
  PF_MONITOR_ENABLED: true
"""

Examine = Callable[..., dict[str, dict[str, str]]]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PF_MONITOR_ENABLED", "APPLICATIONINSIGHTS_CONNECTION_STRING", "PF_DISABLE_TRACING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch) -> Examine:
    def run(*arguments: str | Path, fails: bool = False, **environment: str) -> dict[str, dict[str, str]]:
        result = CliRunner().invoke(app, ["doctor", "--json", *map(str, arguments)], env=environment)
        answer: dict[str, Any] = json.loads(result.stdout)
        assert (result.exit_code, answer["ok"]) == ((1, False) if fails else (0, True)), result.output
        return {check["name"]: check for check in answer["checks"]}

    return run


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    folder = tmp_path / "flow"
    folder.mkdir()
    folder.joinpath("flow.flex.yaml").write_text(FLOW)
    folder.joinpath("chat.py").write_text(CODE)
    return folder


@pytest.fixture
def insights(tmp_path: Path) -> Iterator[int]:
    with running(tmp_path / "insights") as port:
        yield port


@pytest.fixture
def website() -> Iterator[int]:
    """A server that is no Application Insights."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_sound_flow_has_no_failures(examine: Examine, flow: Path, insights: int) -> None:
    checks = examine(flow, APPLICATIONINSIGHTS_CONNECTION_STRING=connection_string(insights))
    assert {name: check["finding"] for name, check in checks.items() if name in _OF_FLOW} == {
        "enabled": "yes, by PF_MONITOR_ENABLED in flow.flex.yaml",
        "connection string": f"well-formed, for 127.0.0.1:{insights}",
        "endpoint": f"127.0.0.1:{insights} answers",
        "waiting on disk": "nothing",
        "flow": "a flex flow, flow.flex.yaml",
        "entry": "chat:chat, which takes question, history",
        "decorated": "with @pf_monitor.flow",
        "column question": "inputs.question",
        "column answer": "outputs.answer",
        "column context": "${search.output}",
    }
    assert {check["status"] for name, check in checks.items() if name in _OF_FLOW} == {"ok"}


_OF_FLOW = (
    *("enabled", "connection string", "endpoint", "waiting on disk", "flow", "entry", "decorated"),
    *("column question", "column answer", "column context"),
)


def test_installation_is_examined_without_a_flow(examine: Examine) -> None:
    checks = examine()
    for name in ("promptflow", "opentelemetry-sdk", "azure-monitor-opentelemetry-exporter", "local extra"):
        assert checks[name]["status"] == "ok"
    assert "autoload" in checks
    assert "flow" not in checks


def test_the_table_has_every_finding_and_its_remedy(flow: Path, insights: int) -> None:
    flow.joinpath("chat.py").write_text(CODE.replace("inputs.question", "inputs.qestion"))
    environment = {"APPLICATIONINSIGHTS_CONNECTION_STRING": connection_string(insights), "COLUMNS": "200"}
    result = CliRunner().invoke(app, ["doctor", str(flow)], env=environment)
    assert result.exit_code == 1
    assert "inputs.qestion is not there. There are: history, question" in result.output
    assert "→ Correct @pf_monitor.flow(question=...)" in result.output


@pytest.mark.parametrize(
    ("before", "after", "check", "said"),
    [
        ("inputs.question", "inputs.qestion", "column question", "There are: history, question"),
        ("${search.output}", "look_up.output", "column context", "There are: search"),
        ("${search.output}", "search", "column context", "write search.output"),
        ("def chat(", "def talk(", "entry", "chat.py does not define chat; it defines talk, look_up"),
        ("def chat(", "def chat(:", "entry", "chat.py cannot be parsed"),
    ],
)
def test_a_mistake_in_the_code_fails(
    examine: Examine, flow: Path, before: str, after: str, check: str, said: str
) -> None:
    flow.joinpath("chat.py").write_text(CODE.replace(before, after))
    found = examine(flow, fails=True)[check]
    assert found["status"] == "fail"
    assert said in found["finding"]
    assert found["remedy"]


def test_code_is_read_and_not_run(examine: Examine, flow: Path) -> None:
    flow.joinpath("chat.py").write_text(f"raise SystemExit('was run')\n{CODE}")
    assert examine(flow)["entry"]["status"] == "ok"


def test_a_class_is_decorated_on_itself_or_on_its_call(examine: Examine, flow: Path) -> None:
    flow.joinpath("flow.flex.yaml").write_text(FLOW.replace("chat:chat", "chat:Chat"))
    for code in (
        "import pf_monitor\n@pf_monitor.flow\nclass Chat:\n  def __call__(self, query): ...",
        "import pf_monitor\nclass Chat:\n  @pf_monitor.flow()\n  async def __call__(self, query): ...",
    ):
        flow.joinpath("chat.py").write_text(code)
        checks = examine(flow)
        assert checks["decorated"]["status"] == "ok"
        assert checks["entry"]["finding"] == "chat:Chat, which takes query"
        assert checks["column question"]["finding"] == "inputs.query, by its usual name"


def test_an_entry_without_decorator_or_usual_names_is_a_warning(examine: Examine, flow: Path) -> None:
    flow.joinpath("chat.py").write_text("def chat(wish): ...")
    checks = examine(flow)
    assert checks["decorated"]["status"] == "warn"
    assert checks["column question"]["finding"] == "no input has a usual name for it. Inputs: wish"


@pytest.mark.parametrize(
    ("name", "text"),
    [("flow.dag.yaml", "inputs: {question: {type: string}}"), ("a.prompty", "---\ninputs: {question: {}}\n---\nuser:")],
)
def test_dag_and_prompty_need_no_decoration(examine: Examine, tmp_path: Path, name: str, text: str) -> None:
    tmp_path.joinpath(name).write_text(text)
    checks = examine(tmp_path)
    assert checks["decorated"]["finding"].startswith("not needed")
    assert checks["column question"]["status"] == "ok"


def test_the_flow_in_the_current_folder_is_examined_unasked(
    examine: Examine, flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(flow)
    assert examine()["flow"]["status"] == "ok"


@pytest.mark.parametrize(
    ("text", "said"),
    [("entry: [", "flow.flex.yaml is not valid YAML"), ("- entry", "where a mapping is expected"), (None, "no flow")],
)
def test_a_flow_file_that_is_none_fails(examine: Examine, flow: Path, text: str | None, said: str) -> None:
    flow.joinpath("flow.flex.yaml").unlink()
    if text is not None:
        flow.joinpath("flow.flex.yaml").write_text(text)
    assert said in examine(flow, fails=True)["flow"]["finding"]


def test_a_folder_with_several_flows_is_asked_about(examine: Examine, flow: Path) -> None:
    flow.joinpath("flow.dag.yml").write_text("inputs: {question: {type: string}}")
    assert "name the file" in examine(flow, fails=True)["flow"]["finding"]
    assert examine(flow / "flow.dag.yml")["flow"]["finding"] == "a DAG flow, flow.dag.yml"


def test_a_folder_that_is_not_there_fails(examine: Examine, tmp_path: Path) -> None:
    assert "There is no folder" in examine(tmp_path / "nowhere", fails=True)["flow"]["finding"]


def test_app_insights_enabled_switches_on_and_is_warned_about(examine: Examine, flow: Path) -> None:
    flow.joinpath("flow.flex.yaml").write_text("entry: chat:chat\napp_insights_enabled: true\n")
    checks = examine(flow)
    assert checks["enabled"]["finding"] == "yes, by app_insights_enabled in flow.flex.yaml"
    assert checks["app_insights_enabled"]["status"] == "warn"


@pytest.mark.parametrize(
    ("said", "status", "finding"),
    [
        ("true", "ok", "yes, by PF_MONITOR_ENABLED in the environment"),
        ("false", "warn", "no: PF_MONITOR_ENABLED in the environment switches it off, and wins over flow.flex.yaml"),
        ("maybe", "warn", "PF_MONITOR_ENABLED in the environment is neither true nor false, and so is ignored"),
    ],
)
def test_the_environment_wins(examine: Examine, flow: Path, said: str, status: str, finding: str) -> None:
    enabled = examine(flow, PF_MONITOR_ENABLED=said)["enabled"]
    assert (enabled["status"], enabled["finding"]) == (status, finding)


def test_not_enabled_is_a_warning_with_the_command_to_run(examine: Examine, flow: Path) -> None:
    flow.joinpath("flow.flex.yaml").write_text("entry: chat:chat\n")
    assert examine(flow)["enabled"]["remedy"] == f"pf-monitor enable {flow}"


def test_promptflows_own_tracing_is_explained(examine: Examine, insights: int) -> None:
    checks = examine(APPLICATIONINSIGHTS_CONNECTION_STRING=connection_string(insights), PF_DISABLE_TRACING="false")
    assert checks["promptflow's tracing"]["status"] == "ok"


def test_a_wrong_connection_string_fails_and_is_not_repeated(examine: Examine) -> None:
    checks = examine(fails=True, APPLICATIONINSIGHTS_CONNECTION_STRING="InstrumentationKey=s3cret")
    assert "not a UUID" in checks["connection string"]["finding"]
    assert "s3cret" not in json.dumps(checks)


def test_an_endpoint_that_nobody_listens_at_fails(examine: Examine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    checks = examine(fails=True, APPLICATIONINSIGHTS_CONNECTION_STRING=connection_string(port))
    assert "cannot be reached" in checks["endpoint"]["finding"]


def test_an_endpoint_that_is_something_else_fails(examine: Examine, website: int) -> None:
    checks = examine(fails=True, APPLICATIONINSIGHTS_CONNECTION_STRING=connection_string(website))
    assert "not as Application Insights does" in checks["endpoint"]["finding"]


def test_an_endpoint_that_asks_for_a_key_says_where_it_is(examine: Examine, tmp_path: Path) -> None:
    token = "correct horse battery staple"
    with running(tmp_path / "guarded", access=Access(frozenset(), token)) as port:
        without = examine(fails=True, APPLICATIONINSIGHTS_CONNECTION_STRING=connection_string(port))["endpoint"]
        string = connection_string(port, token=token)
        assert examine(APPLICATIONINSIGHTS_CONNECTION_STRING=string)["endpoint"]["status"] == "ok"

    assert without["finding"] == f"127.0.0.1:{port} refuses: the connection string does not hold its key"
    assert "`pf-monitor up` prints" in without["remedy"]


def test_telemetry_waiting_on_disk_is_counted(examine: Examine, insights: int) -> None:
    for process, size in (("a", 10), ("b", 30)):
        folder = spool_folder(connection_string(insights)) / process
        folder.mkdir(parents=True)
        folder.joinpath("01767225600000000000-1-0.batch").write_bytes(bytes(size))
    waiting = examine(APPLICATIONINSIGHTS_CONNECTION_STRING=connection_string(insights))["waiting on disk"]
    assert (waiting["status"], waiting["finding"]) == ("warn", "2 batches, 40 bytes")


def test_one_table_says_what_content_goes_where(flow: Path) -> None:
    environment = {
        "PF_MONITOR_CAPTURE_QUESTION": "hash",
        "PF_MONITOR_CAPTURE_TOOLS": "off",
        "PF_MONITOR_CAPTURE_MESSAGES": "sampled",
        "PF_MONITOR_CONTENT_RATIO": "0.1",
    }
    result = CliRunner().invoke(app, ["doctor", "--json", str(flow)], env=environment)
    answer = json.loads(result.stdout)
    content = {row["what"]: (row["to"], row["sent"], row["redacted"]) for row in answer["content"]}
    host = "127.0.0.1:4319"
    assert content["question"] == (host, "as a hash", "secrets")
    assert content["answer"] == (host, "whole", "secrets")
    assert content["tools"] == ("", "not at all", "")
    assert content["messages"] == (host, "with 0.1 of the requests", "secrets")
    assert content["variables of the stack"] == ("", "not at all", "")
    checks = {check["name"]: check for check in answer["checks"]}
    assert checks["hashes"]["remedy"].startswith("Set PF_MONITOR_HASH_KEY")
    assert (
        checks["words of question"]["finding"] == "are not sent there as they are, but inputs, query may hold the same"
    )
    assert "What content goes where" in CliRunner().invoke(app, ["doctor", str(flow)]).stdout


def test_switching_content_off_leaves_errors_and_the_user(flow: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--json", str(flow)], env={"PF_MONITOR_CAPTURE_CONTENT": "false"})
    sent = {row["what"] for row in json.loads(result.stdout)["content"] if row["to"]}
    assert sent == {"errors", "user", "custom dimensions, ids, names", "numbers, times, outcomes"}


def test_wrong_rules_are_found_beside_the_flow(flow: Path, examine: Examine) -> None:
    flow.joinpath("rules.toml").write_text("[[rule]]\n")
    found = examine(flow, fails=True, PF_MONITOR_REDACTION="rules.toml")["redaction"]
    assert found["status"] == "fail"
    assert str(flow / "rules.toml") in found["finding"]
