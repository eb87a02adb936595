"""Answers that are read later are bounded, and what is dropped before it was read makes room again."""

from __future__ import annotations

import gc

import openai
import pytest
from deterministic import undecided

from pf_monitor import runtime
from pf_monitor.instrument.openai import later
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.settings import Settings
from pf_monitor.standin import serve_in_thread

from ..collected.counting import Counting


def test_too_much_is_not_held_until_something_was_dropped(monkeypatch):
    monkeypatch.setattr(later, "_room", later._Room())
    monkeypatch.setattr(later, "_MOST_WAITING", 10)
    first, second = later.Held(), later.Held()
    assert first.hold(8)
    assert not second.hold(8)
    del first
    assert second.hold(8)


@pytest.mark.parametrize("is_stream", [False, True], ids=["raw", "stream"])
def test_a_call_that_is_not_sent_is_let_go_of_at_once(monkeypatch, tmp_path, is_stream):
    room = later._Room()
    monkeypatch.setattr(later, "_room", room)
    sink = Counting()
    with undecided(monkeypatch, tmp_path), serve_in_thread() as served:
        recorder = PipelineRecorder(Settings(enabled=True, sampling_ratio=0.0), sink, delay_s=3600)
        runtime.use(recorder)
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{served.port}/v1", api_key="none")
        gc.disable()
        try:
            completions = client.chat.completions if is_stream else client.chat.completions.with_raw_response
            answer = completions.create(
                model="stand-in", messages=[{"role": "user", "content": "How heavy is the tent?"}], stream=is_stream
            )
            assert list(answer) if is_stream else answer.parse().choices
            del answer
            assert room._waiting > 0
            assert not room._let_go
            assert recorder.flush(30)
            assert sum(room._let_go) == room._waiting
        finally:
            gc.enable()
            runtime.stop()
    assert sink.sent == []
