"""What a model call costs, by the price list of `genai-prices`, which is read from the package and not the network."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pf_monitor.tokens.usage import Usage

_PACKAGE = "genai-prices"
_LIST_NAMES = {"azure.ai.openai": "azure"}
"""Names under which the price list knows a provider, where they differ from the conventions'."""


def cost_usd(provider: str, model: str, usage: Usage) -> float | None:
    """Return the price of one call in US dollars.

    Args:
        provider: `gen_ai.provider.name`, such as `openai` or `azure.ai.openai`.
        model: The model as the provider named it in its answer; Azure's deployments are named by their users, and
            only the answer tells what they are.
        usage: The tokens of the call.

    Returns:
        The price, or None when the list does not know the model: an unknown price is not zero. It never raises.
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
                input_audio_tokens=usage.input_audio_tokens or None,
                output_audio_tokens=usage.output_audio_tokens or None,
            ),
            model_ref=model,
            provider_id=_LIST_NAMES.get(provider, provider),
        )
        return float(price.total_price)
    except Exception:  # noqa: BLE001 - parts larger than their whole, or a list that is not what it was
        return None


@lru_cache(maxsize=1)
def price_list() -> str:
    """Return which price list is used: `genai-prices 0.2.3 (2026-11-02)`.

    The list has no date of its own. The newest day from which one of its prices holds, announced ones left aside, is
    one that its makers knew of: the list is at least as new. Without such a day, the package's version has to do.
    """
    try:
        named = f"{_PACKAGE} {version(_PACKAGE)}"
    except PackageNotFoundError:
        return "none"
    newest = _newest_day()
    return f"{named} ({newest})" if newest else named


def _newest_day() -> str | None:
    try:
        from genai_prices.data import providers

        today = datetime.now(UTC).date()
        days = [
            str(start)
            for provider in providers
            for model in provider.models
            for price in (model.prices if isinstance(model.prices, list) else ())
            if (start := getattr(price.constraint, "start_date", None)) is not None and start <= today
        ]
    except Exception:  # noqa: BLE001 - the inside of a package may change
        return None
    return max(days, default=None)


def warm_up() -> None:
    """Load the price list in the background: a fifth of a second that the end of a short script need not wait for."""
    threading.Thread(target=_is_listed, args=("openai", "gpt-4o"), name="pf_monitor-prices", daemon=True).start()


@lru_cache(maxsize=256)
def _is_listed(provider: str, model: str) -> bool:
    """Whether the list knows the model. Remembered, because not finding a name means searching the whole list."""
    try:
        from genai_prices import Usage as ListUsage
        from genai_prices import calc_price

        calc_price(ListUsage(), model_ref=model, provider_id=_LIST_NAMES.get(provider, provider))
    except Exception:  # noqa: BLE001 - mostly LookupError; whatever it is, there is no price
        return False
    return True
