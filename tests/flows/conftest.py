from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pf_monitor.standin import StandIn, serve_in_thread

FLOWS = Path(__file__).parents[2] / "flows"


@pytest.fixture(scope="session")
def _served() -> Iterator[StandIn]:
    with serve_in_thread() as served:
        yield served


@pytest.fixture
def stand_in(_served: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A stand-in that flows find in the environment, and no other model."""
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "AZURE_OPENAI_"))]:
        monkeypatch.delenv(name)
    for name, value in _served.environment.items():
        monkeypatch.setenv(name, value)
    _served.reset()
    return _served


@pytest.fixture
def load_module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], ModuleType]]:
    """Import a flow's module as promptflow does, from its folder, and forget it afterwards: flows share names."""
    before = set(sys.modules)

    def load(flow: str, module: str) -> ModuleType:
        monkeypatch.syspath_prepend(FLOWS / flow)
        return importlib.import_module(module)

    yield load
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(FLOWS)):
            del sys.modules[name]
