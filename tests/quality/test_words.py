"""Languages and topics of what is asked: found without a network, and told when they change."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from asked import ABOUT_JOBS, IN_GERMAN, USUAL, asked
from hypothesis import given
from hypothesis import strategies as st

from pf_monitor.quality import languages
from pf_monitor.quality import topics as about
from pf_monitor.quality.drift import FEWEST, Measures, compare, look_level
from pf_monitor.quality.judging.rows import Row
from pf_monitor.quality.languages import language_of
from pf_monitor.quality.monitor import Column, Columns
from pf_monitor.quality.reading import FlowRun
from pf_monitor.quality.topics import topics
from pf_monitor.quality.words import Words, categories_of, read_words


@pytest.fixture
def unloaded():
    """Forget the models, before and after."""
    loaders = (languages._identifier, about._model)
    for loader in loaders:
        loader.cache_clear()
    yield
    for loader in loaders:
        loader.cache_clear()


def window(questions):
    return [Words(question, "The lamp is waterproof to ten metres.") for question in questions]


def look(now, before, level):
    found = categories_of(window(now), window(before), FEWEST)
    assert found.missing == ""
    return found, {one.measure: one for one in compare(Measures({}, found.now), Measures({}, found.before), level)}


@pytest.mark.parametrize("seed", range(4))
def test_a_fifth_of_the_questions_that_moves_to_another_topic_is_found(seed):
    chance = random.Random(seed)
    categories, found = look(asked(300, chance, ABOUT_JOBS, 0.2), asked(300, chance), look_level(30))
    assert {name for name, one in found.items() if one.is_drift} == {"question_topic"}
    grown = max(found["question_topic"].shares, key=lambda one: one.now - one.before)
    assert grown.now - grown.before > 0.15
    assert set(categories.examples[grown.category]) <= set(ABOUT_JOBS)


@pytest.mark.parametrize("seed", range(4))
def test_a_fifth_of_the_questions_that_moves_to_another_language_is_found(seed):
    chance = random.Random(seed)
    _, found = look(asked(300, chance, IN_GERMAN, 0.2), asked(300, chance), look_level(30))
    assert found["question_language"].is_drift
    assert not found["answer_language"].is_drift
    shares = {one.category: (one.before, one.now) for one in found["question_language"].shares}
    assert shares == {"en": (1.0, 0.8), "de": (0.0, 0.2)}


def test_topics_that_have_not_changed_differ_by_chance_as_often_as_is_said():
    chance = random.Random(11)

    def p() -> float:
        _, found = look(asked(120, chance), asked(80, chance), 0.05)
        return found["question_topic"].p

    # Of 100 looks, one in twenty; more than 13 would come by chance in one of 2,000 such tests.
    assert sum(p() <= 0.05 for _ in range(100)) <= 13


def test_topics_do_not_depend_on_which_window_a_question_is_from():
    chance = random.Random(3)
    questions = asked(200, chance, ABOUT_JOBS, 0.3)
    order = list(range(200))
    chance.shuffle(order)
    straight, shuffled = topics(questions), topics([questions[place] for place in order])
    assert shuffled.of == [straight.of[place] for place in order]
    assert shuffled.examples == straight.examples


@given(st.lists(st.text(min_size=1, max_size=30), min_size=2, max_size=40))
def test_whatever_people_type_gets_a_topic_and_a_language(texts):
    found = topics(texts)
    assert len(found.of) == len(texts)
    assert set(found.of) == set(found.examples)
    assert all(language_of(text) for text in texts)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How heavy is the tent?", "en"),
        ("Kann ich den Rucksack zurückgeben?", "de"),
        ("Où est ma commande 12345 ?", "fr"),
        ("¿Cuánto pesa la tienda?", "es"),
        ("テントの重さはどれくらいですか", "ja"),
        ("ok", "undetermined"),
        ("12345", "undetermined"),
        ("SKU-88213-X", "undetermined"),
    ],
)
def test_short_questions_have_a_language_where_one_can_be_told(text, language):
    assert language_of(text) == language


def test_of_what_was_said_only_a_part_is_read_and_nothing_that_was_hashed():
    said = {0: "x" * 5_000_000, 1: f"hmac:{'0a' * 16}", 2: "half of an emoji: \ud83d", 3: "  \n "}
    runs = [FlowRun(f"{number:032x}", "", "chat", "chat", "ok", {}) for number in range(3_000)]

    class Reader:
        largest = 0

        def rows(self, _, some, __, ___):
            self.largest = max(self.largest, len(some))
            asked = (said.get(int(run.trace_id, 16) % 4) for run in some)
            return [Row(run.trace_id, texts={Column.PROMPT: text}) for run, text in zip(some, asked, strict=True)]

    reader = Reader()
    now = datetime.now(UTC)
    words = read_words(reader, (now, now), runs, Columns(), seed=1)
    assert (len(words), reader.largest) == (1_000, 100)
    assert {one.question for one in words} == {"x" * 1_000, "", "half of an emoji: ?"}
    assert {one.answer for one in words} == {""}
    found = categories_of(words, words, FEWEST)
    assert len(found.now["question_language"]) == sum(one.question != "" for one in words)
    assert found.now["answer_language"] == []


def test_no_host_is_asked_for_a_model(unloaded, monkeypatch):
    monkeypatch.setattr(socket, "socket", _no_network)
    monkeypatch.setattr(socket, "getaddrinfo", _no_network)
    found = categories_of(window(USUAL), window(USUAL), FEWEST)
    assert (found.missing, set(found.now)) == ("", {"question_language", "answer_language", "question_topic"})


def test_weights_that_are_not_there_are_not_downloaded(unloaded, monkeypatch):
    wordllama = pytest.importorskip("wordllama")
    monkeypatch.setattr(wordllama.WordLlama, "get_filename", lambda *_, **__: "elsewhere.safetensors")
    monkeypatch.setattr(socket, "getaddrinfo", _no_network)
    found = categories_of(window(USUAL), window(USUAL), FEWEST)
    assert set(found.now) == {"question_language", "answer_language"}
    assert found.missing == "Topics were not compared. To see them too: pip install 'pf-monitor[drift]'"


def _no_network(*_: object, **__: object):
    raise AssertionError("a host was asked")


@pytest.mark.parametrize(
    ("absent", "missing"),
    [
        (("py3langid.langid",), "Languages were"),
        (("wordllama",), "Topics were"),
        (("py3langid.langid", "wordllama"), "Languages and topics were"),
    ],
    ids=["languages", "topics", "both"],
)
def test_what_is_not_installed_is_not_compared_and_said_once(unloaded, monkeypatch, absent, missing):
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    found = categories_of(window(USUAL), window(USUAL), FEWEST)
    assert found.missing == f"{missing} not compared. To see them too: pip install 'pf-monitor[drift]'"


def test_the_embedding_model_leaves_the_programs_logging_alone():
    program = (
        "import logging; from pf_monitor.quality.topics import topics; topics(['a lamp', 'a tent']);"
        "print(logging.getLogger().handlers, logging.getLogger().level == logging.WARNING)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[] True"
