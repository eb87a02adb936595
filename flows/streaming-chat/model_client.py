"""The model that the flow talks to: Azure OpenAI or OpenAI when configured, otherwise pf-monitor's stand-in."""

import os

from openai import AsyncAzureOpenAI, AsyncOpenAI


def connect() -> tuple[AsyncOpenAI, str]:
    """Return a client and the name of the model.

    A client for each question: its connections belong to the event loop, and promptflow may run each in its own.
    """
    if "AZURE_OPENAI_ENDPOINT" in os.environ:
        version = os.environ.get("OPENAI_API_VERSION", "2024-10-21")
        return AsyncAzureOpenAI(api_version=version), os.environ["AZURE_OPENAI_DEPLOYMENT"]
    if "OPENAI_API_KEY" in os.environ:
        return AsyncOpenAI(), os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
    return AsyncOpenAI(base_url="http://127.0.0.1:4320/v1", api_key="stand-in"), "stand-in"
