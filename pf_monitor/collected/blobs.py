"""Azure Blob Storage as a place of collected data: append blobs in a container, below a prefix."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote, unquote, urlsplit

from pf_monitor.collected.places import PlaceError

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

CONNECTION_STRING: Final = "AZURE_STORAGE_CONNECTION_STRING"
"""The variable that Azure's own tools read too."""

_LARGEST_BLOCK: Final = 4_000_000
_OPTIONS: Final[dict[str, Any]] = {
    "connection_timeout": 5,
    "read_timeout": 20,
    "retry_total": 1,
    "initial_backoff": 1,
    "logging_enable": False,
}
_CHUNK: Final = 4 << 20


class Blobs:
    """The blobs of a container below a prefix.

    Args:
        container: The container's client.
        prefix: With a slash at its end, or empty.
    """

    def __init__(self, container: ContainerClient, prefix: str = "") -> None:
        self._container = container
        self._prefix = prefix
        self._known: set[str] = set()
        address = urlsplit(container.url)
        self.name = f"{address.scheme}://{address.netloc}{address.path}/{prefix}".rstrip("/")

    @classmethod
    def at(cls, address: str) -> Self:
        """Return the place of a URL.

        It may carry a SAS. Without one, the account key of `AZURE_STORAGE_CONNECTION_STRING` is used if the variable
        is set, or else the identity of this process (`azure-identity`).

        Raises:
            PlaceError: The URL names no container, or a package is missing.
        """
        try:
            from azure.storage.blob import BlobServiceClient
        except ModuleNotFoundError as error:
            raise PlaceError(
                f"Azure Blob Storage needs the package {error.name}: pip install 'pf-monitor[blob]'"
            ) from error
        account, container, prefix, sas = _parts(address)
        if sas:
            service = BlobServiceClient(f"{account}?{sas}", **_OPTIONS)
        elif text := os.environ.get(CONNECTION_STRING, "").strip():
            try:
                service = BlobServiceClient.from_connection_string(text, **_OPTIONS)
            except ValueError:
                raise PlaceError(f"{CONNECTION_STRING} is no connection string of a storage account.") from None
        else:
            service = BlobServiceClient(account, credential=_identity(), **_OPTIONS)
        return cls(service.get_container_client(container), prefix)

    def files(self) -> list[str]:
        """Return the paths of all data files; see `Place`."""
        with self._telling("listed"):
            names = list(self._container.list_blob_names(name_starts_with=self._prefix))
        paths = [name.removeprefix(self._prefix) for name in names]
        return sorted(path for path in paths if path.endswith((".jsonl", ".json")))

    def read(self, path: str) -> Iterator[bytes]:
        """Yield a blob in pieces; see `Place`."""
        with self._telling("read"):
            # What is appended meanwhile is left for the next time; the length is fixed at the beginning.
            yield from self._container.get_blob_client(self._prefix + path).download_blob().chunks()

    def append(self, path: str, data: bytes) -> None:
        """Add to the end of an append blob; see `Place`."""
        with self._telling("written"):
            blob = self._container.get_blob_client(self._prefix + path)
            if path not in self._known:
                self._create(blob)
                self._known = {path, *list(self._known)[:100]}
            for start in range(0, len(data), _LARGEST_BLOCK):
                blob.append_block(data[start : start + _LARGEST_BLOCK])

    def close(self) -> None:
        """Close the connections."""
        self._container.close()

    def _create(self, blob: Any) -> None:
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

        def create() -> None:
            blob.create_append_blob(match_condition=MatchConditions.IfMissing)

        try:
            try:
                create()
            except ResourceNotFoundError:  # the container
                self._container.create_container()
                create()
        except (ResourceExistsError, ResourceModifiedError):
            pass

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        from azure.core.exceptions import AzureError

        try:
            yield
        except AzureError as error:
            said = str(error.message).splitlines()[0] if error.message else type(error).__name__
            raise PlaceError(f"{self.name} cannot be {what}: {said}") from error


def _parts(address: str) -> tuple[str, str, str, str]:
    """Return the account's URL, the container, the prefix and the SAS of a URL."""
    url = urlsplit(address)
    segments = [unquote(part) for part in url.path.split("/") if part]
    if url.username is not None:  # wasbs://CONTAINER@ACCOUNT.blob.core.windows.net/PREFIX
        host = (url.hostname or "").replace(".dfs.", ".blob.")
        account, segments = f"https://{host}", [unquote(url.username), *segments]
    else:
        account = f"{url.scheme}://{url.netloc}"
        if _has_account_in_path(url.hostname or "") and segments:
            account = f"{account}/{quote(segments.pop(0))}"
    if not segments:
        said = address.partition("?")[0]
        raise PlaceError(f"{said} names no container: write https://ACCOUNT.blob.core.windows.net/CONTAINER/FOLDER")
    prefix = "/".join(segments[1:])
    return account, segments[0], f"{prefix}/" if prefix else "", url.query


def _has_account_in_path(host: str) -> bool:
    """Whether the host is an emulator's: it stands for all accounts."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _identity() -> Any:
    try:
        from azure.identity import DefaultAzureCredential
    except ModuleNotFoundError as error:
        raise PlaceError(
            f"Without a SAS in the URL and without {CONNECTION_STRING}, the package {error.name} is needed: "
            "pip install 'pf-monitor[azure]'"
        ) from error
    return DefaultAzureCredential()
