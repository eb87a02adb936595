"""What a session or a user left can be deleted, and is gone then from every byte of the store."""

from __future__ import annotations

from pathlib import Path

import pytest
from talk import envelope, request
from typer.testing import CliRunner

from pf_monitor.cli import app
from pf_monitor.insights import Store
from pf_monitor.insights.envelope import to_row

QUESTION = "where does Jo keep the blue kayak"


def items(operation: str, session: str, user: str, text: str) -> list[dict[str, object]]:
    tags = {"ai.operation.id": operation, "ai.user.id": user}
    correlated = {"session.id": session, "question": text}
    failure = {"exceptions": [{"typeName": "ValueError", "message": text}]}
    return [
        request("chat", properties=correlated) | {"tags": tags},
        envelope("MessageData", {"message": text}) | {"tags": {"ai.operation.id": operation}},
        envelope("ExceptionData", failure) | {"tags": {"ai.operation.id": operation}},
        envelope("EventData", {"name": "feedback", "properties": {"said": text}}, tags={"ai.operation.id": operation}),
    ]


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    metric = envelope("MetricData", {"metrics": [{"name": "m", "value": 1, "count": 1}]})
    sent = [
        *items("a" * 32, "s-1", "jo", QUESTION),
        *items("b" * 32, "s-2", "jo", f"and {QUESTION} then"),
        *items("c" * 32, "s-3", "max", "how heavy is it"),
        metric,
    ]
    with Store.open(tmp_path) as store:
        store.append([to_row(item) for item in sent])
    return tmp_path


def left(directory: Path) -> dict[str, int]:
    with Store.open(directory, read_only=True) as store:
        tables = ("requests", "traces", "exceptions", "customEvents", "customMetrics")
        return {table: store.query(f"{table} | count").rows[0][0] for table in tables}  # type: ignore[misc]  # a count is a number


def run(*arguments: str, answer: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(app, ["forget", *arguments], input=answer)
    return result.exit_code, result.output


def test_a_session_is_deleted_with_all_that_belongs_to_its_requests(filled: Path) -> None:
    code, said = run("--session", "s-1", "--data", str(filled), "--yes")
    assert (code, said) == (0, "Deleted 1 requests: 4 rows.\n")
    assert left(filled) == {"requests": 2, "traces": 2, "exceptions": 2, "customEvents": 2, "customMetrics": 1}


def test_not_a_byte_of_a_user_stays_and_everybody_else_does(filled: Path) -> None:
    code, said = run("--user", "jo", "--data", str(filled), answer="y\n")
    assert code == 0
    assert "Delete 2 requests and all of theirs from" in said
    assert left(filled) == {"requests": 1, "traces": 1, "exceptions": 1, "customEvents": 1, "customMetrics": 1}
    for file in filled.rglob("*"):
        assert b"blue kayak" not in file.read_bytes(), file
        assert file.stat().st_mode & 0o777 == 0o600
    with Store.open(filled) as store:
        store.append([to_row(request())])
        assert store.query("requests | where operation_Id == 'cccccccccccccccccccccccccccccccc' | count").rows == [[1]]


def test_nothing_is_deleted_where_nobody_confirms_or_nobody_is_meant(filled: Path) -> None:
    everything = left(filled)
    assert run("--user", "jo", "--data", str(filled), answer="n\n")[0] == 1
    assert run("--user", 'x" or true or "', "--data", str(filled), "--yes")[0] == 1
    assert run("--data", str(filled))[1].startswith("Say whose requests to delete")
    assert left(filled) == everything


def test_a_disk_without_room_leaves_the_store_as_it_was(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    everything = left(filled)
    monkeypatch.setattr(Path, "replace", full)
    code, said = run("--user", "jo", "--data", str(filled), "--yes")
    assert code == 1
    assert said.startswith("Nothing was deleted")
    assert left(filled) == everything
    assert [file.name for file in filled.iterdir()] == ["insights.duckdb"]


def test_where_there_is_no_store_none_is_made(filled: Path) -> None:
    code, said = run("--session", "s-1", "--data", str(filled / "nowhere"), "--yes")
    assert (code, said) == (1, f"There is no telemetry in {filled / 'nowhere'}\n")


def test_the_store_is_its_owners_alone(filled: Path) -> None:
    filled.joinpath("insights.duckdb").chmod(0o644)
    with Store.open(filled):
        assert filled.joinpath("insights.duckdb").stat().st_mode & 0o777 == 0o600


def test_a_damaged_store_says_so_and_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "insights.duckdb"
    file.write_bytes(b"\x00" * 10_000)
    code, said = run("--session", "s-1", "--data", str(tmp_path), "--yes")
    assert code == 1
    assert said.startswith(f"Cannot open the store in {tmp_path}: ")
    assert file.read_bytes() == b"\x00" * 10_000
