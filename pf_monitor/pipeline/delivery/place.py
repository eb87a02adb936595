"""Where telemetry waits until it is acknowledged."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

BATCH_SUFFIX = ".batch"
"""How the name of a file that holds a batch ends."""


def spool_folder(connection_string: str) -> Path:
    """Return where telemetry for a resource waits: below the temporary folder, in a folder of this user's.

    Args:
        connection_string: Of the resource.
    """
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    resource = hashlib.sha256(connection_string.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"pf-monitor-{user}" / resource
