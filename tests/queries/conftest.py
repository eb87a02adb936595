"""A store that holds the requests made by hand."""

from __future__ import annotations

from collections.abc import Iterator

import handmade
import pytest

from pf_monitor.insights import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("handmade")) as store:
        handmade.fill(store)
        yield store
