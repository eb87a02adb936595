"""What a model call costs, by the price list of `genai-prices`, which is read from the package and not the network."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pf_monitor.tokens.usage import Usage

_LIST_NAMES = {"azure.ai.openai": "azure"}
"""Names under which the price list knows a provider, where they differ from the conventions'."""


def cost_usd(provider: str, model: str, usage: Usage) -> float | None:
    """Return the price of one call in US dollars.

    Args:
        provider: `gen_ai.provider.name`, such as `openai` or `azure.ai.openai`.
        model: The model as the provider named it in its answer.
        usage: The tokens of the call.

    Returns:
        The price, or None when the list does not know the model: an unknown price is not zero.
    """
    if not model or not _is_listed(provider, model):
        return None
    from genai_prices import Usage as ListUsage
    from genai_prices import calc_price

    try:
        price = calc_price(
            ListUsage(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cache_read_tokens or None,
                cache_write_tokens=usage.cache_write_tokens or None,
            ),
            model_ref=model,
            provider_id=_LIST_NAMES.get(provider, provider),
        )
    except ValueError:  # a part that is larger than its whole
        return None
    return float(price.total_price)


def warm_up() -> None:
    """Load the price list in the background: a fifth of a second that the first model call need not wait for."""
    threading.Thread(target=_is_listed, args=("openai", "gpt-4o"), name="pf_monitor-prices", daemon=True).start()


@lru_cache(maxsize=256)
def _is_listed(provider: str, model: str) -> bool:
    """Whether the list knows the model. Remembered, because not finding a name means searching the whole list."""
    from genai_prices import Usage as ListUsage
    from genai_prices import calc_price

    try:
        calc_price(ListUsage(), model_ref=model, provider_id=_LIST_NAMES.get(provider, provider))
    except (LookupError, ValueError):
        return False
    return True
