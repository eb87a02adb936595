"""A shop assistant that answers from a product catalogue: retrieve, then ask the model."""

from dataclasses import dataclass

from catalogue import search
from model_client import connect

import pf_monitor

SYSTEM = """You are the assistant of an outdoor shop. Answer only from the products below, in one or two sentences.
If they do not hold the answer, say that you do not know.

Context:

{context}"""


@dataclass
class Reply:
    answer: str


@pf_monitor.flow(question="inputs.question", answer="outputs.answer", context="retrieve.output")
def chat(question: str, chat_history: list = None) -> Reply:  # noqa: RUF013 - promptflow refuses unions
    history = chat_history or []
    context = retrieve(question, history)
    return Reply(answer=ask_model(question, context, history))


@pf_monitor.retrieval
def retrieve(question: str, history: list) -> list[str]:
    # "And how heavy is it?" makes sense only together with the question before.
    before = [turn["inputs"]["question"] for turn in history[-1:]]
    return search(" ".join([*before, question]), limit=3)


@pf_monitor.node
def ask_model(question: str, context: list[str], history: list) -> str:
    client, model = connect()
    messages = [{"role": "system", "content": SYSTEM.format(context="\n\n".join(context))}]
    for turn in history:
        messages.append({"role": "user", "content": turn["inputs"]["question"]})
        messages.append({"role": "assistant", "content": turn["outputs"]["answer"]})
    messages.append({"role": "user", "content": question})
    completion = client.chat.completions.create(model=model, messages=messages, temperature=0)
    return completion.choices[0].message.content or ""
