from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from pf_monitor.standin import StandIn, serve_in_thread


@pytest.fixture(scope="session")
def _served() -> Iterator[StandIn]:
    with serve_in_thread() as served:
        yield served


@pytest.fixture
def stand_in(_served: StandIn) -> StandIn:
    _served.reset()
    return _served


@pytest.fixture
def client(stand_in: StandIn) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=stand_in.base_url, api_key="stand-in", max_retries=0) as made:
        yield made


@pytest.fixture
def azure(stand_in: StandIn) -> Iterator[openai.AzureOpenAI]:
    with openai.AzureOpenAI(
        azure_endpoint=stand_in.url, api_key="stand-in", api_version="2024-10-21", max_retries=0
    ) as made:
        yield made
