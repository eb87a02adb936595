from __future__ import annotations

import hashlib
import socket

import pytest
import tiktoken_ext.openai_public

from pf_monitor.standin import counting


def test_the_encoding_is_the_published_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiktoken_ext.openai_public, "load_tiktoken_bpe", lambda *_, **__: {})
    published = tiktoken_ext.openai_public.o200k_base()

    ours = counting.encoding()

    ranks = hashlib.sha256(repr(sorted(ours._mergeable_ranks.items())).encode()).hexdigest()
    assert len(ours._mergeable_ranks) == 199998
    assert ranks == "c38d6c1ec6f1cc7c17b3a9112242b13b1df39f2279e8d49781fe546e4b6a9ac3"
    assert ours._pat_str == published["pat_str"]
    assert ours._special_tokens == published["special_tokens"]


def test_the_encoding_is_never_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", None)
    counting.encoding.cache_clear()
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
