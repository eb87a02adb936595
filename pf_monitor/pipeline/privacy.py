"""What is held back, hashed or redacted of an item, before anything of it touches disk or network.

This is the last that sees what people said: it runs on the worker's thread, behind all that adds to an item and before
the exporter, the spool and the sinks. What it cannot examine it does not let pass.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from pf_monitor.model import names
from pf_monitor.model.step import SpanEvent, Text
from pf_monitor.pipeline.sampling import is_sampled
from pf_monitor.redaction.rules import built_in, with_file
from pf_monitor.redaction.scrubber import Scrubber, marker
from pf_monitor.settings import Capture

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from pf_monitor.pipeline.item import CustomEvent, Item
    from pf_monitor.settings import Settings

TYPE: Final = "exception.type"
MESSAGE: Final = "exception.message"
STACK: Final = "exception.stacktrace"

WITHHELD: Final = "[withheld: it could not be examined]"
"""What takes the place of a value at which redaction failed."""

_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "question": (names.QUESTION,),
    "answer": (names.ANSWER,),
    "context": (names.CONTEXT,),
    "ground_truth": (names.GROUND_TRUTH,),
    "inputs": (names.INPUTS,),
    "output": (names.OUTPUT,),
    "query": (names.RETRIEVAL_QUERY,),
    "messages": (names.INPUT_MESSAGES, names.OUTPUT_MESSAGES),
    "instructions": (names.SYSTEM_INSTRUCTIONS,),
    "tools": (names.TOOL_DEFINITIONS,),
    "feedback": (names.EVALUATION_EXPLANATION,),
    "errors": (MESSAGE, STACK),
    "user": (names.USER_ID, names.PSEUDONYMOUS_USER_ID),
}
"""What each column that has a switch is made of."""

_PROSE: Final = frozenset({MESSAGE, STACK, names.EVALUATION_EXPLANATION})
"""Attributes in which personal data may stand, as it may in all content."""

_NUMBERS: Final = frozenset({bool, int, float})

V = TypeVar("V")


class Privacy:
    """What the user wants to become of what people said.

    Args:
        settings: What the user wants.

    Raises:
        RedactionError: If the user's rules are wrong, or what finds personal data is missing.
    """

    def __init__(self, settings: Settings) -> None:
        rules = with_file(Path(settings.redaction)) if settings.redaction else built_in()
        self._scrubber = Scrubber(rules, {**os.environ, "hash key": settings.hash_key or ""})
        self._personal = _personal(settings)
        self._modes = {
            name: mode
            for column, mode in settings.capture.items()
            if mode is not Capture.ON
            for name in _COLUMNS[column]
        }
        self._ratio = settings.sampling_ratio if settings.content_ratio is None else settings.content_ratio
        self._hash_key = hash_key(settings)
        self.withheld = 0
        """How many values could not be examined, and were not sent."""

    def protect(self, item: Item) -> Item:
        """Hold back, redact and hash what an item would tell."""
        if self._modes:
            trace_id = item.step.context.trace_id
            item.content = self._kept(item.content, trace_id)
            item.attributes = self._kept(item.attributes, trace_id)
            item.events = [replace(event, attributes=self._told(event, trace_id)) for event in item.events]
        if not self._is_clean(item):
            self._redact(item)
        if self._modes:
            self._hash(item)
        return item

    def protect_event(self, event: CustomEvent) -> CustomEvent:
        """Do the same for a custom event."""
        count = _Count()
        attributes = self._redacted(self._kept(event.attributes, event.about.trace_id), count)
        attributes = self._hashed(attributes)
        self._tell(attributes, count)
        return replace(event, attributes=attributes)

    # Columns.

    def _kept(self, values: Mapping[str, V], trace_id: int) -> dict[str, V]:
        """Return values without those that are not to be sent."""
        return {name: value for name, value in values.items() if self._is_kept(name, trace_id)}

    def _told(self, event: SpanEvent, trace_id: int) -> dict[str, AttributeValue]:
        """Return what is to be sent of an event; an exception without its message still has its type."""
        told = self._kept(event.attributes, trace_id)
        if MESSAGE in event.attributes:
            told.setdefault(MESSAGE, event.attributes[TYPE])
            told.setdefault(STACK, "")
        return told

    def _is_kept(self, name: str, trace_id: int) -> bool:
        match self._modes.get(name):
            case Capture.OFF:
                return False
            case Capture.SAMPLED:
                return is_sampled(trace_id, self._ratio)
            case Capture.HASH:
                return name != STACK  # the message is in it
            case _:
                return True

    def _hash(self, item: Item) -> None:
        for name in self._modes.keys() & item.content.keys():
            if self._modes[name] is Capture.HASH:
                text = hashed(item.content[name].text, self._hash_key)
                item.content[name] = Text(text, len(text))
        item.attributes = self._hashed(item.attributes)
        item.events = [replace(event, attributes=self._hashed(event.attributes)) for event in item.events]

    def _hashed(self, attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
        return {
            name: hashed(str(value), self._hash_key) if self._modes.get(name) is Capture.HASH else value
            for name, value in attributes.items()
        }

    # Secrets.

    def _is_clean(self, item: Item) -> bool:
        """Whether nothing of an item has to be redacted: of nearly every item it is true, and found in one pass."""
        if self._personal is not None:
            return False
        try:
            scrubber = self._scrubber
            if not scrubber.are_plain_names(tuple(item.attributes)):
                return False
            texts = [item.name]
            texts += [v if type(v) is str else str(v) for v in item.attributes.values() if type(v) not in _NUMBERS]
            texts += [text.text for text in item.content.values()]
            for event in item.events:
                if not scrubber.are_plain_names(tuple(event.attributes)):
                    return False
                texts += [event.name, *map(str, event.attributes.values())]
            return scrubber.is_clean(texts)
        except Exception:  # noqa: BLE001 - what cannot be examined together is examined alone
            return False

    def _redact(self, item: Item) -> None:
        count = _Count()
        item.name = self._text(item.name, count)
        item.content = {name: self._content(text, count) for name, text in item.content.items()}
        item.attributes = self._redacted(item.attributes, count)
        item.events = [
            SpanEvent(self._text(event.name, count), event.time_ns, self._redacted(event.attributes, count))
            for event in item.events
        ]
        self._tell(item.attributes, count)

    def _redacted(self, attributes: Mapping[str, AttributeValue], count: _Count) -> dict[str, AttributeValue]:
        return {self._text(name, count): self._value(name, value, count) for name, value in attributes.items()}

    def _value(self, name: str, value: Any, count: _Count) -> AttributeValue:
        if type(value) in _NUMBERS:
            return cast("AttributeValue", value)
        if self._scrubber.is_secret_name(name):
            count.redacted += 1
            return marker("secret")
        if isinstance(value, list | tuple):
            return [self._text(str(one), count) for one in value]
        return self._prose(str(value), count) if name in _PROSE else self._text(str(value), count)

    def _content(self, text: Text, count: _Count) -> Text:
        redacted = self._prose(text.text, count)
        return Text(redacted, text.full_length - len(text.text) + len(redacted))

    def _prose(self, text: str, count: _Count) -> str:
        text = self._text(text, count)
        return text if self._personal is None else self._examined(text, self._personal, count)

    def _text(self, text: str, count: _Count) -> str:
        return self._examined(text, self._scrubber.scrub, count)

    def _examined(self, text: str, redact: Callable[[str], tuple[str, int]], count: _Count) -> str:
        try:
            text, found = redact(text)
        except Exception:  # noqa: BLE001 - whatever the reason, nothing of the value leaves
            count.withheld += 1
            return WITHHELD
        count.redacted += found
        return text

    def _tell(self, attributes: dict[str, AttributeValue], count: _Count) -> None:
        if count.redacted:
            attributes[names.REDACTED] = count.redacted
        if count.withheld:
            attributes[names.WITHHELD] = count.withheld
            self.withheld += count.withheld


def hashed(text: str, key: bytes) -> str:
    """Return what takes the place of a text that is hashed: HMAC-SHA256, of which 128 bits are kept.

    Args:
        text: As it would be sent.
        key: See `hash_key`.
    """
    return f"hmac:{hmac.new(key, text.encode('utf-8', 'replace'), hashlib.sha256).hexdigest()[:32]}"


def hash_key(settings: Settings) -> bytes:
    """Return the key of a resource's hashes: the user's own, and the resource, so that two resources' never agree."""
    resource = settings.connection_string.strip().lower()
    key = next((part for part in resource.split(";") if part.startswith("instrumentationkey=")), resource)
    return hmac.new((settings.hash_key or "").encode(), key.encode(), hashlib.sha256).digest()


def _personal(settings: Settings) -> Callable[[str], tuple[str, int]] | None:
    if not settings.personal_data:
        return None
    from pf_monitor.redaction.personal import PersonalData

    return PersonalData().scrub


class _Count:
    """How many secrets were found in an item, and how many values could not be examined."""

    redacted = 0
    withheld = 0
