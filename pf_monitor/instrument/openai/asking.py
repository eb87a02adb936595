"""Ask the provider for the usage of a stream where the caller did not, and remember who refuses to tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pf_monitor.instrument.openai.operations import Exchange

_MOST_REFUSALS = 1_000
_refusing: set[tuple[str, str]] = set()
"""Base addresses and models that do not know `stream_options`."""

RAW = "x-stainless-raw-response"
"""The header by which the client marks a request whose answer the caller may read raw, in lower case."""


def shall_ask(shape: type[Exchange], model: str, base_url: str, body: Mapping[str, Any]) -> bool:
    """Whether the usage of this request has to be asked for: it streams, nobody asked yet, and nobody refused.

    Args:
        shape: The kind of its exchange.
        model: The model that it asks for.
        base_url: Where the client sends requests to.
        body: The request's body.
    """
    if not shape.can_ask_for_usage or body.get("stream") is not True:
        return False
    options = body.get("stream_options")
    if isinstance(options, Mapping) and options.get("include_usage") is True:
        return False
    return (base_url, model) not in _refusing


def with_usage(options: Any) -> Any:
    """Return a request's options with the usage chunk asked for."""
    body = options.json_data
    given = body.get("stream_options")
    asked = {**(given if isinstance(given, Mapping) else {}), "include_usage": True}
    return options.model_copy(update={"json_data": {**body, "stream_options": asked}})


def refuses(error: Exception, model: str, base_url: str) -> bool:
    """Whether a server failed because it does not know the option; if so, it is not asked again.

    Args:
        error: What the client raised.
        model: The model that was asked for.
        base_url: Where the client sends requests to.
    """
    if getattr(error, "status_code", None) not in (400, 404, 422):
        return False
    told = f"{error} {getattr(error, 'body', '')}"
    if "stream_options" not in told and "include_usage" not in told:
        return False
    if len(_refusing) < _MOST_REFUSALS:
        _refusing.add((base_url, model))
    return True
