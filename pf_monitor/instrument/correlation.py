"""What joins the items of one request: ids and custom dimensions, from the caller, the server and the user's code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING

from opentelemetry import baggage

from pf_monitor.instrument import parentage
from pf_monitor.model import names
from pf_monitor.model.cutting import beginning

if TYPE_CHECKING:
    from opentelemetry.context import Context

_MOST_DIMENSIONS = 64
_MOST_CHARACTERS = 12_000
_LONGEST_KEY = 150
_LONGEST_VALUE = 8_192

_BAGGAGE = {
    "session.id": names.SESSION_ID,
    "session_id": names.SESSION_ID,
    "enduser.id": names.USER_ID,
    "user.id": names.USER_ID,
    "user_id": names.USER_ID,
    "gen_ai.conversation.id": names.CONVERSATION_ID,
    "conversation_id": names.CONVERSATION_ID,
}
"""What is taken from the caller's baggage. The rest is not: anybody can write anything there."""

request_ids: list[Callable[[], str | None]] = []
"""Who can name the request that is being served; each server's hook adds its own."""

_NOTHING: Mapping[str, str] = {}
"""Not a proxy: it is copied for each request, and a dict is copied faster."""

_ambient: ContextVar[Mapping[str, str]] = ContextVar("pf_monitor_correlation", default=_NOTHING)
"""What was set outside any flow: it holds for the flows that are started from there."""


def set_correlation(
    *,
    session: str | None = None,
    user: str | None = None,
    conversation: str | None = None,
    request_id: str | None = None,
    **dimensions: object,
) -> None:
    """Say what the current request belongs to; every item of it that has not been sent yet will carry it.

    Inside a flow it holds for that flow run. Outside, it holds for the flow runs that the same thread or task starts.

    Args:
        session: `session.id`.
        user: The user, in the column `user_Id`.
        conversation: `gen_ai.conversation.id`.
        request_id: `pf_monitor.request_id`, where no server hook finds the caller's own.
        dimensions: Custom dimensions under their own names; values are made text.

    Example:
        >>> pf_monitor.set_correlation(session="s-1", user="u-42", tenant="contoso")
    """
    chosen: dict[str, object | None] = {
        names.SESSION_ID: session,
        names.USER_ID: user,
        names.CONVERSATION_ID: conversation,
        names.REQUEST_ID: request_id,
        **dimensions,
    }
    update = {
        key[:_LONGEST_KEY]: text
        for key, value in chosen.items()
        if value is not None and (text := _dimension(value)) is not None
    }
    step = parentage.current_step()
    if step is None:
        _ambient.set(_bounded({**_ambient.get(), **update}))
    else:
        step.correlation.update(_bounded({**step.correlation, **update}))


def for_new_request(context: Context, new_id: Callable[[], str]) -> dict[str, str]:
    """Return what correlates a request that begins now.

    Args:
        context: The OpenTelemetry context, with the caller's baggage.
        new_id: Makes a request id where nobody gave one.
    """
    correlation = dict(_ambient.get())
    for key, value in baggage.get_all(context).items():
        if (name := _BAGGAGE.get(key)) is not None and isinstance(value, str) and value:
            correlation.setdefault(name, beginning(value, _LONGEST_VALUE))
    if names.REQUEST_ID not in correlation:
        correlation[names.REQUEST_ID] = _server_request_id() or new_id()
    return correlation


def _server_request_id() -> str | None:
    for ask in request_ids:
        if found := ask():
            return beginning(found, _LONGEST_VALUE)
    return None


def _dimension(value: object) -> str | None:
    try:
        return beginning(str(value), _LONGEST_VALUE)
    except Exception:  # noqa: BLE001 - the user's __str__ may do anything
        return None


def _bounded(correlation: dict[str, str]) -> dict[str, str]:
    """Leave out what would crowd the numbers and the content out of an item."""
    kept: dict[str, str] = {}
    left = _MOST_CHARACTERS
    for key, value in correlation.items():
        left -= len(key) + len(value)
        if len(kept) < _MOST_DIMENSIONS and left >= 0:
            kept[key] = value
    return kept
