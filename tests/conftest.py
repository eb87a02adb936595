"""For all tests: the same examples each time, so that a run that passed passes again."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("same each time", derandomize=True)
settings.load_profile("same each time")
