"""The named steps that a finished span goes through, in the order in which they are listed at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson

from pf_monitor.model import names
from pf_monitor.model.step import SpanEvent, Sums
from pf_monitor.pipeline.item import Item

if TYPE_CHECKING:
    from pf_monitor.model.step import Step
    from pf_monitor.pipeline.privacy import Privacy

LONGEST_VALUE = 8_192
"""What a custom dimension holds, in characters; the exporter cuts what is longer."""

CONTENT_BUDGET = 48_000
"""Bytes of JSON that the content of one item may take. The service takes 64 KB an item: the rest is for the envelope,
the numbers, and the names of what was cut."""

_CONTENT_ORDER = (
    names.QUESTION,
    names.ANSWER,
    names.CONTEXT,
    names.GROUND_TRUTH,
    names.RETRIEVAL_QUERY,
    names.INPUT_MESSAGES,
    names.OUTPUT_MESSAGES,
    names.SYSTEM_INSTRUCTIONS,
    names.INPUTS,
    names.OUTPUT,
    names.TOOL_DEFINITIONS,
)


def describe(item: Item) -> Item:
    """Say what the step is, how it ended, and where it belongs."""
    step = item.step
    item.attributes[names.KIND] = step.kind.value
    if step.flow is not None:
        item.attributes[names.FLOW] = step.flow.name
    if step.node is not None:
        item.attributes[names.NODE] = step.node
    if step.outcome is not None:
        item.attributes[names.OUTCOME] = step.outcome.value
    if step.error_type is not None:
        item.attributes[names.ERROR_TYPE] = step.error_type
    return item


def deployed_as(deployment: str | None) -> Callable[[Item], Item]:
    """Return the processor that names the deployment, where it is known."""

    def name_deployment(item: Item) -> Item:
        if deployment is not None:
            item.attributes[names.DEPLOYMENT] = deployment
        return item

    return name_deployment


def correlate(item: Item) -> Item:
    """Add the ids and custom dimensions of the request; none of them takes the place of what the contract names."""
    for name, value in item.step.correlation.copy().items():  # the user's threads may still be writing
        item.attributes.setdefault(name, value)
    if (user := item.step.correlation.get(names.USER_ID)) is not None:
        item.attributes[names.PSEUDONYMOUS_USER_ID] = user
    return item


def count(item: Item) -> Item:
    """Add the tokens and their price: a model call's own, or the sums over everything beneath a flow or node."""
    step = item.step
    if not step.kind.is_model_call:
        sums = step.sums or Sums()
        item.attributes[names.TOTAL_INPUT_TOKENS] = sums.input_tokens
        item.attributes[names.TOTAL_OUTPUT_TOKENS] = sums.output_tokens
        item.attributes[names.TOTAL_TOKENS] = sums.input_tokens + sums.output_tokens
        item.attributes[names.TOTAL_LLM_CALLS] = sums.llm_calls
        if (cost_usd := sums.cost_usd) is not None:
            item.attributes[names.COST_USD] = cost_usd
    if step.bill is not None and (cost_usd := step.bill.usd) is not None:
        item.attributes[names.COST_USD] = cost_usd
    if step.bill is not None and (usage := step.bill.usage) is not None:
        item.attributes[names.USAGE_INPUT_TOKENS] = usage.input_tokens
        item.attributes[names.USAGE_OUTPUT_TOKENS] = usage.output_tokens
        item.attributes[names.USAGE_SOURCE] = usage.source.value
        details = {
            names.USAGE_CACHE_READ: usage.cache_read_tokens,
            names.USAGE_CACHE_WRITE: usage.cache_write_tokens,
            names.USAGE_REASONING: usage.reasoning_tokens,
        }
        item.attributes.update({name: tokens for name, tokens in details.items() if tokens})
    if step.kind.is_model_call and step.time_to_first_chunk_ns is not None:
        item.attributes[names.TIME_TO_FIRST_CHUNK] = step.time_to_first_chunk_ns / 1e9
    return item


def own_facts(item: Item) -> Item:
    """Add what the step noted of itself, and what the user's code put on it."""
    for name, value in item.step.facts().items():
        item.attributes.setdefault(name, value)
    item.content.update(item.step.texts())
    if item.step.events:
        item.events = _events(item.step)
    if (address := item.attributes.get(names.SERVER_ADDRESS)) is not None:
        # The exporter drops `server.address`; under its older name it becomes the column `target`.
        item.attributes[names.PEER_NAME] = address
        if (port := item.attributes.get(names.SERVER_PORT)) is not None:
            item.attributes[names.PEER_PORT] = port
    return item


def fit(item: Item) -> Item:
    """Fit the content into the item: long values go on in `question.2`, `question.3`, …; what is too much is cut."""
    left = CONTENT_BUDGET
    order = [name for name in _CONTENT_ORDER if name in item.content]
    order += [name for name in item.content if name not in order]
    for name in order:
        text = item.content[name]
        kept = _within(text.text, left)
        left -= _weight(kept)
        for number, start in enumerate(range(0, max(1, len(kept)), LONGEST_VALUE), start=1):
            key = name if number == 1 else f"{name}.{number}"
            item.attributes[key] = kept[start : start + LONGEST_VALUE]
        if len(kept) < text.full_length:
            item.cut[name] = text.full_length
    if item.cut:
        item.attributes[names.TRUNCATED] = orjson.dumps(item.cut).decode()
    return item


def _events(step: Step) -> list[SpanEvent]:
    """Return a step's events, each saying where it belongs: as a row of its own it has none of the step's columns."""
    flow = {names.FLOW: step.flow.name} if step.flow is not None else {}
    node = {names.NODE: step.node} if step.node is not None else {}
    correlation = step.correlation.copy()
    return [
        SpanEvent(event.name, event.time_ns, {**event.attributes, **flow, **node, **correlation})
        for event in step.events
    ]


def _weight(text: str) -> int:
    r"""Return how many bytes a text takes in the exporter's JSON, which writes everything beyond ASCII as `\uXXXX`."""
    plain = len(orjson.dumps(text)) - 2
    if text.isascii():
        return plain
    beyond = sum(len(character.encode("utf-16-le")) * 3 for character in text if not character.isascii())
    return plain - sum(len(character.encode()) for character in text if not character.isascii()) + beyond


def _within(text: str, budget: int) -> str:
    """Return the longest beginning of a text that weighs no more than the budget."""
    if len(text) * 6 <= budget or _weight(text) <= budget:
        return text
    low, high = 0, min(len(text), max(0, budget))
    while low < high:
        middle = (low + high + 1) // 2
        if _weight(text[:middle]) <= budget:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def described(deployment: str | None, privacy: Privacy) -> tuple[Callable[[Item], Item | None], ...]:
    """Return what every item goes through, wherever it is sent.

    Numbers come before ids, ids before content, and nothing is added behind `protect`.
    """
    return describe, count, deployed_as(deployment), correlate, own_facts, privacy.protect


def processors(deployment: str | None, privacy: Privacy) -> tuple[Callable[[Item], Item | None], ...]:
    """Return the pipeline to Application Insights."""
    return *described(deployment, privacy), fit
