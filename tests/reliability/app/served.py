"""A flow behind a bare WSGI and a bare ASGI application: what is tested is the server's end, not promptflow's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pf_monitor


@pf_monitor.node
def look_up(question: str) -> str:
    return question[::-1]


@pf_monitor.flow
def answer(question: str) -> str:
    return look_up(question)


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer the path."""
    body = answer(environ["PATH_INFO"].strip("/")).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[..., Any]) -> None:
    """Answer the path, from a thread, as a server does with a flow that is not asynchronous."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = (await asyncio.to_thread(answer, scope["path"].strip("/"))).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
