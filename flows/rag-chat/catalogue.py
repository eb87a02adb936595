"""The product catalogue and its search: BM25 over a small file, so that there is no index to build."""

import json
import math
import re
from collections import Counter
from functools import cache
from pathlib import Path

PRODUCTS = Path(__file__).with_name("products.jsonl")

# BM25's usual constants: how soon a repeated word stops counting, and how much long texts are held back.
SATURATION, LENGTH_PENALTY = 1.5, 0.75
COMMON = re.compile(r"\b(a|and|are|as|can|do|does|for|how|i|in|is|it|long|much|my|of|on|the|to|what|which|with|you)\b")


def search(query: str, limit: int) -> list[str]:
    """Return the texts of the products that match the query, best first."""
    documents = _documents()
    average = sum(words.total() for _, words in documents) / len(documents)
    scored = []
    for text, words in documents:
        brake = SATURATION * (1 - LENGTH_PENALTY + LENGTH_PENALTY * words.total() / average)
        score = sum(_rarity(word) * words[word] * (SATURATION + 1) / (words[word] + brake) for word in _words(query))
        scored.append((score, text))
    return [text for score, text in sorted(scored, reverse=True)[:limit] if score > 0]


@cache
def _documents() -> list[tuple[str, Counter]]:
    products = [json.loads(line) for line in PRODUCTS.read_text(encoding="utf-8").splitlines()]
    texts = [f"{product['name']} ({product['category']}): {product['text']}" for product in products]
    return [(text, Counter(_words(text))) for text in texts]


@cache
def _rarity(word: str) -> float:
    documents = _documents()
    holding = sum(word in words for _, words in documents)
    return math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))


def _words(text: str) -> list[str]:
    return [word.removesuffix("s") for word in re.findall(r"\w+", COMMON.sub(" ", text.lower()))]
