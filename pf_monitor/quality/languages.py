"""Which language a text is in, by py3langid, which brings its model along and gives the same answer each time."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

UNDETERMINED: Final = "undetermined"
"""The language of what is too short to tell, and of what is none: numbers, codes, JSON."""

_LEAST_CERTAIN: Final = 0.2
"""The probability from which the likeliest of 139 languages is believed: that of a question of three or four words."""


def language_of(text: str) -> str:
    """Return the ISO 639 code of a text's language, or `undetermined`.

    Raises:
        ImportError: py3langid is not installed.
    """
    language, _ = _identifier().classify(text)
    return UNDETERMINED if language in {"und", "zxx"} else str(language)


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=_LEAST_CERTAIN)
