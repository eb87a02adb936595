"""The HTTP interface: ingestion and query, as Azure has them.

Ingestion is what every Application Insights SDK and exporter sends (`/v2/track`, `/v2.1/track`, and the ping of live
metrics); the query API is that of https://learn.microsoft.com/rest/api/application-insights/query/execute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import anyio.to_thread
import orjson
from anyio import CapacityLimiter
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute

from pf_monitor.insights.access import THIS_MACHINE, Access, SenderPath, TokenOnly
from pf_monitor.insights.body import (
    MAX_HELD_BYTES,
    BodyEncodingError,
    BodyTooLargeError,
    OverloadedError,
    Room,
    Share,
    read_body,
)
from pf_monitor.insights.guard import OwnNamesOnly
from pf_monitor.insights.ingestion import Outcome, submit
from pf_monitor.insights.store import Store, TooManyQueriesError
from pf_monitor.insights.timespan import parse_timespan
from pf_monitor.insights.writer import StoreError
from pf_monitor.local import connection_string_at
from pf_monitor.table import QueryError, Table

_MAX_QUERY_BODY_BYTES: Final = 1024 * 1024

BODY_SECONDS: Final = 60.0
"""How long a request may take to arrive: while it does, it takes room from others."""

_RETRY_SECONDS: Final = "1"
"""When to come again after the server had too much to do."""


def create_app(store: Store, pages: Sequence[BaseRoute] = (), access: Access = THIS_MACHINE) -> FastAPI:
    """Make the web application over a store, which stays its caller's to close.

    Args:
        store: What is written and asked.
        pages: What else is served, where nothing here is. Without it, `/` says what this is.
        access: Who is answered.
    """
    app = FastAPI(title="pf-monitor", openapi_url=None, docs_url=None, redoc_url=None)
    if access.token is not None:
        app.add_middleware(TokenOnly, token=access.token)
    app.add_middleware(SenderPath, token=access.token)
    app.add_middleware(OwnNamesOnly, names=access.names)  # added last, asked first
    # Parsing is Python: two at once would take turns, and keep the writer waiting for its own. It has a thread of its
    # own, so that no number of queries keeps it waiting either.
    parsing = CapacityLimiter(1)
    room = Room(MAX_HELD_BYTES)

    # The Python exporter joins an endpoint that ends in a slash, as Azure writes them, to two slashes.
    @app.post("//v2/track", include_in_schema=False)
    @app.post("//v2.1/track", include_in_schema=False)
    @app.post("/v2/track")
    @app.post("/v2.1/track")
    async def track(request: Request) -> Response:
        with room.share() as share:
            try:
                outcome = await taken(request, share)
            except BodyTooLargeError as error:
                outcome = Outcome.refusal(413, str(error))
            except BodyEncodingError as error:
                outcome = Outcome.refusal(400, str(error))
            except TimeoutError:
                outcome = Outcome.refusal(408, f"The body did not arrive within {BODY_SECONDS:g} s")
            except OverloadedError:
                outcome = Outcome.refusal(503, "The server is busy with other items: send these again")
        return _json(outcome.status, outcome.as_json(), busy=outcome.status == 503)

    async def taken(request: Request, share: Share) -> Outcome:
        length = request.headers.get("content-length", "")
        encoding = request.headers.get("content-encoding", "")
        async with asyncio.timeout(BODY_SECONDS):
            body = await read_body(request.stream(), encoding, int(length) if length.isdecimal() else None, share)
        submission = await anyio.to_thread.run_sync(submit, store, body, limiter=parsing)
        await asyncio.gather(asyncio.wrap_future(submission.stored), return_exceptions=True)
        return submission.outcome()

    @app.post("/v1/apps/{app_id}/query")
    async def query(app_id: str, request: Request) -> Response:
        try:
            body = orjson.loads(await _small_body(request))
        except orjson.JSONDecodeError as error:
            return _query_error(f"The body must be JSON: {error}")
        if not isinstance(body, dict):
            return _query_error('The body must be an object such as {"query": "requests | take 10"}')
        return await _answer(request, body)

    @app.get("/v1/apps/{app_id}/query")
    async def query_by_url(app_id: str, request: Request) -> Response:
        return await _answer(request, request.query_params)

    async def _answer(request: Request, parameters: Mapping[str, Any]) -> Response:
        with_render = "include-render=true" in request.headers.get("prefer", "")
        return await run_in_threadpool(_run_query, store, parameters, with_render)

    @app.post("/QuickPulseService.svc/{operation}")
    async def live_metrics(operation: str) -> Response:
        """Nobody watches live: SDKs then ask again now and then, and send nothing."""
        return Response(headers={"x-ms-qps-subscribed": "false"})

    @app.get("/health")
    async def health() -> Mapping[str, object]:
        held = store.held
        return {"status": "ok"} | ({} if held is None else {"store": held._asdict()})

    if pages:
        app.router.routes.extend(pages)
        return app

    @app.get("/")
    async def welcome(request: Request) -> PlainTextResponse:
        return PlainTextResponse(_welcome(str(request.base_url).rstrip("/"), access.token))

    return app


def _run_query(store: Store, parameters: Mapping[str, Any], with_render: bool) -> Response:
    kql, timespan = parameters.get("query"), parameters.get("timespan")
    if not isinstance(kql, str) or not kql.strip():
        return _query_error("The property 'query' is missing or not a string")
    if not isinstance(timespan, str | None):
        return _query_error("The property 'timespan' is not a string")
    try:
        table = store.query(kql, parse_timespan(timespan) if timespan else None)
    except TooManyQueriesError as error:
        return _json(503, {"error": {"message": error.message, "code": "ServiceUnavailable"}}, busy=True)
    except QueryError as error:
        return _query_error(error.message, error.line, error.pos)
    except ValueError as error:
        return _query_error(str(error))
    except StoreError as error:
        return _json(503, {"error": {"message": str(error), "code": "ServiceUnavailable"}})
    return _json(200, _tables(table, with_render=with_render))


def _tables(table: Table, *, with_render: bool) -> dict[str, object]:
    columns = [{"name": column.name, "type": column.type} for column in table.columns]
    answer: dict[str, object] = {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": table.rows}]}
    if with_render and table.visualization:
        answer["render"] = {"visualization": table.visualization}
    return answer


def _query_error(message: str, line: int | None = None, pos: int | None = None) -> Response:
    inner: dict[str, object] = {"code": "QueryError", "message": message}
    if line is not None:
        inner |= {"line": line, "pos": pos}
    error = {"message": "The request had some invalid properties", "code": "BadArgumentError", "innererror": inner}
    return _json(400, {"error": error})


async def _small_body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_QUERY_BODY_BYTES:
            return b""
    return body


def _json(status: int, content: object, *, busy: bool = False) -> Response:
    headers = {"Retry-After": _RETRY_SECONDS} if busy else {}
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


def _welcome(address: str, token: str | None) -> str:
    return f"""pf-monitor: a local Application Insights

It takes telemetry from any Application Insights SDK that is given this connection string:

  {connection_string_at(address, token)}

and answers KQL as Azure's query API does:

  pf-monitor query 'requests | take 10'
  curl --get {address}/v1/apps/local/query --data-urlencode 'query=requests | take 10'
"""
