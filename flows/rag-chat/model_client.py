"""The model that the flow talks to: Azure OpenAI or OpenAI when configured, otherwise pf-monitor's stand-in."""

import os
from functools import cache

from openai import AzureOpenAI, OpenAI


@cache
def connect() -> tuple[OpenAI, str]:
    """Return the client and the name of the model.

    Called at the first question, not at import: promptflow sets the flow file's environment_variables in between.
    """
    if "AZURE_OPENAI_ENDPOINT" in os.environ:
        version = os.environ.get("OPENAI_API_VERSION", "2024-10-21")
        return AzureOpenAI(api_version=version), os.environ["AZURE_OPENAI_DEPLOYMENT"]
    if "OPENAI_API_KEY" in os.environ:
        return OpenAI(), os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
    return OpenAI(base_url="http://127.0.0.1:4320/v1", api_key="stand-in"), "stand-in"
