"""For all tests: the same examples each time, so that a run that passed passes again."""

from __future__ import annotations

import signal
import tempfile
from importlib.util import find_spec

import pytest
from hypothesis import settings

settings.register_profile("same each time", derandomize=True, deadline=None)
settings.load_profile("same each time")


def pytest_configure(config: pytest.Config) -> None:
    """Let children be interrupted, and azure-ai-ml's schemas, which are not ready for marshmallow 4, be."""
    # A shell has what it runs in the background ignore SIGINT, and a child would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if find_spec("marshmallow") is not None:
        config.addinivalue_line("filterwarnings", "ignore::marshmallow.warnings.Marshmallow4Warning")


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test have a temporary folder of its own: telemetry waits there, and another test shall not find it."""
    folder = str(tmp_path_factory.mktemp("temporary"))
    monkeypatch.setenv("TMPDIR", folder)
    monkeypatch.setattr(tempfile, "tempdir", folder)
