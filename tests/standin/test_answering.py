from __future__ import annotations

import pytest

from pf_monitor.standin.answering import DONT_KNOW, Turn, answer

CONTEXT = """You answer questions about tents.

Context:

Nimbus Dome: a tent for two. The Nimbus Dome weighs 2.1 kg. It may be returned within 60 days.

Quarry Stove: a gas stove. It boils a litre in three minutes. It may be returned within 14 days."""


def ask(question: str, alternative: int = 0) -> str:
    return answer([Turn("system", CONTEXT), Turn("user", question)], alternative)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How much does the Nimbus Dome weigh?", "The Nimbus Dome weighs 2.1 kg."),
        ("Can I return the Quarry Stove?", "It may be returned within 14 days."),
        ("Can a Nimbus Dome be returned?", "It may be returned within 60 days."),
        ("How fast does the stove boil water?", "It boils a litre in three minutes."),
        ("Who won the regatta in 1921?", DONT_KNOW),
        ("You answer questions about what?", DONT_KNOW),
        ("Hello there!", "Hello! What would you like to know?"),
        ("Thanks a lot!", "You're welcome!"),
        ("", DONT_KNOW),
    ],
)
def test_answers_from_the_passage_that_the_question_is_about(question: str, expected: str) -> None:
    assert ask(question) == expected


def test_the_question_may_come_after_the_text_in_one_message() -> None:
    assert answer([Turn("user", f"{CONTEXT}\n\nHow much does the Nimbus Dome weigh?")]) == (
        "The Nimbus Dome weighs 2.1 kg."
    )


def test_the_question_may_be_marked_and_stand_before_the_text() -> None:
    text = "Question: How much does the dome weigh?\n\nContext:\n\nThe dome weighs 2.1 kg. The pole is red."
    assert answer([Turn("user", text)]) == "The dome weighs 2.1 kg."


def test_alternatives_differ_while_there_are_sentences_left() -> None:
    answers = [ask("Tell me about the Nimbus Dome", alternative) for alternative in range(3)]
    assert answers[0] == "a tent for two."
    assert answers[1] == answers[2] == "The Nimbus Dome weighs 2.1 kg."


def test_a_summary_is_made_of_the_sentences_that_say_most() -> None:
    review = "I got the tent in May. The tent kept the rain out. The rain was hard and the tent stood. My dog barked."
    turns = [Turn("system", "Summarise the review."), Turn("user", review)]
    assert answer(turns) == "The tent kept the rain out. The rain was hard and the tent stood."
