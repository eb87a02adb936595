"""Make the pictures of the documentation: `python docs/pictures.py`. Needs `pip install 'pf-monitor[local]'`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

IMAGES = Path(__file__).with_name("images")
COMMAND = "from pf_monitor.cli import main; main()"


def main() -> None:
    """Run the demo and draw the report that it ends with."""
    from pf_monitor.cli.report import render

    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", COMMAND, "demo", "--json"], stdout=subprocess.PIPE, check=True
    )
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=92, file=nowhere)
        render(json.loads(done.stdout)["report"], console)
    svg = console.export_svg(title="pf-monitor report", theme=MONOKAI)
    # Fonts come from the reader's machine, not from the network.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (IMAGES / "report.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
