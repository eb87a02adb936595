"""Two flows, undecorated, decorated by us or traced by promptflow: as `BENCHMARK_TRACER` says."""

import os
from collections.abc import Callable
from typing import Any, TypedDict

from openai import OpenAI


class Reply(TypedDict):
    answer: str


class CitedReply(Reply):
    citations: str


def _decorators() -> tuple[Callable[..., Any], Callable[..., Any]]:
    tracer = os.environ["BENCHMARK_TRACER"]
    if tracer == "pf_monitor":
        import pf_monitor

        return pf_monitor.flow, pf_monitor.node
    if tracer == "promptflow":
        from promptflow.tracing import trace

        return trace, trace
    return lambda function: function, lambda function: function


flow, node = _decorators()
client = OpenAI()


@node
def retrieve(question: str) -> list[str]:
    return ["The Larkspur 2 is a tent for two. It weighs 2.1 kg.", "Tents can be returned within 60 days."]


@node
def rewrite(question: str) -> str:
    return _ask(f"Rewrite as a query: {question}")


@node
def answer(question: str, documents: list[str]) -> str:
    return _ask(f"Answer from these documents: {' '.join(documents)}\nQuestion: {question}")


@node
def cite(answer: str, documents: list[str]) -> str:
    cited = [str(n) for n, document in enumerate(documents) if any(word in document for word in answer.split())]
    return ", ".join(cited)


@flow
def four_nodes(question: str) -> CitedReply:
    documents = retrieve(rewrite(question))
    said = answer(question, documents)
    return {"answer": said, "citations": cite(said, documents)}


@flow
def two_steps(question: str) -> Reply:
    return {"answer": answer(question, retrieve(question))}


def _ask(prompt: str) -> str:
    messages = [{"role": "system", "content": "You help customers."}, {"role": "user", "content": prompt}]
    response = client.chat.completions.create(model=os.environ["OPENAI_MODEL"], messages=messages)
    return response.choices[0].message.content
