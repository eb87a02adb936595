"""What the commands that run monitors take: where flow runs are looked for, and where they are judged."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pf_monitor.local import PORT


class Engine(StrEnum):
    """Where rows are judged."""

    ASYNCIO = "asyncio"
    SPARK = "spark"


Collected = Annotated[
    str | None,
    typer.Option("--collected", metavar="PLACE", help="Read the collected data in this folder or blob container."),
]
JudgedOn = Annotated[Engine, typer.Option("--engine", help="Where it is judged: in this process, or on Spark.")]
Url = Annotated[
    str | None, typer.Option("--url", help=f"A running local Application Insights. Default: http://127.0.0.1:{PORT}.")
]
