"""Questions that people might ask a shop for camping gear, by topic and language."""

from __future__ import annotations

import random
from itertools import product
from typing import Final

_THINGS: Final = ("tent", "lamp", "backpack", "sleeping bag", "stove", "chair", "jacket", "pair of boots")
_TOPICS: Final = {
    "features": ("Is the {} waterproof?", "How heavy is the {}?", "What is the {} made of?", "How do I clean the {}?"),
    "returns": ("Can I return the {}?", "How do I get my money back for the {}?", "My {} is broken, who repairs it?"),
    "delivery": ("When will my {} arrive?", "Where is the {} that I ordered?", "Do you ship the {} to Canada?"),
    "prices": ("How much is the {}?", "Is there a discount on the {}?", "Is the {} cheaper if I buy two?"),
}
_JOBS: Final = ("engineer", "cashier", "driver", "manager", "accountant", "cook", "guard", "trainee")
_ABOUT_JOBS: Final = (
    "Are you hiring a {}?",
    "What is the salary of a {} in your company?",
    "How do I apply for a job as {}?",
    "Which qualifications does a {} need for this job?",
)
_DINGE: Final = ("das Zelt", "die Lampe", "den Rucksack", "den Schlafsack", "den Kocher", "den Stuhl", "die Jacke")
_AUF_DEUTSCH: Final = (
    "Kann ich {} zurückgeben?",
    "Wie reinige ich {} am besten?",
    "Liefert ihr {} auch nach Österreich?",
    "Was muss ich für {} bezahlen?",
)


def _filled(templates: tuple[str, ...], words: tuple[str, ...]) -> list[str]:
    return [template.format(word) for template, word in product(templates, words)]


USUAL: Final = [question for templates in _TOPICS.values() for question in _filled(templates, _THINGS)]
"""What is asked every day."""
ABOUT_JOBS: Final = _filled(_ABOUT_JOBS, _JOBS)
"""Another topic."""
IN_GERMAN: Final = _filled(_AUF_DEUTSCH, _DINGE)
"""Another language."""


def asked(count: int, chance: random.Random, others: list[str] | None = None, share: float = 0.0) -> list[str]:
    """Return questions of a day.

    Args:
        count: How many.
        chance: Chooses them.
        others: What is asked beside the usual.
        share: How much of the whole that is.
    """
    rest = round(count * share)
    questions = chance.choices(USUAL, k=count - rest) + chance.choices(others or USUAL, k=rest)
    chance.shuffle(questions)
    return questions
