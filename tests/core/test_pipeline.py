"""From a finished step to the item that is sent: order, limits, and an endpoint that is away."""

from __future__ import annotations

import json
import logging
import threading

import pytest
from local_rows import ask

import pf_monitor
from pf_monitor import runtime
from pf_monitor.insights.server import running
from pf_monitor.instrument.content import to_text
from pf_monitor.local import connection_string
from pf_monitor.pipeline.delivery.batch import unpack
from pf_monitor.pipeline.delivery.sender import Patience
from pf_monitor.pipeline.item import Item
from pf_monitor.pipeline.losses import Losses
from pf_monitor.pipeline.processors import CONTENT_BUDGET, LONGEST_VALUE, fit
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.pipeline.worker import QUEUE_LENGTH, Worker
from pf_monitor.settings import Settings


def fitted(**content):
    item = Item(None)  # type: ignore[arg-type]  # no step is needed
    item.content = {name: to_text(text) for name, text in content.items()}
    return fit(item).attributes


def test_a_long_value_goes_on_under_numbered_names():
    attributes = fitted(question="a" * (LONGEST_VALUE + 10))
    assert attributes == {"question": "a" * LONGEST_VALUE, "question.2": "a" * 10}


def test_what_exceeds_the_budget_is_cut_and_told_with_its_full_length():
    attributes = fitted(answer="b" * 40_000, question="a" * 40_000)
    assert "".join(v for k, v in attributes.items() if k.startswith("question")) == "a" * 40_000
    assert sum(len(v) for k, v in attributes.items() if k.startswith("answer")) == CONTENT_BUDGET - 40_000
    assert json.loads(attributes["pf_monitor.truncated"]) == {"answer": 40_000}


@pytest.mark.parametrize("character", ["a", '"', "é", "中", "💩", "\x00"])
def test_the_budget_is_what_the_text_takes_on_the_wire(character):
    attributes = fitted(question=character * 60_000)
    text = "".join(value for name, value in attributes.items() if name.startswith("question"))
    assert CONTENT_BUDGET - 12 <= len(json.dumps(text)) - 2 <= CONTENT_BUDGET


def test_numbers_come_before_ids_and_ids_before_content(unmonitored):
    sent = []

    class Sink:
        send_spans = staticmethod(sent.extend)
        send_events = staticmethod(sent.extend)
        losses = Losses()

        def metric_exporter(self):
            return None

        def flush(self, timeout):
            return True

        def shutdown(self, timeout):
            pass

    recorder = PipelineRecorder(Settings(enabled=True, deployment="blue"), Sink(), delay_s=3600)
    runtime.use(recorder)

    @pf_monitor.flow
    def flow(question):
        pf_monitor.set_correlation(session="s", **{"pf_monitor.kind": "mine", "tenant": "t"})
        return "answer"

    flow("q")
    recorder.flush(5)
    [span] = sent
    assert list(span.attributes) == [
        "pf_monitor.kind",
        "pf_monitor.flow",
        "pf_monitor.outcome",
        "pf_monitor.usage.input_tokens",
        "pf_monitor.usage.output_tokens",
        "pf_monitor.usage.total_tokens",
        "pf_monitor.usage.llm_calls",
        "pf_monitor.deployment",
        "pf_monitor.request_id",
        "session.id",
        "tenant",
        "gen_ai.operation.name",
        "question",
        "answer",
    ]
    assert span.attributes["pf_monitor.kind"] == "flow"
    assert span.attributes["pf_monitor.deployment"] == "blue"


def test_an_endpoint_that_is_away_loses_nothing_and_is_mentioned_once(unmonitored, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    @pf_monitor.flow
    def flow(question):
        return question

    with running(tmp_path / "insights") as port:
        pass  # the port is free again, and nobody listens
    recorder = PipelineRecorder(Settings(enabled=True), ApplicationInsights(connection_string(port)), delay_s=3600)
    runtime.use(recorder)
    with caplog.at_level(logging.DEBUG):
        for number in range(3):
            flow(str(number))
            assert recorder.flush(20)
    ours = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.name for record in ours] == ["pf_monitor"]
    assert "kept on disk and sent later" in ours[0].getMessage()
    stored = [unpack(path.read_bytes())[0] for path in tmp_path.rglob("*.batch")]
    questions = [
        item["data"]["baseData"]["properties"]["question"]
        for items in stored
        for item in items
        if item["data"]["baseType"] == "RequestData"
    ]
    assert sorted(questions) == ["0", "1", "2"]


def test_a_full_queue_drops_and_counts_and_never_waits():
    gate = threading.Event()
    entered = threading.Event()

    def deliver(batch):
        entered.set()
        gate.wait(30)

    worker = Worker(deliver, delay_s=0)
    worker.put(0)
    entered.wait(30)
    for number in range(QUEUE_LENGTH + 5):
        worker.put(number)
    assert worker.dropped == 5
    gate.set()
    assert worker.flush(30)
    worker.stop(30)


def test_where_nothing_waits_it_is_told_too():
    told = threading.Semaphore(0)
    waiting = []

    def look(share, elapsed_s):
        waiting.append(share)
        told.release()
        return 1.0

    worker = Worker(list, delay_s=0, look=look)
    assert all(told.acquire(timeout=30) for _ in range(3))
    worker.stop(30)
    assert set(waiting) == {0.0}


def test_there_is_room_for_what_is_urgent_beside_what_was_thinned_and_all_that_came_meanwhile():
    taken = []

    def thin(things):
        if not taken:
            taken.extend(worker.put("meanwhile") for _ in range(QUEUE_LENGTH + 1))
        return things[::2]

    def deliver(batch):
        if len(taken) == QUEUE_LENGTH + 1:
            taken.append(worker.put("one more"))
            taken.append(worker.put("error", urgent=True))
        delivered.extend(batch)

    worker = Worker(deliver, delay_s=3600, thin=thin)
    worker.stop(30)  # from here on by hand
    delivered = []
    for number in range(QUEUE_LENGTH):
        worker.put(number)
    assert worker.flush(30)
    assert taken == [*[True] * QUEUE_LENGTH, False, False, True]
    assert "error" in delivered


def test_a_flush_gives_up_in_time():
    gate = threading.Event()
    entered = threading.Event()

    def deliver(batch):
        entered.set()
        gate.wait(30)

    worker = Worker(deliver, delay_s=0)
    worker.put(1)
    entered.wait(30)
    worker.put(2)
    assert worker.flush(0.01) is False
    gate.set()
    worker.stop(30)


def test_a_worker_whose_time_is_over_ends_with_the_batch_that_it_has_begun():
    before = set(threading.enumerate())
    delivered = []

    def deliver(batch):
        delivered.extend(batch)
        worker.put("there is always more")

    worker = Worker(deliver, delay_s=0)
    worker.put("first")
    worker.stop(0.01)
    assert not {thread for thread in threading.enumerate() if thread.name == "pf_monitor"} - before
    assert set(delivered) <= {"first", "there is always more"}


def test_a_request_is_sent_without_another_one_after_it(fresh_insights, unmonitored, monkeypatch):
    sink = ApplicationInsights(connection_string(fresh_insights), patience=Patience(look_s=3600))
    recorder = PipelineRecorder(Settings(enabled=True), sink, delay_s=3600)
    runtime.use(recorder)
    spool, sender = sink._delivery._spool, sink._delivery._sender
    looked = threading.Event()
    look, write = spool.next, spool.write
    monkeypatch.setattr(spool, "next", lambda: (look(), looked.set())[0])

    def write_late(texts):
        looked.clear()
        looked.wait(0.2)  # a sender that was woken too early has looked in vain by then, and sleeps on
        write(texts)

    monkeypatch.setattr(spool, "write", write_late)
    pf_monitor.flow(str.upper)("alone")
    recorder._worker.flush(20)
    with sender._changed:
        assert sender._changed.wait_for(lambda: not len(spool), 20)
    [row] = ask(fresh_insights, "requests | project name, success")
    assert row == {"name": "upper", "success": "True"}
