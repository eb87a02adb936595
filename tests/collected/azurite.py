"""Azurite, Microsoft's emulator of Azure Storage, really started: the npm package `azurite`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

VARIABLE = "PF_MONITOR_TEST_NODE_MODULES"
"""The environment variable that names the folder `node_modules` in which the package is."""

ACCOUNT: Final = "devstoreaccount1"
KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's only account and its key, which Microsoft documents; they open nothing else."""

_LONGEST_START_S = 60
_LISTENING = re.compile(r"successfully listens on http://127\.0\.0\.1:(\d+)")


@contextmanager
def azurite() -> Iterator[str]:
    """Start Azurite on a free port of loopback and give its account's URL; skips where it is not installed."""
    script = Path(os.environ.get(VARIABLE, "node_modules")) / "azurite" / "dist" / "src" / "blob" / "main.js"
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not script.is_file():
        pytest.skip(
            f"azurite is not in {script.parents[4]}: npm install --prefix DIR azurite, {VARIABLE}=DIR/node_modules"
        )
    options = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence"]
    process = subprocess.Popen(
        [node, str(script), *options, "--skipApiVersionCheck", "--disableTelemetry"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield f"http://127.0.0.1:{_port(process)}/{ACCOUNT}"
    finally:
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def connection_string(account: str) -> str:
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={account};"


def _port(process: subprocess.Popen[str]) -> int:
    """Return the port that it says it listens on, and read on, so that it never waits to be read."""
    assert process.stdout is not None
    said = []
    patience = threading.Timer(_LONGEST_START_S, process.terminate)
    patience.start()
    for line in process.stdout:
        said.append(line)
        if found := _LISTENING.search(line):
            patience.cancel()
            threading.Thread(target=_drain, args=(process,), daemon=True).start()
            return int(found[1])
    patience.cancel()
    raise AssertionError(f"Azurite did not start: {''.join(said)}")


def _drain(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    try:
        for _ in process.stdout:
            pass
    except ValueError:
        pass  # closed
