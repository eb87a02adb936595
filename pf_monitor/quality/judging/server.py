"""One call to the model that judges: an OpenAI-compatible server or Azure OpenAI, over kept connections."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx
import orjson

from pf_monitor.quality.judging.ledger import Spent
from pf_monitor.quality.monitor import Judge, JudgeKind
from pf_monitor.tokens.estimate import Answer as EstimatedAnswer
from pf_monitor.tokens.estimate import estimate_chat
from pf_monitor.tokens.prices import cost_usd
from pf_monitor.tokens.usage import Usage, read_usage

STAND_IN: Final = "stand-in (no model)"

_OPENAI: Final = "https://api.openai.com/v1"
_AZURE_VERSION: Final = "2024-10-21"
_MOST_BYTES: Final = 1_000_000
"""Of an answer: one that is longer is none."""
_CONNECT_S: Final = 10.0
_RENAMED: Final[Mapping[str, str]] = {"max_tokens": "max_completion_tokens"}
"""What reasoning models call a parameter."""


class JudgeError(Exception):
    """The judge cannot be used at all; the message says what to do."""


class RefusedError(Exception):
    """The server asks to wait (429), which its headers say more about."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__("the judge's server allows no more calls for now")
        self.headers = headers


class UnansweredError(Exception):
    """There was no answer: an error of the server, a broken connection, or silence.

    Attributes:
        may_cost: Whether the model may have worked on it all the same, and be paid for it.
    """

    def __init__(self, message: str, *, may_cost: bool) -> None:
        super().__init__(message)
        self.may_cost = may_cost


class RejectedError(Exception):
    """The server does not want this request, such as one that its content filter stops."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model wrote, and what it used."""

    text: str
    used: Spent


class JudgeServer:
    """The judge's model. Use it as an async context manager.

    Attributes:
        judge: Which model, and where.

    Args:
        judge: Which model, and where.

    Raises:
        JudgeError: The key or the address is missing.
    """

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self._is_azure = judge.kind is JudgeKind.AZURE_OPENAI
        self._is_stand_in = judge.kind is JudgeKind.STAND_IN
        self._unwanted: set[str] = set()
        self._resources = AsyncExitStack()
        self.name = STAND_IN if self._is_stand_in else f"{judge.model} at {urlsplit(self._address()).netloc}"

    async def __aenter__(self) -> Self:
        address = self._address()
        if self._is_stand_in:
            from pf_monitor.standin import serve_in_thread

            address = self._resources.enter_context(serve_in_thread()).base_url
        elif not self.judge.model:
            raise JudgeError("The judge has no model: set pf_monitor.judge.model under the monitor's properties")
        limits = httpx.Limits(max_connections=self.judge.concurrency, max_keepalive_connections=None)
        self._url = self._path(address)
        self._client = await self._resources.enter_async_context(
            httpx.AsyncClient(
                headers=self._headers(),
                timeout=httpx.Timeout(self.judge.timeout_s, connect=_CONNECT_S),
                limits=limits,
                # A judge on this machine is not behind a proxy, and no proxy shall see what it is shown.
                trust_env=not _is_here(address),
            )
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    def at_most(self, body: Mapping[str, Any]) -> Spent:
        """Return what a call may use at most, as far as that is known before."""
        prompt = estimate_chat(body, (), self.judge.model or "").input_tokens
        completion = int(body.get("max_tokens") or body.get("max_completion_tokens") or 1_000)
        return self._priced(self.judge.model or "", Usage(prompt, completion))

    def knows_price(self) -> bool:
        """Whether what a call costs can be told before it is made."""
        return self._priced(self.judge.model or "", Usage(1_000, 1_000)).usd is not None

    async def ask(self, messages: list[dict[str, str]], parameters: Mapping[str, Any]) -> Reply:
        """Ask once.

        Args:
            messages: The conversation.
            parameters: How the model is called, as the prompt says.

        Raises:
            RefusedError: The server wants less to do.
            UnansweredError: It did not answer.
            RejectedError: It does not want this request.
            JudgeError: It will not answer any request.
        """
        body = self.body(messages, parameters)
        try:
            async with asyncio.timeout(self.judge.timeout_s):
                status, headers, content = await self._post(body)
        except (TimeoutError, httpx.TimeoutException):
            raise UnansweredError(f"no answer within {self.judge.timeout_s:g} s", may_cost=True) from None
        except httpx.ConnectError as error:
            raise UnansweredError(f"{self._url} cannot be reached: {error}", may_cost=False) from error
        except httpx.HTTPError as error:
            raise UnansweredError(f"the connection broke: {error!r}", may_cost=True) from error
        if status == httpx.codes.OK:
            return self._reply(body, content)
        said = _said(content)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            if "insufficient_quota" in said:
                raise JudgeError(f"The judge's account is out of quota: {said}. Top it up, then run again.")
            raise RefusedError(headers)
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.REQUEST_TIMEOUT:
            raise UnansweredError(f"the server answered {status}: {said}", may_cost=False)
        if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND}:
            raise JudgeError(f"{self._url} answered {status}: {said}. Check the judge's key, model and address.")
        if status == httpx.codes.BAD_REQUEST and self._gives_up(said, body):
            return await self.ask(messages, parameters)
        raise RejectedError(f"the server answered {status}: {said}")

    def body(self, messages: list[dict[str, str]], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of a request, without what this server was found not to take."""
        wanted = {
            _RENAMED.get(name, "") if name in self._unwanted else name: value for name, value in parameters.items()
        }
        wanted.pop("", None)
        return {"model": self.judge.model or "stand-in", "messages": messages, **wanted}

    def _gives_up(self, said: str, body: Mapping[str, Any]) -> bool:
        """Note a parameter that this server does not take, so that no later request has it; whether there is one."""
        for name in body:
            if name not in {"model", "messages"} | self._unwanted and f"'{name}'" in said:
                self._unwanted.add(name)
                return True
        return False

    async def _post(self, body: Mapping[str, Any]) -> tuple[int, httpx.Headers, bytes]:
        async with self._client.stream("POST", self._url, content=orjson.dumps(body)) as response:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > _MOST_BYTES:
                    raise UnansweredError(f"the answer is longer than {_MOST_BYTES:,} bytes", may_cost=True)
            return response.status_code, response.headers, bytes(content)

    def _reply(self, body: Mapping[str, Any], content: bytes) -> Reply:
        """Read the envelope leniently: what is not there is an empty answer, which is judged to be unreadable."""
        try:
            answer = orjson.loads(content)
            text = answer["choices"][0]["message"]["content"] or ""
        except (ValueError, KeyError, IndexError, TypeError):
            answer, text = {}, ""
        model = str(answer.get("model") or self.judge.model or "") if isinstance(answer, dict) else ""
        usage = read_usage(answer.get("usage")) if isinstance(answer, dict) else None
        if usage is None:
            usage = estimate_chat(body, (EstimatedAnswer(str(text)),), model).usage
        return Reply(str(text), self._priced(model, usage))

    def _priced(self, model: str, usage: Usage) -> Spent:
        judge = self.judge
        if self._is_stand_in:
            usd: float | None = 0.0
        elif judge.input_usd_per_million is not None and judge.output_usd_per_million is not None:
            usd = (
                usage.input_tokens * judge.input_usd_per_million + usage.output_tokens * judge.output_usd_per_million
            ) / 1e6
        else:
            usd = cost_usd("azure.ai.openai" if self._is_azure else "openai", model, usage)
        return Spent(1, usage.input_tokens, usage.output_tokens, usd)

    def _address(self) -> str:
        if self._is_azure:
            address = self.judge.base_url or os.environ.get("AZURE_OPENAI_ENDPOINT")
            if not address:
                raise JudgeError(
                    "The judge has no endpoint: set pf_monitor.judge.base_url under the monitor's properties, or "
                    "AZURE_OPENAI_ENDPOINT"
                )
            return address.rstrip("/")
        return (self.judge.base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI).rstrip("/")

    def _path(self, address: str) -> str:
        if not self._is_azure:
            return f"{address}/chat/completions"
        version = self.judge.api_version or _AZURE_VERSION
        return f"{address}/openai/deployments/{self.judge.model}/chat/completions?api-version={version}"

    def _headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", "user-agent": "pf-monitor"}
        if self._is_stand_in:
            return headers
        variable = self.judge.key_variable or ("AZURE_OPENAI_API_KEY" if self._is_azure else "OPENAI_API_KEY")
        key = os.environ.get(variable)
        if not key and not _is_here(self._address()):
            raise JudgeError(f"The judge's key is missing: set the environment variable {variable}")
        if key:
            headers.update({"api-key": key} if self._is_azure else {"authorization": f"Bearer {key}"})
        return headers


def _is_here(address: str) -> bool:
    return urlsplit(address).hostname in {"127.0.0.1", "localhost", "::1"}


def _said(content: bytes) -> str:
    """The server's own words, on one line and not too many."""
    try:
        error = orjson.loads(content)["error"]
        said = f"{error.get('message') or ''} {error.get('code') or ''}".strip()
    except (ValueError, KeyError, TypeError, AttributeError):
        said = content[:500].decode(errors="replace")
    return " ".join(said.split())[:500].rstrip(".") or "nothing"
