"""What questions are about: clusters of their embeddings, made without knowing which window a question is from.

So where nothing has changed, a question of one window is as likely in a topic as one of the other, and the shares of
topics may be tested as if the topics had been there before.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Numbers = NDArray[np.intp]

MOST_TOPICS: Final = 8
ROWS_A_TOPIC: Final = 50
"""There is one topic for so many questions of both windows, but from 2 to `MOST_TOPICS`."""

_EXAMPLES: Final = 3
_BEGINNINGS: Final = 10
_MOST_STEPS: Final = 50
_SEED: Final = 0


class Topics(NamedTuple):
    """What some questions are about.

    Attributes:
        of: The topic of each question, in their order; `topic 1` has the most questions.
        examples: Of each topic, the questions nearest to its centre, nearest first.
    """

    of: list[str]
    examples: dict[str, tuple[str, ...]]


def topics(questions: Sequence[str]) -> Topics:
    """Sort questions into topics.

    Args:
        questions: At least two, none of them empty.

    Raises:
        ImportError: wordllama is not installed.
        OSError: Its weights are not there. They are part of the package, and are never downloaded.
    """
    import numpy as np

    # The order of the texts themselves says nothing of the windows that they are from.
    order = sorted(range(len(questions)), key=questions.__getitem__)
    vectors: Vectors = _model().embed([questions[index] for index in order], norm=True)
    count = max(2, min(MOST_TOPICS, len(questions) // ROWS_A_TOPIC))
    labels, nearness = clusters(vectors, count)
    sizes = np.bincount(labels, minlength=count)
    by_size = [int(label) for label in np.argsort(-sizes, kind="stable") if sizes[label]]
    names = {label: f"topic {place}" for place, label in enumerate(by_size, 1)}
    of = [""] * len(questions)
    for index, label in zip(order, labels, strict=True):
        of[index] = names[int(label)]
    nearest_first = [int(place) for place in np.argsort(-nearness, kind="stable")]
    examples = {}
    for label, name in names.items():
        within = dict.fromkeys(questions[order[place]] for place in nearest_first if labels[place] == label)
        examples[name] = tuple(within)[:_EXAMPLES]
    return Topics(of, examples)


def clusters(vectors: Vectors, count: int) -> tuple[Numbers, Vectors]:
    """Sort vectors of length 1 into clusters by their direction, the same way each time.

    Spherical k-means from the best of a few beginnings. Sources: Dhillon and Modha, Concept Decompositions for Large
    Sparse Text Data, Machine Learning 42 (2001); Arthur and Vassilvitskii, k-means++ (2007), for the beginnings.

    Args:
        vectors: One in each row.
        count: How many clusters there are at most; fewer where fewer vectors differ.

    Returns:
        The cluster of each vector, and the cosine of each with the centre of its cluster.
    """
    import numpy as np

    chance = np.random.default_rng(_SEED)
    found = [_settled(vectors, _beginning(vectors, count, chance)) for _ in range(_BEGINNINGS)]
    return max(found, key=lambda one: float(one[1].sum()))


def _beginning(vectors: Vectors, count: int, chance: np.random.Generator) -> Vectors:
    """Choose vectors that lie apart as the first centres."""
    import numpy as np

    chosen = [int(chance.integers(len(vectors)))]
    distance = 1 - vectors @ vectors[chosen[0]]
    while len(chosen) < count:
        weights = np.clip(distance, 0, None).astype(np.float64)
        weights[weights < 1e-6] = 0  # what is equal to a centre but for rounding
        if not weights.any():
            break
        chosen.append(int(chance.choice(len(vectors), p=weights / weights.sum())))
        distance = np.minimum(distance, 1 - vectors @ vectors[chosen[-1]])
    return vectors[chosen]


def _settled(vectors: Vectors, centres: Vectors) -> tuple[Numbers, Vectors]:
    """Move centres to the middle of what is nearest to them, until that stays the same."""
    import numpy as np

    labels: Numbers = np.full(len(vectors), -1)
    for _ in range(_MOST_STEPS):
        cosines = vectors @ centres.T
        nearest = cosines.argmax(axis=1)
        if (nearest == labels).all():
            break
        labels = nearest
        for label in np.unique(labels):
            middle = vectors[labels == label].sum(axis=0)
            centres[label] = middle / max(float(np.linalg.norm(middle)), 1e-9)
    return labels, (vectors @ centres.T)[np.arange(len(vectors)), labels]


@cache
def _model() -> Any:
    root = logging.getLogger()
    # wordllama sets logging up when it is imported, unless somebody has.
    standing_in = logging.NullHandler()
    root.addHandler(standing_in)
    try:
        import wordllama
    finally:
        root.removeHandler(standing_in)
    # It looks for its tokenizer beside the package only where that is called its cache.
    package = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=package, disable_download=True)
