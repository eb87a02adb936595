"""Writing in the background: bounded, in no flow's way, and kept for good once it is said to be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pf_monitor import notices
from pf_monitor.collected import writing
from pf_monitor.collected.places import Folder, PlaceError
from pf_monitor.collected.writing import Collector


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    notices.forget()
    yield
    notices.forget()


class Gate:
    """A place that does not answer until it is opened, and fails as long as it is told to."""

    name = "gate"

    def __init__(self, folder: Path) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        self.fails = False
        self._folder = Folder(folder)

    def append(self, path: str, data: bytes) -> None:
        self.entered.set()
        assert self.opened.wait(30)
        if self.fails:
            raise PlaceError("the disk is full")
        self._folder.append(path, data)

    def close(self) -> None:
        pass


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    monkeypatch.setattr(writing, "place", lambda _: gate)
    yield gate
    gate.opened.set()


def lines(folder: Path, name: str = "a.jsonl") -> list[str]:
    return (folder / name).read_text().splitlines()


def test_who_collects_does_not_wait_for_the_place_and_what_is_too_much_is_dropped(gate, monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(writing, "MOST_BYTES", 100)
    collector = Collector("gate", delay_s=0.01)
    assert collector.put("a.jsonl", b"0" * 49 + b"\n")
    assert gate.entered.wait(30)
    assert collector.put("a.jsonl", b"1" * 49 + b"\n")
    assert [collector.put("a.jsonl", b"2\n") for _ in range(3)] == [False, False, False]
    assert collector.dropped == 3
    assert caplog.text.count("drops collected data") == 1
    gate.opened.set()
    assert collector.flush(30)
    assert collector.put("a.jsonl", b"3\n")
    collector.stop(30)
    assert lines(tmp_path) == ["0" * 49, "1" * 49, "3"]


def test_what_cannot_be_written_is_kept_and_written_later_in_order(gate, tmp_path, caplog):
    gate.fails = True
    gate.opened.set()
    collector = Collector("gate", delay_s=3600)
    collector.put("a.jsonl", b"0\n")
    assert not collector.flush(30)
    collector.put("a.jsonl", b"1\n")
    assert not collector.flush(30)
    assert caplog.text.count("cannot write collected data: the disk is full") == 1
    gate.fails = False
    assert collector.flush(30)
    collector.stop(30)
    assert lines(tmp_path) == ["0", "1"]


def test_what_comes_while_a_write_fails_is_kept_behind_it(gate, tmp_path):
    gate.fails = True
    collector = Collector("gate", delay_s=0.01)
    collector.put("a.jsonl", b"0\n")
    assert gate.entered.wait(30)
    collector.put("a.jsonl", b"1\n")
    gate.opened.set()
    assert not collector.flush(30)
    gate.fails = False
    assert collector.flush(30)
    collector.stop(30)
    assert lines(tmp_path) == ["0", "1"]


def test_what_is_lost_at_the_end_is_said(gate, caplog):
    gate.fails = True
    gate.opened.set()
    collector = Collector("gate", delay_s=3600)
    collector.put("a.jsonl", b"12345\n")
    collector.stop(30)
    assert "6 bytes are lost" in caplog.text


def test_a_folder_that_cannot_be_written_is_named(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    collector = Collector(str(tmp_path / "file"), delay_s=3600)
    collector.put("a/b.jsonl", b"1\n")
    assert not collector.flush(30)
    assert f"cannot write collected data: {tmp_path}/file/a/b.jsonl cannot be written" in caplog.text
    collector.stop(30)


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script; telemetry that finds nobody is kept in a folder of the test's own."""
    elsewhere = folder.parent / "temporary"
    elsewhere.mkdir()
    return subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        env={**os.environ, "TMPDIR": str(elsewhere)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


_KILLED = """
import os, signal, sys
from pf_monitor.collected.writing import Collector
collector = Collector(sys.argv[1], delay_s=3600)
for number in range(100):
    collector.put("a.jsonl", b"%d\\n" % number)
assert collector.flush(30)
collector.put("a.jsonl", b"late\\n")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_loses_what_had_not_been_written_and_nothing_else(tmp_path):
    assert run(_KILLED, tmp_path / "collected").returncode == -signal.SIGKILL
    assert lines(tmp_path / "collected") == [str(number) for number in range(100)]


_FORKED = """
import os, sys
from pf_monitor.collected.writing import Collector
collector = Collector(sys.argv[1], delay_s=3600)
collector.put(f"{collector.instance}.jsonl", b"parent\\n")
child = os.fork()
if child == 0:
    collector.put(f"{collector.instance}.jsonl", b"child\\n")
    collector.stop(30)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
collector.stop(30)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_writes_a_file_of_its_own_and_nothing_of_its_parent(tmp_path):
    done = run(_FORKED, tmp_path / "collected")
    assert done.returncode == 0, done.stderr
    assert sorted(path.read_text() for path in (tmp_path / "collected").iterdir()) == ["child\n", "parent\n"]


_ENDING = """
import os, sys
os.environ.update(PF_MONITOR_ENABLED="true", PF_MONITOR_COLLECT=sys.argv[1])
os.environ["APPLICATIONINSIGHTS_CONNECTION_STRING"] = (
    "InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint=http://127.0.0.1:9/")
import pf_monitor

@pf_monitor.flow
def greet(question):
    return "hello"

greet("hi")
if len(sys.argv) > 2:
    import signal
    os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.parametrize("script", [_ENDING, _ENDING.replace("len(sys.argv) > 2", "True")], ids=["exit", "SIGTERM"])
def test_a_process_that_ends_has_written_everything(tmp_path, script):
    done = run(script, tmp_path / "collected")
    assert done.returncode in (0, -signal.SIGTERM), done.stderr
    collections = {path.split("/")[3] for path in Folder(tmp_path / "collected").files()}
    assert collections == {"app_traces", "model_inputs", "model_outputs"}


def test_half_a_write_does_not_stay(monkeypatch, tmp_path):
    folder = Folder(tmp_path)
    folder.append("a.jsonl", b"first\n")
    write = os.write

    def half(file: int, data: bytes) -> int:
        if data == b"second\n":
            return write(file, data[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(PlaceError, match="No space left"):
        folder.append("a.jsonl", b"second\n")
    monkeypatch.undo()
    folder.append("a.jsonl", b"second\n")
    assert lines(tmp_path) == ["first", "second"]
