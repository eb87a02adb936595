"""A server with a token answers those who bring it, in each way that is open to them, and nobody else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from talk import request

from pf_monitor.insights import Store
from pf_monitor.insights.access import Access, TokenOnly
from pf_monitor.insights.api import create_app
from pf_monitor.insights.server import running
from pf_monitor.local import connection_string, connection_string_at, ingestion_key
from pf_monitor.local_server import RefusedError, ServerSource
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.web.site import routes

TOKEN = "correct horse battery staple"
KEY = ingestion_key(TOKEN)
BEARER = {"Authorization": f"Bearer {TOKEN}"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
COUNT = "/v1/apps/local/query?query=requests|count"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with running(tmp_path, pages=routes, access=Access(frozenset(), TOKEN)) as port:
        yield port


@pytest.fixture
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client


WITHOUT = [
    ({}, "This server asks for its token, the value of PF_MONITOR_TOKEN where `pf-monitor up` runs"),
    ({"Authorization": f"Basic {TOKEN}"}, "This server asks for its token"),
    ({"Authorization": f"Bearer {TOKEN}x"}, "This is not the server's token"),
    ({"Authorization": f"Bearer {KEY}"}, "This is not the server's token"),
    ({"X-Api-Key": ""}, "This is not the server's token"),
    ({"Cookie": f"pf_monitor_PORT={TOKEN}"}, "This server asks for its token"),
]


@pytest.mark.parametrize("path", ["/", "/requests.json", "/health", "/static/style.css", "/nowhere", COUNT])
def test_without_the_token_nothing_is_answered(client: httpx.Client, path: str) -> None:
    for headers, message in WITHOUT:
        sent = {name: value.replace("PORT", str(client.base_url.port)) for name, value in headers.items()}
        answer = client.get(path, headers=sent)

        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.json()["error"]["message"].startswith(message)
        assert TOKEN not in answer.text


@pytest.mark.parametrize("headers", [BEARER, {"authorization": f"bearer  {TOKEN}"}, {"X-Api-Key": TOKEN}])
def test_programs_bring_it_in_a_header(client: httpx.Client, headers: dict[str, str]) -> None:
    assert client.post("/v2.1/track", content=json.dumps(request()), headers=headers).status_code == 200
    assert client.get(COUNT, headers=headers).json()["tables"][0]["rows"] == [[1]]
    assert "<h1" in client.get("/", headers={"Accept": "text/html", **headers}).text


@pytest.mark.parametrize("path", ["/v2/track", "/v2.1/track", "//v2/track", "//v2.1/track"])
def test_the_key_in_the_path_lets_send(client: httpx.Client, path: str) -> None:
    content = json.dumps(request())

    assert client.post(path, content=content).status_code == 401
    refused = client.post(f"/{ingestion_key('another')}{path}", content=content)
    assert (refused.status_code, "the connection string" in refused.json()["error"]["message"]) == (401, True)
    assert client.post(f"/{KEY}{path}", content=content).json()["itemsAccepted"] == 1


@pytest.mark.parametrize("path", ["/", COUNT, "/health", "/requests", "/v2.1/track/../../health", "//v2.1//track"])
def test_the_key_lets_do_nothing_else(client: httpx.Client, path: str) -> None:
    assert client.get(f"/{KEY}{path}").status_code == 401
    assert client.post(f"/{KEY}{path}").status_code == 401


def test_live_metrics_find_their_way(client: httpx.Client) -> None:
    answer = client.post(f"/{KEY}/QuickPulseService.svc/ping")

    assert (answer.status_code, answer.headers["x-ms-qps-subscribed"]) == (200, "false")


def test_a_sender_with_a_key_can_send_where_none_is_asked_for(tmp_path: Path) -> None:
    with running(tmp_path) as port:
        answer = httpx.post(f"http://127.0.0.1:{port}/{KEY}//v2.1/track", json=request(), trust_env=False)

    assert answer.json()["itemsAccepted"] == 1


def sent_by_the_exporter(string: str) -> None:
    exporter = AzureMonitorTraceExporter(connection_string=string, disable_offline_storage=True)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("t").start_span("one").end()
    provider.shutdown()


def sent_by_the_monitor(string: str) -> None:
    span = TracerProvider(shutdown_on_exit=False).get_tracer("t").start_span("one")
    span.end()
    sink = ApplicationInsights(string)
    sink.send_spans([span])  # type: ignore[list-item]  # an ended span of the SDK
    sink.shutdown(10)


@pytest.mark.parametrize("send", [sent_by_the_exporter, sent_by_the_monitor])
def test_exporters_need_nothing_but_the_connection_string(
    client: httpx.Client, port: int, send: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    send(connection_string(port, token=TOKEN))

    found = client.get("/v1/apps/local/query?query=dependencies|project name", headers=BEARER).json()
    assert found["tables"][0]["rows"] == [["one"]]


def test_a_browser_is_asked_once(client: httpx.Client) -> None:
    page = client.get("/requests?last=7d", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert 'type="password"' in page.text
    assert "style-src 'sha256-" in page.headers["content-security-policy"]

    wrong = client.post("/requests?last=7d", content="token=wrong", headers=FORM)
    assert (wrong.status_code, "This is not the server" in wrong.text, "set-cookie" in wrong.headers) == (
        401,
        True,
        False,
    )

    signed_in = client.post("/requests?last=7d", data={"token": TOKEN}, headers={"Accept": "text/html"})
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "?last=7d")
    cookie = signed_in.headers["set-cookie"]
    assert [part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/")] == [True] * 3
    assert TOKEN not in cookie and KEY not in cookie

    assert client.get("/requests?last=7d", headers={"Accept": "text/html"}).status_code == 200
    assert client.get("/overview.json").status_code == 200


def test_the_cookie_is_for_encrypted_connections_alone_behind_a_proxy_with_tls(client: httpx.Client) -> None:
    answer = client.post("/", data={"token": TOKEN}, headers={"X-Forwarded-Proto": "https"})

    assert "; Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "/%2F%2Fevil.example"])
def test_signing_in_leads_nowhere_else(client: httpx.Client, path: str) -> None:
    url = httpx.URL(f"http://127.0.0.1:{client.base_url.port}").copy_with(raw_path=path.encode())
    answer = client.send(client.build_request("POST", url, data={"token": TOKEN}))

    assert (answer.status_code, answer.headers["location"]) == (303, "?")


def test_other_sites_cannot_sign_in(client: httpx.Client) -> None:
    answer = client.post("/", data={"token": TOKEN}, headers={"Origin": "http://evil.example"})

    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize("content", [b"x" * 100_000, b"", b"token", b"token=%ff%00", b"\xff" * 50])
def test_a_form_that_is_none_signs_nobody_in(client: httpx.Client, content: bytes) -> None:
    assert client.post("/", content=content, headers=FORM).status_code == 401


def test_a_large_body_without_the_key_is_refused_and_the_connection_stays(client: httpx.Client) -> None:
    body = b"x" * 30_000_000

    assert client.post("/v2.1/track", content=body).status_code == 401
    assert client.post(f"/{KEY}/v2.1/track", content=json.dumps(request())).status_code == 200


async def test_guesses_are_bounded_in_rate_and_hold_nobody_else_up(tmp_path: Path) -> None:
    now = 1000.0
    statuses: list[int] = []
    with Store.open(tmp_path) as store:
        app = create_app(store, access=Access())
        app.add_middleware(TokenOnly, token=TOKEN, clock=lambda: now)

        async def ask(client: str, headers: dict[str, str]) -> httpx.Response:
            transport = httpx.ASGITransport(app, client=(client, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as asking:
                return await asking.get("/health", headers=headers)

        for _ in range(12):
            answer = await ask("10.0.0.1", {"X-Api-Key": "wrong"})
            statuses.append(answer.status_code)
        assert statuses == [401] * 10 + [429] * 2
        assert answer.headers["retry-after"] == "6"
        assert "Too many wrong tokens came from 10.0.0.1" in answer.json()["error"]["message"]
        assert (await ask("10.0.0.1", BEARER)).status_code == 429
        assert (await ask("10.0.0.2", BEARER)).status_code == 200
        now += 6
        assert (await ask("10.0.0.1", BEARER)).status_code == 200
        assert (await ask("10.0.0.1", {"X-Api-Key": "wrong"})).status_code == 401
        assert (await ask("10.0.0.1", BEARER)).status_code == 429
        now += 1000
        assert (await ask("10.0.0.1", BEARER)).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("insights.local:1", 200),
        ("INSIGHTS.local", 200),
        ("localhost", 200),
        ("[fd00::7]:80", 200),
        ("evil.example", 403),
        ("insights.local.evil.example", 403),
        ("insights.local@evil.example", 403),
        ("evil@insights.local", 403),
        ("insights.local:x", 403),
        ("insights.local/x", 403),
        ("", 403),
    ],
)
def test_only_names_of_its_own_are_answered(tmp_path: Path, host: str, status: int) -> None:
    names = frozenset({"insights.local", "fd00::7"})
    with running(tmp_path, access=Access(names, TOKEN)) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/health", headers={**BEARER, "Host": host}, trust_env=False)

    assert answer.status_code == status
    if status == 403:
        assert "requests to this machine or fd00::7 or insights.local are answered" in answer.text


def test_commands_take_it_from_the_environment(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{port}"
    with ServerSource.connect(url) as server, pytest.raises(RefusedError, match="Set PF_MONITOR_TOKEN to it"):
        server.is_up()
    monkeypatch.setenv("PF_MONITOR_TOKEN", "straße")
    with ServerSource.connect(url) as server, pytest.raises(RefusedError, match="This is not the server's token"):
        server.is_up()
    monkeypatch.setenv("PF_MONITOR_TOKEN", f" {TOKEN}\n")
    with ServerSource.connect(url) as server:
        assert server.is_up()
        assert server.query("requests | count").rows == [[0]]


def test_the_connection_string_holds_a_key_and_not_the_token() -> None:
    string = connection_string_at("https://insights.example/", TOKEN)

    assert string.endswith(
        f"IngestionEndpoint=https://insights.example/{KEY}/;LiveEndpoint=https://insights.example/{KEY}/"
    )
    assert TOKEN not in string
    assert "IngestionEndpoint=http://[::1]:80/;" in connection_string(80, "::1")
