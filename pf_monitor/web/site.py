"""The site: every page with its JSON twin, the static files, and an error page for what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from pf_monitor.alerts.status import Watched
from pf_monitor.insights import StoreError, TooManyQueriesError
from pf_monitor.table import QueryError
from pf_monitor.views.choices import choices
from pf_monitor.views.scope import Scope, ScopeError
from pf_monitor.web import answers, scope_bar
from pf_monitor.web.asked import Asked, link, tidied
from pf_monitor.web.background import Background, StoppableSource
from pf_monitor.web.page import NotFoundError, Page
from pf_monitor.web.pages import NAVIGATION, logs, pages
from pf_monitor.web.rendering import render, static_text

Endpoint = Callable[[Request], Response]

_STATIC_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def routes(source: StoppableSource, watched: Watched | None = None) -> list[BaseRoute]:
    """Return the routes of the dashboard, the last of which takes whatever no other does.

    Args:
        source: What answers its queries.
        watched: The alert rules that are evaluated beside it.
    """
    found: list[BaseRoute] = []
    background = Background(source)
    for page in pages(watched):
        twin = "/overview" if page.path == "/" else page.path
        found.append(Route(f"{twin}.json", _endpoint(background, page, always_json=True), methods=["GET"]))
        found.append(Route(page.path, _endpoint(background, page), methods=["GET"]))
    found.append(Route("/choices.json", _guarded(_choices(background), always_json=True), methods=["GET"]))
    found.append(Route("/logs.csv", _guarded(logs.download(source), always_json=False), methods=["GET"]))
    found.append(Route("/static/{name}", _static, methods=["GET"]))
    found.append(Route("/favicon.ico", _icon, methods=["GET"]))
    found.append(Route("/{path:path}", _nowhere, methods=["GET"]))
    return found


def _endpoint(background: Background, page: Page, *, always_json: bool = False) -> Endpoint:
    # Not a coroutine: it waits for the store, and Starlette runs it in a thread of its own.
    def answer(request: Request) -> Response:
        with_json = always_json or _wants_json(request)
        pairs = request.query_params.multi_items()
        if not with_json and (better := tidied(pairs)) is not None:
            return RedirectResponse(link(request.url.path, better), 303, answers.HEADERS)
        asked = read(request, page)
        with background.source_for(request) as source:
            data = page.collect(source, asked)
        if with_json:
            return answers.as_json(data)
        variables = page.present(data, asked)
        bar = scope_bar.describe(asked, has_filters=page.has_filters) if page.has_range else None
        return answers.html(
            render(page.template, **_frame(page.title, page.path, asked), bar=bar, data=data, **variables)
        )

    return _guarded(answer, always_json=always_json)


def read(request: Request, page: Page) -> Asked:
    """Read what a page is asked for.

    Raises:
        ScopeError: If a parameter of the URL is wrong.
    """
    scope = Scope.from_query(request.query_params.multi_items(), datetime.now(UTC), also=page.own)
    own = {name: request.query_params[name] for name in page.own if request.query_params.get(name)}
    path = request.url.path.removesuffix(".json")
    return Asked("/" if path == "/overview" else path, scope, own, request.path_params)


def _guarded(endpoint: Endpoint, *, always_json: bool) -> Endpoint:
    """Answer in a readable way when something goes wrong."""

    def answer(request: Request) -> Response:
        with_json = always_json or _wants_json(request)
        try:
            return endpoint(request)
        except ScopeError as error:
            return _failed(400, "This address cannot be read", str(error), with_json)
        except TooManyQueriesError as error:
            return _failed(503, "The server is busy", error.message, with_json)
        except QueryError as error:
            return _failed(400, "The query failed", error.message, with_json)
        except NotFoundError as error:
            return _failed(404, "Not found", str(error), with_json)
        except StoreError as error:
            return _failed(503, "The telemetry cannot be read", str(error), with_json)

    return answer


def _choices(background: Background) -> Endpoint:
    def answer(request: Request) -> Response:
        scope = Scope.from_query(request.query_params.multi_items(), datetime.now(UTC))
        with background.source_for(request) as source:
            return answers.as_json(choices(source, scope))

    return answer


def _failed(status: int, title: str, message: str, with_json: bool) -> Response:
    if with_json:
        return answers.as_json({"error": {"title": title, "message": message}}, status)
    text = render("error.html", **_frame(title, "", _anything()), bar=None, status=status, message=message)
    return answers.html(text, status)


def _frame(title: str, path: str, asked: Asked) -> dict[str, Any]:
    """What the layout needs of every page."""
    return {"title": title, "here": path, "asked": asked, "pages": NAVIGATION}


def _anything() -> Asked:
    return Asked("/", Scope.from_query([], datetime.now(UTC)))


def _wants_json(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    kind = _STATIC_TYPES.get(name.rpartition(".")[2])
    try:
        content = static_text(name) if kind else None
    except FileNotFoundError:
        content = None
    if content is None:
        return _failed(404, "Not found", "There is no such file.", _wants_json(request))
    headers = {**answers.HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
    return Response(content, 200, headers, kind)


def _icon(_: Request) -> Response:
    return RedirectResponse("/static/icon.svg", 301, answers.HEADERS)


def _nowhere(request: Request) -> Response:
    message = "There is no page at this address. The pages are listed above."
    return _failed(404, "Not found", message, _wants_json(request))
