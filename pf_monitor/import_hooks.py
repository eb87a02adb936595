"""Do something right after a module has been imported, without importing it: how promptflow and openai are hooked.

This is read at the start of every Python process of the environment: it imports nothing that is not there anyway.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as typing says it, without importing typing at the start of every process
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_INSTALLERS = {
    "openai": ("pf_monitor.instrument.openai.hook", "install"),
    "promptflow.executor.flow_executor": ("pf_monitor.instrument.promptflow_hooks", "hook_executor"),
    "promptflow.executor._script_executor": ("pf_monitor.instrument.promptflow_hooks", "hook_script_executor"),
    "promptflow._core.flow_execution_context": ("pf_monitor.instrument.promptflow_hooks", "hook_nodes"),
    "promptflow.core._flow": ("pf_monitor.instrument.promptflow_hooks", "hook_prompty"),
    "promptflow.core._serving.flow_invoker": ("pf_monitor.instrument.promptflow_hooks", "hook_serving"),
    "promptflow.core._serving.v1.app": ("pf_monitor.instrument.promptflow_hooks", "hook_flask_feedback"),
    "promptflow.core._serving.v2.routers.feedback": (
        "pf_monitor.instrument.promptflow_hooks",
        "hook_fastapi_feedback",
    ),
    "promptflow.core._serving.extension.otel_exporter_provider_factory": (
        "pf_monitor.instrument.promptflow_hooks",
        "hook_exporters",
    ),
    "uvicorn.server": ("pf_monitor.instrument.server_hooks", "hook_uvicorn"),
    "waitress.server": ("pf_monitor.instrument.server_hooks", "hook_waitress"),
    "promptflow._sdk._telemetry.logging_handler": ("pf_monitor.instrument.promptflow_hooks", "hook_cli_telemetry"),
}
"""For each module that is hooked, the function that hooks it; it gets the module."""


def install() -> None:
    """Hook what is imported from now on, and what has been imported already. Once a process."""
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _Finder())
    for name in _INSTALLERS:
        module = sys.modules.get(name)
        if module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False):
            _hook(name, module)


class _Finder:
    """Finds nothing itself: it lets the others find, and puts itself between the module and its loader."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a hooked module, with a loader that hooks it; None for any other module."""
        if name not in _INSTALLERS:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    _wrap_loader(name, spec.loader)
                return spec
        return None


def _wrap_loader(name: str, loader: Any) -> None:
    """Hook the module after this loader has run it. The loader object belongs to this one import."""
    run = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        run(module)
        _hook(name, module)

    loader.exec_module = exec_module


def _hook(name: str, module: ModuleType) -> None:
    from importlib import import_module

    home, function = _INSTALLERS[name]
    try:
        getattr(import_module(home), function)(module)
    except Exception as error:  # noqa: BLE001 - the import that is hooked must succeed
        from pf_monitor import notices

        notices.say_once(f"hook {name}", "pf_monitor could not hook %s, whose calls it will miss: %r", name, error)
