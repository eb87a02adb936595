"""What all calls of a client have in common: where it sends them, and whose service that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from pf_monitor.model import names

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

_AZURE_HOSTS = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com", ".azure-api.net")
_DEFAULT_PORTS = (None, 80, 443)

_MOST = 256
_known: dict[int, Endpoint] = {}
"""By the identity of their address."""


class Endpoint(NamedTuple):
    """Where a client sends its requests to.

    Attributes:
        address: As the client has it: an object that takes long to be put together.
        base_url: The same as text.
        provider: `gen_ai.provider.name`.
        request_id_header: The header whose value the provider writes into its own logs: `X-Client-Request-Id` is the
            name that OpenAI logs, `x-ms-client-request-id` Azure's.
        attributes: What the steps of all its calls have.
    """

    address: Any
    base_url: str
    provider: str
    request_id_header: str
    attributes: Mapping[str, AttributeValue]


def endpoint_of(client: Any, azure: tuple[type, ...]) -> Endpoint:
    """Return where a client sends requests to. It gives the same address each time, which is read once.

    Args:
        client: A client of the `openai` package.
        azure: The classes of clients for Azure OpenAI.
    """
    address = client.base_url
    known = _known.get(id(address))
    if known is None or known.address is not address:
        if len(_known) >= _MOST:
            _known.clear()
        known = _known[id(address)] = _read(address, is_azure=isinstance(client, azure))
    return known


def _read(address: Any, *, is_azure: bool) -> Endpoint:
    base_url = str(address)
    parts = urlsplit(base_url)
    host, port = parts.hostname or "", parts.port
    is_azure = is_azure or host.endswith(_AZURE_HOSTS)
    provider = "azure.ai.openai" if is_azure else "openai"
    attributes: dict[str, AttributeValue] = {
        names.PROVIDER_NAME: provider,
        names.SYSTEM: provider,
        names.SERVER_ADDRESS: host,
    }
    if port not in _DEFAULT_PORTS:
        attributes[names.SERVER_PORT] = port or 0
    header = "x-ms-client-request-id" if is_azure else "X-Client-Request-Id"
    return Endpoint(address, base_url, provider, header, attributes)
