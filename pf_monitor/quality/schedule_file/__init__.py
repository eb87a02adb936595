"""Reads a monitor from Azure ML's schedule YAML, or from a `MonitorSchedule` object, and says all that is wrong."""

from pf_monitor.quality.schedule_file.problems import MonitorFileError, Problem, Reading
from pf_monitor.quality.schedule_file.reader import load, read, read_object

__all__ = ["MonitorFileError", "Problem", "Reading", "load", "read", "read_object"]
