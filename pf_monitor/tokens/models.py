"""What is known of a model by its name: which encoding it reads, and whether it thinks without showing it."""

from __future__ import annotations

from functools import lru_cache

_FALLBACK = "o200k_base"
_OLDER = "cl100k_base"
_EMBEDDING = "text-embedding-"
_HIDDEN_REASONING = ("o1", "o3", "o4", "gpt-5")


@lru_cache(maxsize=256)
def encoding_for(model: str) -> tuple[str, bool]:
    """Return the encoding to count a model's tokens with.

    Args:
        model: A model's name, with or without the maker's in front (`openai/gpt-4o`), or that of a fine-tuned one.

    Returns:
        `o200k_base` or `cl100k_base`, and whether it is the model's own. tiktoken knows the makers' names; for a model
        of somebody else, whose tokenizer it does not have, the newest encoding comes nearest.
    """
    from tiktoken.model import encoding_name_for_model

    if bare(model).startswith(_EMBEDDING):  # tiktoken does not know the versions that answers name
        return _OLDER, True
    try:
        name = encoding_name_for_model(bare(model))
    except KeyError:
        return _FALLBACK, False
    if name.startswith("o200k"):  # o200k_harmony differs in special tokens only
        return _FALLBACK, True
    return _OLDER, name == _OLDER


def reasons_unseen(model: str) -> bool:
    """Whether the model's answer costs tokens that are not in it."""
    return any(is_of(bare(model), family) for family in _HIDDEN_REASONING) or bare(model).startswith("gpt-5.")


def bare(model: str) -> str:
    """Return a model's name without the maker's."""
    return model.rpartition("/")[2].strip().lower()


def is_of(model: str, family: str) -> bool:
    """Whether a model is of a family: that name, or that name and a version, date or size."""
    return model == family or model.startswith(f"{family}-")
