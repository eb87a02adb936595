"""`pf-monitor stand-in`: serve the stand-in model, for flows that have no real one."""

from __future__ import annotations

from typing import Annotated

import typer

PORT = 4320
"""Where the flows in `flows/` look for the stand-in when nothing else is configured."""


def stand_in(
    port: Annotated[int, typer.Option(help="The port to listen on, 0 for any that is free.")] = PORT,
    latency: Annotated[float, typer.Option(help="Seconds that every answer takes.")] = 0.0,
) -> None:
    """Serve a stand-in model that speaks the OpenAI API and answers from the text in the prompt."""
    from rich.console import Console

    console = Console()
    try:
        from pf_monitor.standin import serve_in_thread

        served = serve_in_thread(port, latency=latency)
    except ImportError as error:
        console.print(f"The stand-in needs [bold]{error.name}[/]: pip install 'pf-monitor\\[local]'")
        raise typer.Exit(1) from error
    except OSError as error:
        console.print(f"Cannot listen on port {port}: {error.strerror}. Choose another with --port.")
        raise typer.Exit(1) from error
    with served:
        console.print("The stand-in model is up. Point flows to it with\n")
        for name, value in served.environment.items():
            console.print(f"  export {name}={value}", highlight=False, soft_wrap=True)
        console.print(f"\nor, as Azure OpenAI, AZURE_OPENAI_ENDPOINT={served.url}", highlight=False, soft_wrap=True)
        console.print(f"What it has billed: {served.url}/stand-in/ledger", highlight=False, soft_wrap=True)
        console.print("Ctrl-C stops it.")
        try:
            served.wait()
        except KeyboardInterrupt:
            console.print("Stopped.")
