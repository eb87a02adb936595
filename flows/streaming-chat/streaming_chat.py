"""A chat that answers piece by piece: a class, made once, whose `__call__` is an async generator."""

from pathlib import Path

from model_client import connect

import pf_monitor

NOTES = Path(__file__).with_name("astronomy.md").read_text(encoding="utf-8")


class StreamingChat:
    def __init__(self, persona: str = "a patient teacher of astronomy") -> None:
        self._instructions = f"You are {persona}. Keep to the notes.\n\nContext:\n\n{NOTES}"

    @pf_monitor.flow
    async def __call__(  # noqa: ANN204 - promptflow refuses the type of an async generator
        self,
        question: str,
        chat_history: list = None,  # noqa: RUF013 - promptflow refuses unions
        conversation_id: str = "",
    ):
        if conversation_id:
            pf_monitor.set_correlation(conversation=conversation_id)
        messages = [{"role": "system", "content": self._instructions}]
        for turn in chat_history or []:
            messages.append({"role": "user", "content": turn["inputs"]["question"]})
            messages.append({"role": "assistant", "content": turn["outputs"]["output"]})
        messages.append({"role": "user", "content": question})

        client, model = connect()
        async with client:
            stream = await client.chat.completions.create(
                model=model, messages=messages, stream=True, stream_options={"include_usage": True}
            )
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content
