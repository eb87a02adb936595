"""A server that is told to end, or that ends its workers, loses none of the requests that it has finished.

The same at size: `python tests/reliability/run.py ends`.
"""

from __future__ import annotations

from collections.abc import Iterator

import ends
import pytest

pytestmark = pytest.mark.serving


@pytest.fixture(scope="module")
def store() -> Iterator[int]:
    with ends.store() as port:
        yield port


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "recycling"])
@pytest.mark.parametrize("server", ends.SERVERS)
def test_nothing_that_was_finished_is_lost(store, server, how):
    run = ends.end(server, how, store, seed=1)
    assert run.finished > 0
    assert (run.lost, run.twice) == (0, 0)


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_a_server_that_is_killed_loses_at_most_the_last_second(store, server):
    run = ends.end(server, "SIGKILL", store, seed=1)
    assert run.finished > 0
    assert run.last_s <= ends.LAST_SECOND_S
