"""The short way to serialise gives what the exporter's own gives, value for value."""

from __future__ import annotations

import json

import pytest
from local_rows import ask_with_dimensions

import pf_monitor
from pf_monitor.insights.server import running
from pf_monitor.local import connection_string
from pf_monitor.pipeline import sinks
from pf_monitor.pipeline.delivery import batch
from pf_monitor.pipeline.delivery.spool import Spool
from pf_monitor.pipeline.serializing import simplify
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.settings import Settings

from .conftest import Numbered


class Sent(list):
    """Items, and the port that they go to."""

    port = 0


@pytest.fixture
def sent(monkeypatch, tmp_path):
    """What goes to a local Application Insights, as JSON; it begins anew with each run."""
    kept = Sent()
    texts = Spool.texts

    def keep(spool, items):
        kept.extend(json.loads(json.dumps(items)))
        return texts(spool, items)

    monkeypatch.setattr(Spool, "texts", keep)
    with running(tmp_path / "insights") as port:
        kept.port = port
        yield kept
        pf_monitor.runtime.stop()


def exported(monkeypatch, sent, simplified):
    """Return what a run of a flow, with everything that can be in one, sends."""
    if not simplified:
        monkeypatch.setattr(sinks, "simplify", lambda exporter: None)
    sink = ApplicationInsights(connection_string(sent.port))
    recorder = Numbered(Settings(enabled=True, sampling_ratio=0.999), sink, delay_s=3600)
    monkeypatch.setattr(recorder, "new_span_id", iter(range(1, 99)).__next__)
    monkeypatch.setattr(recorder, "now_ns", lambda: 1_767_225_600_000_000_000)
    monkeypatch.setattr(sink, "metric_exporter", lambda: None)
    pf_monitor.runtime.use(recorder)

    @pf_monitor.node
    def fails(question):
        raise ValueError("no question")

    @pf_monitor.flow
    def flow(question):
        from opentelemetry import trace

        pf_monitor.set_correlation(session="s", user="u", tenant="contoso")
        trace.get_current_span().set_attribute("numbers", [1, 2.5])
        trace.get_current_span().set_attribute("flag", True)
        trace.get_current_span().add_event("something happened", {"count": 3})
        pf_monitor.record_usage("gpt-4o-mini", input_tokens=10, output_tokens=3, provider="openai")
        with pytest.raises(ValueError, match="no question"):
            fails("")
        return {"answer": 42}

    flow("How heavy is it?")
    assert recorder.flush(10)
    assert not any(sink.losses.counted().values())
    items, sent[:] = sent[:], []
    return items


def test_what_is_sent_is_the_same(unmonitored, monkeypatch, sent):
    monkeypatch.setattr(batch, "_mended", None)  # nothing in it needs that
    short = exported(monkeypatch, sent, simplified=True)
    long = exported(monkeypatch, sent, simplified=False)
    assert {item["data"]["baseType"] for item in short} == {
        "RequestData",
        "RemoteDependencyData",
        "ExceptionData",
        "MessageData",
    }
    for item in (*short, *long):
        item["time"] = item["time"][:19]  # the long way cuts times to milliseconds
    assert short == long


def test_half_a_character_does_not_cost_the_batch(unmonitored, monkeypatch, sent):
    sink = ApplicationInsights(connection_string(sent.port))
    pf_monitor.runtime.use(Numbered(Settings(enabled=True), sink, delay_s=3600))

    @pf_monitor.flow
    def flow(question):
        pf_monitor.set_correlation(tenant="half a \ud83d character")
        return question

    flow("Whole?")
    assert pf_monitor.runtime.flush(10)
    [row] = ask_with_dimensions(sent.port, "requests")
    assert (row["customDimensions"]["tenant"], row["customDimensions"]["question"]) == ("half a ? character", "Whole?")


def test_a_client_that_is_made_differently_is_left_alone():
    simplify(object())
