from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from pf_monitor.standin import StandIn


async def test_the_answer_comes_piece_by_piece(
    stand_in: StandIn, load_module: Callable[[str, str], ModuleType]
) -> None:
    chat = load_module("streaming-chat", "streaming_chat").StreamingChat()

    pieces = [piece async for piece in chat(question="Why do stars twinkle?", conversation_id="c")]

    assert len(pieces) > 5
    assert "".join(pieces) == "Stars twinkle because the air of the earth bends their light."
    [request] = stand_in.ledger()["requests"]
    assert (request["stream"], request["outcome"]) == (True, "ok")
