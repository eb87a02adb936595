from __future__ import annotations

import socket

import pytest

from pf_monitor.standin import counting
from pf_monitor.tokens import ranks


def test_the_encoding_is_never_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", None)
    monkeypatch.setattr(ranks, "_loaded", {})
    assert counting.count("tiktoken is great!") == 6


def test_a_chat_counts_as_in_the_cookbook() -> None:
    # The cookbook's own example, which it gives as 124 tokens for the gpt-4o models.
    style, jargon = {"role": "system", "name": "example_user"}, {"role": "system", "name": "example_assistant"}
    messages = [
        {
            "role": "system",
            "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain "
            "English.",
        },
        {**style, "content": "New synergies will help drive top-line growth."},
        {**jargon, "content": "Things working well together will increase revenue."},
        {
            **style,
            "content": "Let's circle back when we have more bandwidth to touch base on opportunities for increased "
            "leverage.",
        },
        {**jargon, "content": "Let's talk later when we're less busy about how to do better."},
        {
            "role": "user",
            "content": "This late pivot means we don't have time to boil the ocean for the client deliverable.",
        },
    ]
    assert counting.count_chat(messages) == 124


def test_parts_and_tools_count_too() -> None:
    text = {"role": "user", "content": "How heavy is it?"}
    parts = {"role": "user", "content": [{"type": "text", "text": "How heavy is it?"}]}
    assert counting.count_chat([parts]) == counting.count_chat([text])
    assert counting.count_chat([text], [{"type": "function"}]) > counting.count_chat([text])


def test_a_cut_text_has_the_tokens_that_it_was_cut_to() -> None:
    assert counting.cut("One two three four five.", 3) == ("One two three", True)
    assert counting.cut("One two three.", None) == ("One two three.", False)
    assert counting.cut("One", 1) == ("One", False)
