"""A stand-in model: the OpenAI and Azure OpenAI API on loopback, without a model behind it.

It answers from the text in the prompt, bills by tiktoken, keeps a ledger of what it billed, and fails, stalls or
withholds usage on request. Flows, tests and the demo run on it where no real model is configured; it never answers
under a real model's name. Needs the `local` extra.
"""

from __future__ import annotations

from pf_monitor.standin.app import create_app
from pf_monitor.standin.faults import Fault, Rule
from pf_monitor.standin.server import StandIn, serve_in_thread

__all__ = ["Fault", "Rule", "StandIn", "create_app", "serve_in_thread"]
