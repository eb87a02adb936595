"""Prices from the list that is installed: offline, absent when unknown."""

from __future__ import annotations

import re
import socket

import pytest

from pf_monitor.tokens.prices import cost_usd, price_list
from pf_monitor.tokens.usage import Usage


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", None)


@pytest.mark.parametrize("provider", ["openai", "azure.ai.openai"])
def test_a_price(provider: str) -> None:
    usage = Usage(1_000_000, 1_000_000)
    assert cost_usd(provider, "gpt-4o-mini-2024-07-18", usage) == pytest.approx(0.15 + 0.60)


def test_what_came_out_of_a_cache_is_cheaper() -> None:
    whole = cost_usd("anthropic", "claude-sonnet-4-20250514", Usage(2_000_000, 0))
    cached = cost_usd("anthropic", "claude-sonnet-4-20250514", Usage(2_000_000, 0, cache_read_tokens=1_900_000))
    assert 0 < cached < whole / 2


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "my-deployment"), ("openai", ""), ("nobody", "gpt-9"), ("openai", "\0"), ("", "llama")],
)
def test_an_unknown_price_is_none(provider: str, model: str) -> None:
    assert cost_usd(provider, model, Usage(5, 5)) is None


def test_impossible_parts_have_no_price_and_break_nothing() -> None:
    assert cost_usd("openai", "gpt-4o", Usage(5, 5, cache_read_tokens=50)) is None


def test_the_list_says_how_old_it_is() -> None:
    assert re.fullmatch(r"genai-prices \d+\.\d+\.\d+ \(20\d\d-\d\d-\d\d\)", price_list())
