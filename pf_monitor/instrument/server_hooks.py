"""Servers that leave SIGTERM to whoever handled it before them, or to nobody: the monitor gets in below them.

A monitor that is decided on in a request's thread, as it is in these servers, comes too late to handle signals: Python
lets only the main thread do so, and that one serves.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from pf_monitor import runtime

if TYPE_CHECKING:
    from types import ModuleType


def hook_uvicorn(module: ModuleType) -> None:
    """Handle SIGTERM below uvicorn, which when it has served the last request raises the signal again."""
    serve = module.Server.serve

    @functools.wraps(serve)
    async def watched(*arguments: Any, **options: Any) -> Any:
        runtime.stop_on_sigterm()
        return await serve(*arguments, **options)

    module.Server.serve = watched


def hook_waitress(_: ModuleType) -> None:
    """Handle SIGTERM for waitress, which lets it end the process."""
    runtime.stop_on_sigterm()
