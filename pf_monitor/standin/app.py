"""The stand-in's HTTP surface: which path is which operation, the faults, the bill, and the control endpoints."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import orjson
from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import JSONResponse, StreamingResponse
from starlette.responses import Response as HttpResponse
from starlette.types import Receive, Scope, Send

from pf_monitor.standin import counting
from pf_monitor.standin.calls import NAME, BadRequest, Call
from pf_monitor.standin.chat import Chat
from pf_monitor.standin.completions import Completion
from pf_monitor.standin.embeddings import Embedding
from pf_monitor.standin.faults import HEADER, Fault, Rule, Script
from pf_monitor.standin.ledger import Entry, Ledger
from pf_monitor.standin.responses import Response

_OPERATIONS: dict[str, type[Call]] = {
    "chat/completions": Chat,
    "completions": Completion,
    "embeddings": Embedding,
    "responses": Response,
}
# OpenAI, Azure OpenAI with a deployment in the path, Azure without one, Azure's version 1.
_PREFIXES = ("/v1", "/openai/deployments/{deployment}", "/openai", "/openai/v1")

_ERROR_NAMES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


class StreamDropped(Exception):  # noqa: N818 - nothing went wrong
    """Ends a stream that the stand-in was told to drop: leaving the server with an exception cuts the connection."""


class _NewScript(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: list[Rule] = []


def create_app(ledger: Ledger | None = None, *, latency: float = 0.0) -> FastAPI:
    """Build the stand-in.

    Args:
        ledger: Where to bill; a fresh one by default.
        latency: Seconds that every answer takes, before faults.
    """
    app = FastAPI(title="Stand-in model", docs_url=None, redoc_url=None)
    desk = _Desk(ledger or Ledger(), latency)
    for prefix in _PREFIXES:
        for path, kind in _OPERATIONS.items():
            app.post(f"{prefix}/{path}", response_model=None)(desk.endpoint(kind))

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": NAME, "object": "model", "created": 0, "owned_by": "pf-monitor"}]}

    @app.get("/stand-in/connections/{name}")
    def connection(name: str, request: Request) -> dict[str, Any]:
        """Speak promptflow's protocol for connections: whichever is asked for leads here.

        A server of DAG flows takes it with `PF_HTTP_CONNECTION_PROVIDER_ENDPOINT`, and needs no keyring then.
        """
        value = {"api_key": NAME, "base_url": f"{request.base_url}v1"}
        return {"name": name, "type": "OpenAIConnection", "module": "promptflow.connections", "value": value}

    @app.get("/stand-in/ledger")
    def read_ledger() -> dict[str, Any]:
        return desk.ledger.as_dict()

    @app.post("/stand-in/script")
    async def script(new: _NewScript) -> dict[str, int]:
        desk.script.load(new.rules)
        return {"rules": len(new.rules)}

    @app.post("/stand-in/reset")
    async def reset() -> dict[str, str]:
        desk.reset()
        return {"status": "reset"}

    return app


class _Desk:
    """Takes requests: reads them, applies faults, answers, bills. Lives in one event loop."""

    def __init__(self, ledger: Ledger, latency: float) -> None:
        self.ledger = ledger
        self.script = Script()
        self._latency = latency
        self._serial = 0

    def reset(self) -> None:
        """Forget the bill, the rules, and how many requests there were."""
        self.ledger.reset()
        self.script.load([])
        self._serial = 0

    def endpoint(self, kind: type[Call]) -> Any:
        """Return the route function for one operation."""

        async def serve(request: Request) -> HttpResponse:
            azure = request.url.path.startswith("/openai/")
            if azure and "/openai/v1/" not in request.url.path and "api-version" not in request.query_params:
                return JSONResponse({"error": {"code": "404", "message": "Resource not found"}}, 404)
            self._serial += 1
            try:
                body = await _read(request)
                call = kind(body, self._serial, azure=azure)
                fault = self._fault(request, call)
            except BadRequest as error:
                return _error(400, str(error), error.param)
            response = await self._answer(request, call, fault)
            response.headers["x-request-id"] = f"req-standin-{call.id}"
            if azure and (client_id := request.headers.get("x-ms-client-request-id")):
                response.headers["x-ms-client-request-id"] = client_id
            return response

        return serve

    def _fault(self, request: Request, call: Call) -> Fault:
        scripted = self.script.fault_for(call.prompt)
        if (header := request.headers.get(HEADER)) is None:
            return scripted
        try:
            return Fault.from_header(header)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise BadRequest(f"{HEADER}: {'.'.join(map(str, first['loc']))}: {first['msg']}", HEADER) from error

    async def _answer(self, request: Request, call: Call, fault: Fault) -> HttpResponse:
        entry = _entry(request, call)
        self.ledger.open(entry)
        try:
            await asyncio.sleep(self._latency + (fault.stall if fault.stall_after is None else 0.0))
            if fault.fail is not None or (fault.refuse and call.body.get(fault.refuse) is not None):
                return self._refuse(entry, fault)
            if call.streams:
                return _BilledStream(self.ledger, entry, call, fault)
            answer = call.whole(usage=fault.usage == "sent")
            if await request.is_disconnected():  # hung up while the stand-in stalled: no answer, and no bill
                self.ledger.settle(entry, "failed")
            else:
                self.ledger.settle(
                    entry, "ok", prompt_tokens=call.prompt_tokens, completion_tokens=call.completion_tokens
                )
            return JSONResponse(answer)
        except BaseException:
            self.ledger.settle(entry, "failed")
            raise

    def _refuse(self, entry: Entry, fault: Fault) -> HttpResponse:
        entry.status = fault.fail or 400
        self.ledger.settle(entry, "failed")
        if fault.fail is None:
            return _error(400, f"Unrecognized request argument supplied: {fault.refuse}", fault.refuse)
        return _error(fault.fail, f"The stand-in was told to fail with {fault.fail}.")


class _BilledStream(StreamingResponse):
    """An answer sent piece by piece, billed as far as it was sent."""

    def __init__(self, ledger: Ledger, entry: Entry, call: Call, fault: Fault) -> None:
        super().__init__(self._events(), media_type="text/event-stream")
        self._ledger = ledger
        self._entry = entry
        self._call = call
        self._fault = fault
        self._sent: dict[int, str] = defaultdict(str)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            sent = sum(counting.count(text) for text in self._sent.values())
            self._ledger.settle(self._entry, "broken", prompt_tokens=self._call.prompt_tokens, completion_tokens=sent)

    async def _events(self) -> AsyncIterator[bytes]:
        call, fault, sent_pieces = self._call, self._fault, 0
        for event in call.events(usage=fault.usage == "sent"):
            if event.piece:
                if sent_pieces == fault.drop_stream_after:
                    raise StreamDropped
                if sent_pieces == fault.stall_after:
                    await asyncio.sleep(fault.stall)
                sent_pieces += 1
                self._sent[event.choice] += event.piece
            name = b"" if call.ends_with_done else b"event: " + event.payload["type"].encode() + b"\n"
            yield name + b"data: " + orjson.dumps(event.payload) + b"\n\n"
        # Billed before the last bytes leave, so that a caller who has them finds the bill.
        self._ledger.settle(
            self._entry, "ok", prompt_tokens=call.prompt_tokens, completion_tokens=call.completion_tokens
        )
        if call.ends_with_done:
            yield b"data: [DONE]\n\n"


def _entry(request: Request, call: Call) -> Entry:
    return Entry(
        operation=call.operation,
        model=call.model,
        requested_model=call.requested_model,
        stream=call.streams,
        path=request.url.path,
        traceparent=request.headers.get("traceparent"),
        x_client_request_id=request.headers.get("x-client-request-id"),
        x_ms_client_request_id=request.headers.get("x-ms-client-request-id"),
        id=call.id,
    )


async def _read(request: Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"We could not parse the JSON body of your request: {error}") from error
    if not isinstance(body, dict):
        raise BadRequest("The body of the request must be a JSON object.")
    # Azure's deployment, in the path, goes before the model in the body.
    if deployment := request.path_params.get("deployment"):
        body["model"] = deployment
    return body


def _error(status: int, message: str, param: str | None = None) -> JSONResponse:
    kind, code = _ERROR_NAMES.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    # Clients that retry do so at once: nobody learns from waiting for a stand-in.
    return JSONResponse(
        {"error": {"message": message, "type": kind, "param": param, "code": code}},
        status,
        headers={"retry-after-ms": "1"},
    )
