"""Question, answer, context and ground truth: mapped, or found under their usual names."""

from __future__ import annotations

import dataclasses
import logging

import pytest

import pf_monitor
from pf_monitor.model.mapping import parse_place


@dataclasses.dataclass
class Reply:
    answer: str
    documents: list[str]


@pytest.mark.parametrize(
    ("text", "root", "path"),
    [
        ("inputs.question", "inputs", ("question",)),
        ("${inputs.question}", "inputs", ("question",)),
        ("${data.question}", "inputs", ("question",)),
        ("${run.outputs.answer}", "outputs", ("answer",)),
        ("outputs", "outputs", ()),
        ("inputs.turns[0].text", "inputs", ("turns", 0, "text")),
        ("retrieve.output", "retrieve", ()),
        ("${retrieve.output.documents}", "retrieve", ("documents",)),
    ],
)
def test_places(text, root, path):
    place = parse_place(text)
    assert (place.root, place.path) == (root, path)


@pytest.mark.parametrize("text", ["", "question", "inputs..x", "retrieve", "retrieve.result", "${inputs.question"])
def test_what_is_no_place_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"Write |write "):
        parse_place(text)


def test_usual_names(monitor):
    @pf_monitor.flow
    def flow(query, ground_truth, top=3):
        return Reply(answer="42", documents=["a", "b"])

    flow("what?", "43")
    span = monitor.spans()["flow"]
    columns = {name: span.get(name) for name in ("question", "answer", "context", "ground_truth", "inputs", "output")}
    assert columns == {
        "question": "what?",
        "answer": "42",
        "context": '["a","b"]',
        "ground_truth": "43",
        "inputs": '{"top":3}',
        "output": None,
    }


def test_nested_and_positional_places(monitor):
    @pf_monitor.flow(question="inputs.messages[1].content", answer="outputs.choices[0]", context="look_up.output.text")
    def flow(messages):
        look_up()
        return {"choices": ["yes", "no"]}

    @pf_monitor.node
    def look_up():
        return {"text": "it is so"}

    flow([{"content": "be brief"}, {"content": "is it so?"}])
    span = monitor.spans()["flow"]
    assert (span["question"], span["answer"], span["context"]) == ("is it so?", "yes", "it is so")


def test_the_context_is_what_the_last_retrieval_gave_unless_mapped(monitor):
    @pf_monitor.retrieval
    def search(query):
        return query + "!"

    @pf_monitor.flow
    def flow(question):
        search("one")
        search("two")
        return "answer"

    flow("q")
    assert monitor.spans()["flow"]["context"] == "two!"


def test_a_misspelled_column_is_said_once_and_harms_nothing(monitor, caplog):
    @pf_monitor.flow(question="inputs.qestion", answer="outputs.anser", context="retreive.output")
    def flow(question):
        return {"answer": "42"}

    with caplog.at_level(logging.WARNING, "pf_monitor"):
        assert flow("q") == {"answer": "42"}
        assert flow("q") == {"answer": "42"}
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert "question of flow flow is mapped to inputs.qestion, which is not there. Its inputs are: question." in said[0]
    assert "Its outputs are: answer." in said[1]
    assert "retreive.output, but no such node" in said[2]


def test_a_mapping_that_cannot_be_read_is_said_and_the_usual_names_hold(monitor, caplog):
    with caplog.at_level(logging.WARNING, "pf_monitor"):

        @pf_monitor.flow(question="the question")
        def flow(question):
            return "42"

    assert "'the question' is not a place in a flow. Write inputs.NAME" in caplog.text
    flow("q")
    assert monitor.spans()["flow"]["question"] == "q"
