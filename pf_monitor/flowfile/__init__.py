"""A flow's file: where it is, what it says about monitoring, and how to change that."""

from __future__ import annotations

from pf_monitor.flowfile.edit import CONNECTION_STRING, Edit, disable, enable
from pf_monitor.flowfile.read import SWITCH, FlowFile, FlowFileError, locate, read_settings

__all__ = [
    "CONNECTION_STRING",
    "SWITCH",
    "Edit",
    "FlowFile",
    "FlowFileError",
    "disable",
    "enable",
    "locate",
    "read_settings",
]
