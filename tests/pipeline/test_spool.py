"""What waits on disk: in order, within bounds, taken over from processes that are no more."""

from __future__ import annotations

import errno
import gzip
import json
import multiprocessing
import os
import stat
import subprocess
import sys
from collections import Counter

import pytest

from pf_monitor import notices
from pf_monitor.pipeline.delivery import spool as spool_module
from pf_monitor.pipeline.delivery.batch import MOST_BYTES, unpack
from pf_monitor.pipeline.delivery.spool import Spool


class Clock:
    """Stands still unless it is moved."""

    def __init__(self):
        self.now = 1_767_225_600.0

    def __call__(self):
        return self.now


class Spools:
    """Makes spools of one resource, as processes would, and counts what they drop."""

    def __init__(self, folder):
        self.folder = folder
        self.clock = Clock()
        self.dropped = Counter()

    def open(self, **options):
        return Spool(self.folder, self._count, clock=self.clock, **options)

    def _count(self, reason, number):
        self.dropped[reason.value] += number

    @property
    def files(self):
        return sorted(self.folder.rglob("*.batch"))


@pytest.fixture
def spools(tmp_path):
    notices.forget()
    return Spools(tmp_path / "of-this-user" / "resource")


def item(trace, name="step", size=0):
    """Return an item as the exporter makes them; without a trace, a metric."""
    tags = {"ai.operation.id": trace} if trace is not None else {}
    # Random hexadecimal digits take half of their size on disk.
    return {"name": name, "tags": tags, "data": os.urandom(size // 2).hex()}


def put(spool, *items):
    spool.put(json.dumps(items).encode())


def drained(spool):
    """Return the names of what is sent, batch by batch, when all of it is acknowledged."""
    sent = []
    while (shipment := spool.next()) is not None:
        items = json.loads(gzip.decompress(shipment.body))
        assert len(items) == shipment.number
        sent.append([item["name"] for item in items])
        spool.remove(shipment.batch)
    return sent


def test_what_is_put_in_is_on_disk_for_its_owner_alone(spools):
    spool = spools.open()
    put(spool, item("a", "one"))
    [path] = spools.files
    assert [found["name"] for found in unpack(path.read_bytes())[0]] == ["one"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(spools.folder.parent.stat().st_mode) == 0o700


def test_what_is_acknowledged_leaves_nothing_behind(spools):
    spool = spools.open()
    put(spool, item("a", "one"))
    assert drained(spool) == [["one"]]
    spool.close()
    assert list(spools.folder.parent.iterdir()) == []


def test_what_waits_together_is_sent_together_the_oldest_first(spools):
    spool = spools.open()
    put(spool, item("a", "one"))
    first = spool.next()
    put(spool, item("b", "two"))
    put(spool, item("c", "three"))
    spool.keep(first.batch)
    assert drained(spool) == [["one"], ["two", "three"]]


def test_no_request_is_larger_than_the_service_takes(spools):
    spool = spools.open()
    third = MOST_BYTES // 3
    put(spool, *(item("a", str(number), third) for number in range(5)))
    put(spool, item("a", "alone", MOST_BYTES * 2))
    put(spool, item("a", "after"))
    assert drained(spool) == [["0", "1"], ["2"], ["3", "4"], ["alone"], ["after"]]


def test_what_is_left_of_a_batch_is_sent_again(spools):
    spool = spools.open()
    put(spool, item("a", "one"), item("a", "two"), item("a", "three"))
    shipment = spool.next()
    spool.keep(shipment.batch, [shipment.items()[2]])
    assert [found["name"] for found in unpack(spools.files[0].read_bytes())[0]] == ["three"]
    assert drained(spool) == [["three"]]


def test_one_that_is_too_large_is_sent_in_halves(spools):
    spool = spools.open()
    put(spool, *(item("a", str(number)) for number in range(5)))
    shipment = spool.next()
    spool.split(shipment.batch, shipment.items())
    assert drained(spool) == [["0", "1"], ["2", "3", "4"]]


def test_what_a_process_has_left_that_is_no_more_is_taken_over_and_sent_first(spools):
    left = spools.open()
    put(left, item("a", "left"))
    spools.clock.now += 1
    left.close()
    spool = spools.open()
    put(spool, item("b", "own"))
    spool.adopt(0)
    assert drained(spool) == [["left"], ["own"]]
    spool.close()
    assert list(spools.folder.parent.iterdir()) == []


def test_what_belongs_to_a_process_that_is_alive_is_left_alone(spools):
    alive = spools.open()
    put(alive, item("a", "theirs"))
    spool = spools.open()
    spool.adopt(0)
    assert drained(spool) == []
    assert drained(alive) == [["theirs"]]


_KILLED = """
import json, os, signal, sys
from pathlib import Path
from pf_monitor.pipeline.delivery.spool import Spool
spool = Spool(Path(sys.argv[1]), lambda reason, number: None)
for name in ("one", "two", "three"):
    spool.put(json.dumps([{"name": name, "tags": {}}]).encode())
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_nothing_that_it_has_put_in(spools):
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(spools.folder)], check=False)
    assert killed.returncode < 0
    spool = spools.open()
    spool.adopt(0)
    assert drained(spool) == [["one", "two", "three"]]


def test_a_process_that_was_killed_while_it_wrote_loses_that_portion_alone(spools):
    left = spools.open()
    put(left, item("a", "whole"))
    put(left, item("a", "torn", 2_000))
    left.close()
    [path] = spools.files
    os.truncate(path, path.stat().st_size - 1_000)
    spool = spools.open()
    spool.adopt(0)
    assert drained(spool) == [["whole"]]
    assert spools.dropped == {}


def test_a_file_that_is_no_batch_is_removed_and_counted(spools, caplog):
    left = spools.open()
    put(left, item("a", "one"))
    left.close()
    spools.files[0].write_bytes(b"something else")
    spool = spools.open()
    spool.adopt(0)
    assert drained(spool) == []
    assert spools.dropped == {"damaged": 1}
    assert "drops a batch of telemetry that it cannot read" in caplog.text
    assert spools.files == []


def test_a_forked_child_leaves_to_its_parent_what_is_its_parents(spools):
    spool = spools.open()
    put(spool, item("a", "parents"))

    def child():
        spool.forget()
        other = spools.open()
        other.adopt(0)
        os._exit(len(drained(other)))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert drained(spool) == [["parents"]]


def test_a_full_spool_drops_the_oldest_whole_traces_and_counts_them(spools):
    spool = spools.open(most_bytes=30_000)
    for trace in ("a", "b", "c"):
        put(spool, item(trace, f"{trace}1", 12_000), item(trace, f"{trace}2", 12_000))
        put(spool, item(None, f"metric {trace}"), item("a", f"a beside {trace}"))
        spool._growing = None  # a batch each
    put(spool, item("a", "a late"))
    assert drained(spool) == [["b1", "b2", "metric b"], ["c1", "c2", "metric a", "metric c"]]
    assert spools.dropped == {"spool_full": 6}


def test_a_trace_that_is_on_its_way_is_not_cut(spools):
    spool = spools.open(most_bytes=20_000)
    put(spool, item("a", "a1", 8_000))
    shipment = spool.next()
    put(spool, item("a", "a2", 12_000), item("b", "b1", 12_000))
    spool._growing = None
    put(spool, item("c", "c1", 12_000))
    spool.keep(shipment.batch)
    assert drained(spool) == [["a1"], ["c1", "a2"]]
    assert spools.dropped == {"spool_full": 1}


def test_all_processes_together_stay_within_the_bound(spools):
    others = [spools.open(most_bytes=23_000) for _ in range(2)]
    for number, other in enumerate(others):
        put(other, item(f"other {number}", "other", 12_000))
    spool = spools.open(most_bytes=23_000)
    spool.adopt(0)
    put(spool, item("a", "a", 12_000))
    spool._growing = None
    put(spool, item("b", "b", 12_000))
    assert spools.dropped == {"spool_full": 1}
    assert drained(spool) == [["b"]]


def test_what_is_too_old_is_dropped_and_counted(spools):
    spool = spools.open(longest_s=3600)
    put(spool, item("a", "old"), item(None, "old"))
    spool._growing = None
    spools.clock.now += 3000
    put(spool, item("b", "young"))
    spools.clock.now += 1000
    assert drained(spool) == [["young"]]
    assert spools.dropped == {"too_old": 2}


@pytest.fixture
def full_disk(monkeypatch):
    """A disk that takes half of each write while it is full."""

    class Disk:
        full = True

    extend = spool_module._extend

    def write(path, portion, size):
        if not Disk.full:
            return extend(path, portion, size)
        with path.open("ab") as file:
            file.write(portion[: len(portion) // 2])
        os.truncate(path, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(spool_module, "_extend", write)
    return Disk


def test_with_a_full_disk_it_waits_in_memory_and_says_so_once(spools, full_disk, caplog):
    spool = spools.open()
    put(spool, item("a", "one"))
    put(spool, item("a", "two"))
    assert not spool.is_on_disk()
    assert drained(spool) == [["one", "two"]]
    assert len(caplog.records) == 1
    assert "No space left on device" in caplog.text
    assert spools.dropped == {}


def test_a_disk_that_gets_full_keeps_what_it_has(spools, full_disk):
    spool = spools.open()
    full_disk.full = False
    put(spool, item("a", "on disk"))
    full_disk.full = True
    put(spool, item("a", "in memory"))
    assert drained(spool) == [["on disk"], ["in memory"]]


def test_memory_too_is_bounded(spools, full_disk, monkeypatch):
    monkeypatch.setattr(spool_module, "MOST_BYTES_IN_MEMORY", 30_000)
    spool = spools.open()
    for trace in ("a", "b", "c"):
        put(spool, item(trace, trace, 24_000))
        spool._growing = None
    assert spools.dropped == {"spool_full": 1}
    assert drained(spool) == [["b"], ["c"]]


def test_a_folder_of_somebody_elses_is_not_written_to(spools, monkeypatch, caplog):
    spools.folder.parent.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 12_345)
    spool = spools.open()
    put(spool, item("a", "one"))
    assert spools.files == []
    assert "it belongs to somebody else" in caplog.text
    assert drained(spool) == [["one"]]


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b"no JSON"])
def test_what_is_no_telemetry_is_dropped_and_counted(spools, text):
    spool = spools.open()
    spool.put(text)
    assert len(spool) == 0
    assert spools.dropped == {"damaged": 1}


def test_numbers_that_json_has_not_do_not_cost_a_batch(spools):
    spool = spools.open()
    spool.put(b'[{"name": "one", "score": NaN, "limit": -Infinity, "text": "\\ud83d"}]')
    shipment = spool.next()
    assert shipment.items() == [{"name": "one", "score": None, "limit": None, "text": "?"}]
