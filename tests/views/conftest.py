"""A store that holds the requests made by hand, and one that holds nothing."""

from __future__ import annotations

from collections.abc import Iterator

import handmade
import pytest

from pf_monitor.insights import Store
from pf_monitor.views.scope import Scope


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("handmade")) as store:
        handmade.fill(store)
        yield store


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("empty")) as store:
        yield store


@pytest.fixture
def hour() -> Scope:
    return Scope(**handmade.HOUR)
