from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from pf_monitor.standin import StandIn
from pf_monitor.standin.answering import DONT_KNOW

from .conftest import FLOWS


def lines_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FLOWS / "rag-chat" / name).read_text(encoding="utf-8").splitlines()]


QUESTIONS = lines_of("data.jsonl")
PRODUCTS = lines_of("products.jsonl")


@pytest.fixture
def rag_chat(stand_in: StandIn, load_module: Callable[[str, str], ModuleType]) -> ModuleType:
    return load_module("rag-chat", "rag_chat")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (
            "What is the return policy for the Larkspur 2 tent?",
            "Unused tents can be returned within 60 days, used ones within 14 days if they are dry and clean.",
        ),
        ("How much does the Larkspur 2 weigh?", "It weighs 2.1 kg and packs to 45 by 14 cm."),
        ("May I use the Emberline One inside a tent?", "Do not use it inside a tent."),
        ("Who won the regatta in 1921?", DONT_KNOW),
        ("Hello!", "Hello! What would you like to know?"),
    ],
)
def test_answers_from_the_catalogue(rag_chat: ModuleType, question: str, answer: str) -> None:
    assert rag_chat.chat(question) == rag_chat.Reply(answer)


def test_one_question_is_one_model_call_with_the_context_in_it(rag_chat: ModuleType, stand_in: StandIn) -> None:
    rag_chat.chat("Is the Firefly 400 waterproof?")
    ledger = stand_in.ledger()
    assert ledger["totals"]["calls"] == 1
    assert ledger["totals"]["prompt_tokens"] > 150


def test_history_says_what_a_short_question_is_about(rag_chat: ModuleType) -> None:
    follow_up = QUESTIONS[-1]
    assert follow_up["question"] == "And how much does it weigh?"
    assert rag_chat.chat(**follow_up).answer == "It carries up to 120 kg and weighs 11 kg."


def test_there_are_enough_sample_questions() -> None:
    assert len({json.dumps(question) for question in QUESTIONS}) >= 40


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product["name"])
def test_retrieval_finds_the_product_that_is_named(rag_chat: ModuleType, product: dict[str, str]) -> None:
    found = rag_chat.retrieve(f"What does the {product['name']} cost?", [])
    assert len(found) == 3
    assert found[0].startswith(f"{product['name']} (")
