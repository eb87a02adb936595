"""What the stand-in says as a judge: a score from the words that question, answer and context share.

It understands the prompts of azure-ai-evaluation, fenced or not, and answers each the same way every time. Its scores
are plausible and no more: no model has read anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pf_monitor.standin.answering import DONT_KNOW, Turn, words

_WISH: Final = re.compile(r"\bscore\b.*\bstatus\b", re.DOTALL | re.IGNORECASE)
_FENCE: Final = re.compile(r"^<(data-[0-9a-f]+)>\n(.*?)\n</\1>", re.DOTALL | re.MULTILINE)
_LABEL: Final = re.compile(
    r"^(CONTEXT|QUERY|RESPONSE|CONVERSATION_HISTORY|question|correct answer|predicted answer):[ \t]*", re.MULTILINE
)
_END: Final = re.compile(r"^(?:# Tasks|Your output must|CONVERSATION_HISTORY is the full|stars:)", re.MULTILINE)
_NAMES: Final = {
    "CONTEXT": "context",
    "QUERY": "query",
    "CONVERSATION_HISTORY": "query",
    "question": "query",
    "RESPONSE": "response",
    "predicted answer": "response",
    "correct answer": "truth",
}

Texts = Mapping[str, str]


def verdict(turns: Sequence[Turn]) -> str | None:
    """Return the JSON object that a judge's prompt asks for, or None if the conversation is no such prompt."""
    asked = next((turn.text for turn in turns if turn.role == "user"), "")
    metric = _metric(asked)
    if metric is None or not _WISH.search(asked):
        return None
    texts = _texts(asked)
    score = _SCORES[metric](texts)
    reason = f"The stand-in compared words; no model has read this. {_say(texts)}".rstrip()
    return json.dumps({"reason": reason, "score": score, "status": "completed"})


def _metric(prompt: str) -> str | None:
    found = re.search(
        r"\*\*(Groundedness|Coherence|Fluency)\*\* refers|(Relevance) Evaluator|(Equivalence), as", prompt
    )
    return next(name for name in found.groups() if name).lower() if found else None


def _texts(prompt: str) -> Texts:
    """Return what is judged, by name: the last text under each label, for those before it are examples."""
    fenced: list[str] = []

    def keep(match: re.Match[str]) -> str:
        fenced.append(match[2])
        return f"\0{len(fenced) - 1}\0"

    marked = _FENCE.sub(keep, prompt)
    labels = list(_LABEL.finditer(marked))
    texts: dict[str, str] = {}
    for label, following in zip(labels, [*labels[1:], None], strict=True):
        text = marked[label.end() : following.start() if following else None]
        end = _END.search(text)
        text = text[: end.start() if end else None].strip()
        place = re.fullmatch(r"\0(\d+)\0", text)
        if place or not fenced:  # where something is fenced, what is not is an example
            texts[_NAMES[label[1]]] = fenced[int(place[1])] if place else text
    return texts


def _share(part: str, whole: str) -> float:
    """How much of a text's words another has, 0 to 1."""
    own = set(words(part))
    return len(own & set(words(whole))) / len(own) if own else 0.0


def _graded(share: float) -> int:
    return 1 + sum(share >= bound for bound in (0.15, 0.4, 0.65, 0.9))


def _groundedness(texts: Texts) -> int:
    if DONT_KNOW in texts.get("response", ""):
        return 3
    return _graded(_share(texts.get("response", ""), texts.get("context", "")))


def _relevance(texts: Texts) -> int:
    if DONT_KNOW in texts.get("response", ""):
        return 2
    query, response = texts.get("query", ""), texts.get("response", "")
    return min(5, max(2, 2 + round(3 * _share(query, response))) + (len(words(response)) > 12))


def _coherence(texts: Texts) -> int:
    return 4 if _share(texts.get("query", ""), texts.get("response", "")) >= 0.25 else 3


def _fluency(texts: Texts) -> int:
    response = texts.get("response", "").strip()
    return 2 + response.endswith((".", "!", "?")) + response[:1].isupper() + (len(response.split()) >= 25)


def _similarity(texts: Texts) -> int:
    response, truth = texts.get("response", ""), texts.get("truth", "")
    return _graded(min(_share(truth, response), 1.0))


_SCORES: Final[Mapping[str, Callable[[Texts], int]]] = {
    "groundedness": _groundedness,
    "relevance": _relevance,
    "coherence": _coherence,
    "fluency": _fluency,
    "equivalence": _similarity,
}


def _say(texts: Texts) -> str:
    response = texts.get("response", "")
    return " ".join(
        f"{round(100 * _share(response, texts[name]))} % of the answer's words are in the {said}."
        for name, said in (("context", "context"), ("query", "question"), ("truth", "expected answer"))
        if name in texts
    )
