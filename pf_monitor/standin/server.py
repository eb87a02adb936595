"""Serving the stand-in from a thread of this process: for tests, the demo, and the command line."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import httpx
import uvicorn

from pf_monitor.standin.app import StreamDropped, create_app
from pf_monitor.standin.calls import NAME
from pf_monitor.standin.ledger import Ledger


class StandIn:
    """A stand-in that is being served; a context manager that stops it."""

    def __init__(self, server: uvicorn.Server, listener: socket.socket, ledger: Ledger) -> None:
        self._server = server
        self._ledger = ledger
        self.port: int = listener.getsockname()[1]
        self._thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="stand-in model", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The root address, which is also the endpoint for Azure OpenAI clients."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What `OPENAI_BASE_URL` is set to."""
        return f"{self.url}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that point a flow to this stand-in."""
        return {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": "stand-in", "OPENAI_MODEL": NAME}

    def ledger(self, timeout: float = 10.0) -> dict[str, Any]:
        """Return what was billed, once no request is in flight or `timeout` seconds have passed.

        A stream that its caller has abandoned is in flight until the server notices.
        """
        self._ledger.wait_settled(timeout)
        return self._ledger.as_dict()

    def script(self, *rules: Mapping[str, Any]) -> None:
        """Replace the rules of misbehaviour, such as `{"when_prompt_contains": "kayak", "then": {"fail": 500}}`.

        Raises:
            ValueError: A rule says what no rule can; the message is the server's.
        """
        response = httpx.post(f"{self.url}/stand-in/script", json={"rules": list(rules)}, trust_env=False)
        if response.is_error:
            raise ValueError(response.text)

    def reset(self) -> None:
        """Forget the bill and the rules."""
        httpx.post(f"{self.url}/stand-in/reset", trust_env=False).raise_for_status()

    def stop(self) -> None:
        """Stop serving and free the port; a second call does nothing."""
        self._server.should_exit = True
        self._thread.join()

    def wait(self) -> None:
        """Block until the server ends."""
        self._thread.join()

    def __enter__(self) -> StandIn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve_in_thread(port: int = 0, *, latency: float = 0.0) -> StandIn:
    """Serve a stand-in on 127.0.0.1.

    Args:
        port: The port; 0 for any that is free.
        latency: Seconds that every answer takes.

    Raises:
        OSError: The port is taken.
    """
    # Listening before the thread starts: the caller can connect at once, and a taken port is the caller's exception.
    listener = socket.create_server(("127.0.0.1", port))
    ledger = Ledger()
    config = uvicorn.Config(
        create_app(ledger, latency=latency),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_an_error)
    return StandIn(uvicorn.Server(config), listener, ledger)


def _is_an_error(record: logging.LogRecord) -> bool:
    """Keep what was done on purpose out of the server's log."""
    return not (record.exc_info and isinstance(record.exc_info[1], StreamDropped))
