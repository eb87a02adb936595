"""For all tests: the same examples each time, so that a run that passed passes again."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from hypothesis import settings

_SYSTEMS = tempfile.gettempdir()

settings.register_profile("same each time", derandomize=True, deadline=None)
settings.load_profile("same each time")


def pytest_configure(config: pytest.Config) -> None:
    """Let children be interrupted, and azure-ai-ml's schemas, which are not ready for marshmallow 4, be."""
    # A shell has what it runs in the background ignore SIGINT, and a child would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if find_spec("marshmallow") is not None:
        config.addinivalue_line("filterwarnings", "ignore::marshmallow.warnings.Marshmallow4Warning")


@pytest.fixture(autouse=True)
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let each test have a temporary folder of its own: telemetry waits there, and another test shall not find it.

    With a short name, unlike pytest's own: promptflow's server puts sockets there, whose paths may have 107 characters.
    """
    tmp_path_factory.getbasetemp()  # which pytest would else make within
    with tempfile.TemporaryDirectory(dir=_SYSTEMS, prefix="pf-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield
