"""`pf-monitor up`, `query` and `report`, as processes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from pf_monitor.insights import Store
from pf_monitor.insights.envelope import to_row

PROGRAM = [sys.executable, "-c", "from pf_monitor.cli import main; main()"]


def item(name: str, kind: str, span: str, parent: str = "", **properties: str) -> dict[str, object]:
    base_type = "RequestData" if kind == "flow" else "RemoteDependencyData"
    named = {"pf_monitor.kind": kind, "pf_monitor.flow": "rag", "tenant": "acme", **properties}
    base = {"id": span, "name": name, "duration": "00:00:02", "success": True, "properties": named}
    tags = {"ai.operation.id": "op-1", "ai.operation.parentId": parent}
    data = {"baseType": base_type, "baseData": base}
    return {"time": datetime.now(UTC).isoformat(), "iKey": "k", "tags": tags, "data": data}


NODE = {"pf_monitor.node": "[bold]answer"}
ITEMS = [
    item("rag", "flow", "1", question="How heavy?"),
    item("[bold]answer", "node", "2", "1", **NODE),
    item("chat", "llm", "3", "2", **NODE, **{"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": "1200"}),
]


class Commands:
    """Runs commands with a home and a data directory of their own."""

    def __init__(self, home: Path) -> None:
        self.environment = os.environ | {"HOME": str(home), "PF_MONITOR_DATA": str(home / "data"), "COLUMNS": "120"}

    def run(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [*PROGRAM, *arguments]
        environment = self.environment
        return subprocess.run(
            command, input=text, capture_output=True, text=True, env=environment, check=False, timeout=60
        )

    @contextmanager
    def up(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        command = [*PROGRAM, "up", "--port", "0", *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self.environment, umask=0) as process:
            try:
                yield process
                process.wait(timeout=20)
            finally:
                process.kill()


def address(process: subprocess.Popen[str]) -> str:
    """The address that `up` prints first."""
    assert process.stdout is not None
    return process.stdout.readline().split()[-1].rstrip("/")


def send(url: str) -> None:
    httpx.post(f"{url}/v2.1/track", content=json.dumps(ITEMS), trust_env=False).raise_for_status()


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


@pytest.fixture
def url(commands: Commands) -> Iterator[str]:
    """A running server with three items."""
    with commands.up() as process:
        url = address(process)
        send(url)
        yield url
        process.terminate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_says_where_it_is_and_stops_in_good_order(commands: Commands, number: signal.Signals) -> None:
    with commands.up() as process:
        url = address(process)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        httpx.get(f"{url}/health", trust_env=False).raise_for_status()
        process.send_signal(number)
        rest = process.stdout.read()

    assert f"IngestionEndpoint={url}" in lines[0]
    assert lines[1].split() == ["Data", "~/data"]
    assert (process.returncode, rest) == (0, "Stopped.\n")


def test_what_up_writes_is_its_owners_alone(commands: Commands, url: str) -> None:
    data = Path(commands.environment["PF_MONITOR_DATA"])

    modes = {path.name: path.stat().st_mode & 0o777 for path in data.iterdir()}
    assert modes == {"insights.duckdb": 0o600, "insights.duckdb.wal": 0o600}
    assert data.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("options", "kept"), [((), [0, 20]), (("--keep-days", "10"), [0]), (("--keep-days", "60"), [0, 20, 40])]
)
def test_up_deletes_what_is_too_old(commands: Commands, options: tuple[str, ...], kept: list[int]) -> None:
    with Store.open(Path(commands.environment["PF_MONITOR_DATA"])) as store:
        for age in (0, 20, 40):
            time = datetime.now(UTC) - timedelta(days=age)
            store.append([to_row({**item(str(age), "flow", str(age)), "time": time.isoformat()})])

    with commands.up(*options) as process:
        url = address(process)
        send(url)  # is stored after the first deletion
        rows = commands.run("query", "requests | where name != 'rag' | project name", "--json", "--url", url)
        process.terminate()

    assert sorted(int(row["name"]) for row in json.loads(rows.stdout)) == kept


def test_up_on_a_port_in_use_says_what_to_do(commands: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = commands.run("up", "--port", str(port))

    assert result.returncode == 1
    assert f"Port {port} is taken" in result.stderr
    assert "choose a port: pf-monitor up --port" in result.stderr


OTHER = "127.0.0.2"  # of this machine too, but not what it calls itself
TOKEN = "Winter-1984-is-no-token!"


def test_another_address_needs_a_token(commands: Commands) -> None:
    without = commands.run("up", "--port", "0", "--host", OTHER)
    assert without.returncode == 1
    assert f"With --host {OTHER} others can reach the telemetry, so PF_MONITOR_TOKEN has to be set." in without.stderr
    [made] = re.findall(r"\$\(python -c '(.*)'\)", without.stderr)
    token = subprocess.run([sys.executable, "-c", made], capture_output=True, text=True, check=True).stdout.strip()

    for weak in ("123456789012345", "Straße des 17. Juni", "a-token-with\x07-a-bell"):
        commands.environment["PF_MONITOR_TOKEN"] = weak
        refused = commands.run("up", "--port", "0", "--host", OTHER)
        assert (refused.returncode, "has to have 16 characters or more, all of them ASCII" in refused.stderr) == (
            1,
            True,
        )
        assert weak not in refused.stderr

    commands.environment["PF_MONITOR_TOKEN"] = token
    everywhere = commands.run("up", "--port", "0", "--host", "0.0.0.0")
    assert (everywhere.returncode, "add --host NAME" in everywhere.stderr) == (1, True)
    nowhere = commands.run("up", "--port", "0", "--host", "192.0.2.1")
    assert (nowhere.returncode, "--host takes an address of this machine" in nowhere.stderr) == (1, True)
    nobody = commands.run("up", "--port", "0", "--host", "nobody.invalid")
    assert (nobody.returncode, "'nobody.invalid' is no address" in nobody.stderr) == (1, True)


@pytest.mark.parametrize("hosts", [[OTHER], ["0.0.0.0", OTHER], ["127.0.0.1", "localhost"]])
def test_a_server_with_a_token(commands: Commands, hosts: list[str], tmp_path: Path) -> None:
    options = [part for host in hosts for part in ("--host", host)]
    query = ["query", "requests | project name", "--json", "--url"]
    plain = {name: value for name, value in commands.environment.items() if name != "PF_MONITOR_TOKEN"}
    commands.environment["PF_MONITOR_TOKEN"] = TOKEN
    with commands.up(*options) as process:
        url = address(process)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        endpoint = lines[0].partition("IngestionEndpoint=")[2].partition(";")[0]

        httpx.post(f"{endpoint}v2.1/track", json=ITEMS, trust_env=False).raise_for_status()
        refused = httpx.post(f"{url}/v2.1/track", json=ITEMS, trust_env=False)
        found = commands.run(*query, url)
        commands.environment = plain
        without = commands.run(*query, url)
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.terminate()
        rest = process.stdout.read()

    assert (httpx.URL(url).host, refused.status_code) == (hosts[-1], 401)
    assert json.loads(found.stdout) == [{"name": "rag"}]
    assert (without.returncode, "refuses: This server asks for its token" in without.stderr) == (1, True)
    assert "Set PF_MONITOR_TOKEN to it." in without.stderr
    assert "The dashboard asks for the token" in lines[2]
    kept = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    said = "".join((*lines, rest, refused.text, found.stderr, without.stderr)).encode()
    assert [text for text in (*kept, said, arguments) if TOKEN.encode() in text] == []
    assert [text for text in kept if endpoint.split("/")[-2].encode() in text] == []


def test_up_on_data_in_use_says_what_to_do(commands: Commands, url: str) -> None:
    result = commands.run("up", "--port", "0")

    assert result.returncode == 1
    assert "Another process has the telemetry" in result.stderr
    assert "--data DIR" in result.stderr


def test_query_prints_a_table_json_or_csv(commands: Commands, url: str) -> None:
    kql = "dependencies | project name, kind_of = tostring(customDimensions['pf_monitor.kind']) | order by name asc"

    assert "answer" in commands.run("query", kql, "--url", url).stdout
    assert json.loads(commands.run("query", kql, "--json", "--since", "1h", "--url", url).stdout) == [
        {"name": "[bold]answer", "kind_of": "node"},
        {"name": "chat", "kind_of": "llm"},
    ]
    rows = list(csv.reader(io.StringIO(commands.run("query", "-", "--csv", "--url", url, text=kql).stdout)))
    assert rows == [["name", "kind_of"], ["[bold]answer", "node"], ["chat", "llm"]]


def test_query_error_is_marked_under_the_query(commands: Commands, url: str) -> None:
    result = commands.run("query", "requests\n| sumarize count()", "--url", url)

    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "| sumarize count()",
        "  ^",
        "'sumarize' is not an operator; did you mean 'summarize'? (line 2, column 3)",
    ]


def test_a_url_that_does_not_answer_is_said(commands: Commands) -> None:
    result = commands.run("query", "requests", "--url", "http://127.0.0.1:1")

    assert result.returncode == 1
    assert "No local Application Insights answers at http://127.0.0.1:1" in result.stderr


def test_report_as_json_and_as_tables(commands: Commands, url: str) -> None:
    data = json.loads(commands.run("report", "--json", "--url", url).stdout)
    expected = {"requests": 1, "model_calls": 1, "prompt_tokens": 1200, "total_tokens": 1200, "cost_usd": None}
    assert {name: data["summary"][name] for name in expected} == expected
    assert [row["model"] for row in data["by_model"]] == ["gpt-4o"]
    assert [row["node"] for row in data["by_node"]] == ["[bold]answer"]

    shown = commands.run("report", "--url", url).stdout
    for text in ("By model", "1,200", "2.00 s", "[bold]answer"):
        assert text in shown


@pytest.mark.parametrize(
    ("view", "texts"),
    [
        ("overview", ["Latency p99", "By model", "By node"]),
        ("tokens", ["By deployment", "Tokens per request", "gpt-4o"]),
        ("quality", ["No answer has a score in this time"]),
        ("operations", ["Throttled", "0 of 1 model calls", "[bold]answer"]),
        ("requests", ["Requests (1 of 1)", "2.00 s", "op-1"]),
    ],
)
def test_every_view_as_tables_and_as_json(commands: Commands, url: str, view: str, texts: list[str]) -> None:
    shown = commands.run("report", view, "--url", url)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert [text for text in texts if text not in shown.stdout] == []
    data = json.loads(commands.run("report", view, "--json", "--url", url).stdout)
    assert data["scope"]["last"] == "1d"


def test_a_trace_as_a_tree_and_as_json(commands: Commands, url: str) -> None:
    shown = commands.run("report", "trace", "op-1", "--url", url).stdout
    assert [text for text in ("rag", "  [bold]answer", "How heavy?", "━━━") if text not in shown] == []
    data = json.loads(commands.run("report", "trace", "op-1", "--json", "--url", url).stdout)
    assert {span["name"] for span in data["spans"]} == {"rag", "[bold]answer", "chat"}

    unknown = commands.run("report", "trace", "nobody", "--url", url)
    assert (unknown.returncode, "no request with operation_Id 'nobody'" in unknown.stderr) == (1, True)


def test_filters_narrow_a_report(commands: Commands, url: str) -> None:
    def requests(*options: str) -> int:
        found = commands.run("report", "--json", "--url", url, *options)
        assert found.returncode == 0, found.stderr
        return int(json.loads(found.stdout)["now"]["requests"])

    assert requests("--flow", "rag", "--model", "gpt-4o", "--dim", "tenant=acme", "--node", "[bold]answer") == 1
    assert requests("--dim", "tenant=other") == 0
    assert requests("--from", "2024-05-01", "--to", "2024-05-02") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--outcome", "failed"], "give one of ok, error, cancelled, abandoned"),
        (["--dim", "tenant"], "--dim: 'tenant' is not KEY=VALUE"),
        (["--from", "yesterday"], "give ISO-8601"),
        (["trace"], "give the operation_Id with trace"),
        (["tokens", "op-1"], "give the operation_Id with trace"),
    ],
)
def test_a_report_that_cannot_be_says_what_can(commands: Commands, url: str, options: list[str], message: str) -> None:
    found = commands.run("report", "--url", url, *options)
    assert (found.returncode, message in found.stderr) == (1, True), found.stderr


def test_a_query_of_the_views_is_printed_whole(commands: Commands, url: str) -> None:
    whole = commands.run("query", "--show", "summary", "--since", "1w").stdout
    assert whole.startswith("let since = ago(7d);\nlet until = now();\nlet Spans = union requests, dependencies\n")
    [row] = json.loads(commands.run("query", "-", "--json", "--url", url, text=whole).stdout)
    assert (row["requests"], row["prompt_tokens"]) == (1, 1200)

    unknown = commands.run("query", "--show", "sumary")
    assert (unknown.returncode, "There are: beyond_contract" in unknown.stderr) == (1, True)
    assert "Give a query, or --show NAME" in commands.run("query").stderr


def test_report_of_nothing_says_what_to_do(commands: Commands, url: str) -> None:
    assert "pf-monitor demo" in commands.run("report", "--since", "0s", "--url", url).stdout


@pytest.mark.parametrize("since", ["yesterday", "1y", "99999999999d"])
def test_wrong_since(commands: Commands, url: str, since: str) -> None:
    result = commands.run("report", "--since", since, "--url", url)

    assert (result.returncode, "--since" in result.stderr) == (1, True)


READ_WITHOUT_SERVER = """
import sys
from pf_monitor.cli import _source
_source.PORT = 1  # where nothing listens, whatever runs on this machine
from pf_monitor.cli import main
main()
"""


def test_query_without_a_server_reads_the_store(commands: Commands) -> None:
    command = [sys.executable, "-c", READ_WITHOUT_SERVER, "query", "requests | count", "--json"]
    environment = commands.environment
    empty = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert (empty.returncode, "Start one with: pf-monitor up" in empty.stderr) == (1, True)

    with commands.up() as process:
        send(address(process))
        process.terminate()

    stored = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert (stored.returncode, json.loads(stored.stdout)) == (0, [{"Count": 1}])


def test_a_missing_package_is_named(commands: Commands) -> None:
    code = "import sys; sys.modules['duckdb'] = None; from pf_monitor.cli import main; main()"
    command = [sys.executable, "-c", code, "up"]
    result = subprocess.run(command, capture_output=True, text=True, env=commands.environment, check=False, timeout=60)

    assert result.returncode == 1
    assert "pip install 'pf-monitor[local]'" in result.stderr


def test_the_command_line_loads_nothing_heavy() -> None:
    heavy = "{'duckdb', 'duckdb_kql', 'fastapi', 'uvicorn', 'httpx', 'pandas', 'promptflow'}"
    code = f"import sys; before = set(sys.modules); import pf_monitor.cli; print({heavy} & (set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert result.stdout == "set()\n"
