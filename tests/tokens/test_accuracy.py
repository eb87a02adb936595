"""How far the estimator is off, by the command that writes docs/accuracy.md."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def accuracy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pf_monitor_docs_accuracy", DOCS / "accuracy.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def measured(accuracy: ModuleType, recorded_file: Path) -> list[Any]:
    return accuracy.measure(recorded_file)


@pytest.fixture(scope="module")
def text_only(accuracy: ModuleType, measured: list[Any]) -> list[Any]:
    found = [one for one in measured if one.group.startswith(accuracy.TEXT_ONLY_CHAT)]
    assert len(found) == 45
    return found


def test_prompts_of_text_only_chat(accuracy: ModuleType, text_only: list[Any]) -> None:
    errors = [one.input_error for one in text_only]
    assert accuracy.percentile(errors, 0.5) <= 0.02
    assert accuracy.percentile(errors, 0.9) <= 0.05


def test_completions_of_text_only_chat(accuracy: ModuleType, text_only: list[Any]) -> None:
    """Half a year's recordings were billed one token more for each answer, see docs/accuracy.md."""
    errors = [one.output_error for one in text_only]
    assert accuracy.percentile(errors, 0.5) <= 0.02
    assert max(abs(one.estimate.output_tokens - one.counted.output_tokens) for one in text_only) <= 1
    as_billed_today = [one.output_error for one in text_only if not one.ends_counted]
    assert len(as_billed_today) == 36
    assert accuracy.percentile(as_billed_today, 0.9) <= 0.05


def test_the_page_says_what_is_measured(accuracy: ModuleType, measured: list[Any]) -> None:
    page = (DOCS / "accuracy.md").read_text(encoding="utf-8")
    assert accuracy.tables(measured) == page.partition(accuracy.BEGIN)[2].partition(accuracy.END)[0]
