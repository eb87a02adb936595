"""What the stand-in says: the sentences of the prompt's own text that best match the question, word by word."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

DONT_KNOW = "I don't know: the text that I was given does not say."


def _vocabulary(words: str) -> frozenset[str]:
    return frozenset(words.split())


_STOPWORDS = _vocabulary(
    "a about an and any are as at be by can could do does for from get give had has have how i in is it its know long "
    "many me much my of on or our please she should tell than that the their them there they this to us was we what "
    "when where which who why will with would you your"
)
_SMALLTALK = {
    "Hello! What would you like to know?": _vocabulary("hello hey hi greetings morning"),
    "You're welcome!": _vocabulary("cheers lot thank thanks very"),
    "Goodbye!": _vocabulary("bye goodbye"),
}
# Above such a line stand instructions; only what follows is text to answer from.
_CONTEXT_MARK = re.compile(r"^[\W_]*(?:context|documents?|sources?|passages?|policy)\W*$", re.I | re.M)
_QUESTION_MARK = re.compile(r"^[\W_]*question\W*[:\n]\s*", re.I | re.M)
_SUMMARY_WISH = re.compile(r"\bsummar(?:y|i[sz]e[sd]?|i[sz]ing)\b", re.I)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_PARAGRAPH_END = re.compile(r"\n\s*\n")
_LONGEST_TITLE = 60


class Turn(NamedTuple):
    """One message of a conversation, as text."""

    role: str
    text: str


def answer(turns: Sequence[Turn], alternative: int = 0) -> str:
    """Return what the stand-in answers to a conversation.

    Args:
        turns: The conversation; its last user turn asks, everything else may hold the text to answer from.
        alternative: 0 for the best answer, 1 for the next best, and so on: what `n` choices are filled with.
    """
    asked = next((turn for turn in reversed(turns) if turn.role == "user"), Turn("user", ""))
    instructions = [turn.text for turn in turns if turn.role in {"system", "developer"}]
    if any(_SUMMARY_WISH.search(text) for text in (*instructions, asked.text)):
        return _summary(asked.text)
    question, in_question = _split_question(asked.text)
    given = [turn.text for turn in turns if turn.role in {"system", "developer", "tool"}]
    return _extract(question, [_after_mark(text) for text in (*given, in_question)], alternative)


def words(text: str) -> list[str]:
    """Return the words that carry a text's meaning, in lower case and without the commonest endings."""
    return [_stem(word) for word in re.findall(r"\w+", text.casefold()) if word not in _STOPWORDS]


def _stem(word: str) -> str:
    for ending, instead in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending) + instead
            break
    return word.removesuffix("e")


def _split_question(text: str) -> tuple[str, str]:
    """Separate the question from the text that a prompt may carry with it: marked, or else the last paragraph."""
    marks = list(_QUESTION_MARK.finditer(text))
    if marks:
        question, *after = _PARAGRAPH_END.split(text[marks[-1].end() :].strip())
        return question, "\n\n".join((text[: marks[-1].start()], *after))
    *before, question = _PARAGRAPH_END.split(text.strip())
    return question, "\n\n".join(before)


def _after_mark(text: str) -> str:
    mark = _CONTEXT_MARK.search(text)
    return text[mark.end() :] if mark else text


def _extract(question: str, texts: Iterable[str], alternative: int) -> str:
    wanted = set(words(question))
    for saying, occasions in _SMALLTALK.items():
        if wanted and wanted <= {_stem(word) for word in occasions}:
            return saying
    candidates = _rank(wanted, [paragraph for text in texts for paragraph in _PARAGRAPH_END.split(text)])
    return candidates[min(alternative, len(candidates) - 1)] if candidates else DONT_KNOW


def _rank(wanted: set[str], paragraphs: Sequence[str]) -> list[str]:
    """Return the sentences that answer, best first.

    To choose the paragraph, its words count half and those of its title ("Nimbus Dome: …") in full besides; to choose
    the sentence in it, its own words count in full. A title says what is talked about, so that its words are no answer
    unless nothing else is asked.
    """
    rarity = _rarity(paragraphs)
    scored: list[tuple[float, int, str]] = []
    for paragraph in paragraphs:
        around = wanted & set(words(paragraph))
        if len(around) * 2 < len(wanted):
            continue
        title = wanted & set(words(_title(paragraph)))
        about = sum(rarity[word] for word in title) + sum(rarity[word] for word in around) / 2
        asked = (wanted - title) or wanted
        for sentence in _sentences(paragraph):
            own = asked & set(words(sentence))
            if own:
                said = sentence.removeprefix(f"{_title(paragraph)}:").strip()
                scored.append((-about - sum(rarity[word] for word in own), len(scored), said))
    return [sentence for _, _, sentence in sorted(scored)]


def _title(paragraph: str) -> str:
    title, colon, _ = paragraph.partition(":")
    return title.strip() if colon and len(title) <= _LONGEST_TITLE else ""


def _rarity(paragraphs: Sequence[str]) -> dict[str, float]:
    seen = Counter(word for paragraph in paragraphs for word in set(words(paragraph)))
    return {word: math.log(1 + len(paragraphs) / times) for word, times in seen.items()}


def _summary(text: str) -> str:
    """Return the two sentences whose words the text uses most, in the order of the text."""
    sentences = [sentence for sentence in _sentences(text) if not _SUMMARY_WISH.search(sentence)]
    weight = Counter(words(text))

    def centrality(sentence: str) -> float:
        own = set(words(sentence))
        return sum(weight[word] for word in own) / math.sqrt(len(own) or 1)

    best = sorted(sentences, key=centrality, reverse=True)[:2]
    return " ".join(sentence for sentence in sentences if sentence in best) or DONT_KNOW


def _sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in _SENTENCE_END.split(text) if sentence.strip()]
