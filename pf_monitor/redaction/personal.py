"""Personal data, found by Presidio: addresses, numbers of phones, cards, accounts and people, and, with a model, names.

Needs the extra `privacy`. Names of people and places are found only where one of spaCy's English models is installed;
none is ever downloaded, and nothing else asks the network.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Final

import orjson

from pf_monitor.redaction import RedactionError

MODELS: Final = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
"""What finds names, the best first."""

_LEAST_SCORE: Final = 0.4
_LANGUAGE: Final = "en"
_BETWEEN: Final = "\n\n"


def model() -> str | None:
    """Return the model for names that is installed, or None."""
    return next((name for name in MODELS if find_spec(name) is not None), None)


class PersonalData:
    """Replaces personal data in a text by what it is: `[personal EMAIL_ADDRESS]`.

    Raises:
        RedactionError: If Presidio is not installed.
    """

    def __init__(self) -> None:
        if find_spec("presidio_analyzer") is None:
            raise RedactionError(
                "personal data is to be redacted, but Presidio is not installed: pip install 'pf-monitor[privacy]'"
            )

    @cached_property
    def _analyzer(self) -> Any:
        """Presidio, which takes seconds to load: on the thread that first needs it, not where the monitor starts."""
        logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
        return _analyzer()

    def scrub(self, text: str) -> tuple[str, int]:
        """Return a text without personal data, and how many pieces there were. JSON stays JSON."""
        if text[:1] in ("{", "["):
            try:
                document = orjson.loads(text)
            except orjson.JSONDecodeError:
                pass
            else:
                return self._scrub_document(document, text)
        [scrubbed], found = self._scrubbed([text])
        return scrubbed, found

    def _scrub_document(self, document: Any, text: str) -> tuple[str, int]:
        scrubbed, found = self._scrubbed(list(_texts(document)))
        return (orjson.dumps(_with_texts(document, iter(scrubbed))).decode() if found else text), found

    def _scrubbed(self, texts: list[str]) -> tuple[list[str], int]:
        """Examine several texts at once, which takes hardly longer than one."""
        found = self._analyzer.analyze(_BETWEEN.join(texts), language=_LANGUAGE, score_threshold=_LEAST_SCORE)
        spans = sorted((result.start, result.end, result.entity_type) for result in found)
        count, scrubbed, start = 0, [], 0
        for text in texts:
            parts: list[str] = []
            end = 0
            for first, last, kind in spans:
                here, there = max(first - start, end), min(last - start, len(text))
                if here < there:
                    parts += text[end:here], f"[personal {kind}]"
                    end, count = there, count + 1
            scrubbed.append("".join([*parts, text[end:]]))
            start += len(text) + len(_BETWEEN)
        return scrubbed, count


def _analyzer() -> Any:
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import (
        CreditCardRecognizer,
        CryptoRecognizer,
        EmailRecognizer,
        IbanRecognizer,
        IpRecognizer,
        PhoneRecognizer,
        SpacyRecognizer,
        UsSsnRecognizer,
    )

    class Emails(EmailRecognizer):
        def validate_result(self, pattern_text: str) -> None:
            """Take the pattern's word for it: Presidio's own check fetches a list of domains."""

    name = model()
    engine: Any = SpacyNlpEngine()
    engine.nlp = {_LANGUAGE: spacy.load(name) if name is not None else spacy.blank(_LANGUAGE)}
    recognizers = [
        Emails(),
        PhoneRecognizer(),
        CreditCardRecognizer(),
        IbanRecognizer(),
        IpRecognizer(),
        UsSsnRecognizer(),
        CryptoRecognizer(),
        *([SpacyRecognizer(supported_entities=["PERSON", "LOCATION"])] if name is not None else []),
    ]
    registry = RecognizerRegistry(recognizers=recognizers)
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[_LANGUAGE])


def _texts(document: Any) -> Iterator[str]:
    match document:
        case str():
            yield document
        case list():
            for member in document:
                yield from _texts(member)
        case dict():
            for member in document.values():
                yield from _texts(member)


def _with_texts(document: Any, texts: Iterator[str]) -> Any:
    match document:
        case str():
            return next(texts)
        case list():
            return [_with_texts(member, texts) for member in document]
        case dict():
            return {name: _with_texts(member, texts) for name, member in document.items()}
        case _:
            return document
