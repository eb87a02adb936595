"""A flow with a retrieval, a node and a model call."""

from __future__ import annotations

from typing import Any

import pf_monitor


@pf_monitor.retrieval
def find(question: str) -> list[str]:
    return ["The Larkspur 2 weighs 2.1 kg.", f"It is about {question}"]


@pf_monitor.node
def ask(question: str, context: list[str]) -> str:
    pf_monitor.record_usage("gpt-4o", input_tokens=40, output_tokens=5)
    return "2.1 kg."


@pf_monitor.flow(name="shop")
def shop(question: str, chat_history: list[Any]) -> dict[str, Any]:
    return {"answer": ask(question, find(question)), "sources": 2}
