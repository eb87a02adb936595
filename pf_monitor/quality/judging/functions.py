"""Metrics that a Python function of the user's own scores."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from pf_monitor.quality.judging.prompts import PromptError
from pf_monitor.quality.judging.reading import Answer, UnreadableError

_LONGEST_S: Final = 60.0


class Function:
    """A function that scores a row: it takes columns by name and returns a number, or a number and a reason.

    Args:
        place: `module:function` or `path/to/file.py:function`.

    Raises:
        PromptError: There is no such function.
    """

    def __init__(self, place: str) -> None:
        self._function, source = _load(place)
        digest = blake2b(source.encode(), digest_size=4).hexdigest()
        self.version = f"{place} #{digest}"

    async def score(self, texts: Mapping[str, str], lowest: float, highest: float) -> Answer:
        """Score a row, on a thread of its own unless the function is a coroutine's.

        Raises:
            UnreadableError: It failed, took too long, or returned no score.
        """
        try:
            async with asyncio.timeout(_LONGEST_S):
                result = await asyncio.to_thread(self._function, **texts)
                if inspect.isawaitable(result):
                    result = await result
        except TimeoutError:
            raise UnreadableError(f"it took more than {_LONGEST_S:g} s") from None
        except Exception as error:
            raise UnreadableError(f"it raised {error!r}") from error
        score, reason = result if isinstance(result, tuple) and len(result) == 2 else (result, "")
        if isinstance(score, bool) or not isinstance(score, int | float) or not lowest <= score <= highest:
            raise UnreadableError(f"it returned {score!r}, which is no number between {lowest:g} and {highest:g}")
        return Answer(float(score), str(reason))


def _load(place: str) -> tuple[Callable[..., Any], str]:
    module_name, _, name = place.rpartition(":")
    try:
        if module_name.endswith(".py"):
            source = Path(module_name).read_text(encoding="utf-8")
            module = ModuleType(Path(module_name).stem)
            exec(compile(source, module_name, "exec"), module.__dict__)  # noqa: S102 - the user's own file, to be run
        else:
            module = importlib.import_module(module_name)
            source = inspect.getsource(module)
        function = getattr(module, name)
    except Exception as error:
        raise PromptError(f"The function {place} cannot be loaded: {error!r}. Write module:function") from error
    if not callable(function):
        raise PromptError(f"{place} is not a function")
    return function, source
