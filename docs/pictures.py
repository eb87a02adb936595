"""Make the pictures of the documentation: `python docs/pictures.py`. Needs the extra `dev`, and Chromium."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
from playwright.sync_api import sync_playwright
from replay import replay
from rich.console import Console
from rich.terminal_theme import MONOKAI

from pf_monitor.alerts import config
from pf_monitor.alerts.status import Watched
from pf_monitor.alerts.watch import Watch
from pf_monitor.cli.report import render
from pf_monitor.demo.stage import set_up
from pf_monitor.demo.traffic import ask, questions
from pf_monitor.insights import Store
from pf_monitor.insights.server import running
from pf_monitor.local_server import ServerSource
from pf_monitor.views.scope import Scope
from pf_monitor.web.pages.logs import EXAMPLES
from pf_monitor.web.report import html_report
from pf_monitor.web.site import routes

IMAGES = Path(__file__).with_name("images")
COMMAND = "from pf_monitor.cli import main; main()"
WIDTH = 1240


class Picture(NamedTuple):
    """A page to be pictured, from its top down to a height in pixels."""

    name: str
    path: str
    height: int


def main() -> None:
    """Draw the report that the demo ends with, and picture each page over the demo's requests."""
    draw_report()
    with tempfile.TemporaryDirectory(prefix="pf-monitor-pictures-") as temporary:
        asked, repeated = Path(temporary, "asked"), Path(temporary, "repeated")
        ask_demo(asked)
        replay(asked, repeated, datetime.now(UTC))
        watched = watch(repeated, Path(temporary))
        with running(repeated, pages=lambda source: routes(source, watched)) as port:
            take_pictures(f"http://127.0.0.1:{port}", Path(temporary))


def draw_report() -> None:
    """Run the demo as users do, and draw what it prints."""
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


def ask_demo(kept: Path) -> None:
    """Ask the demo's flow its questions; all telemetry has arrived when this returns."""
    with set_up(kept) as stage:
        stage.flow.wait_until_up()
        ask(stage.flow.url, list(questions(stage.data, 60, scripted=stage.stand_in is not None)), lambda: None)
        stage.flow.stop()


def watch(data: Path, directory: Path) -> Watched:
    """Evaluate the built-in rules three times, as `pf-monitor up` does, over the last minutes."""
    file = directory / config.FILE_NAME
    file.write_text(config.template(), encoding="utf-8")
    watched = Watched(config.read(file), directory)
    with Store.open(data) as store:
        watching = Watch(watched.config, store, directory, datetime.now(UTC))
        for minutes in (10, 5, 0):
            watching.step(datetime.now(UTC) - timedelta(minutes=minutes))
    return watched


def take_pictures(url: str, workspace: Path) -> None:
    """Picture each page of the dashboard, and the report as a page."""
    page_of_report = workspace / "report.html"
    with ServerSource.connect(url) as source:
        page_of_report.write_text(html_report(source, Scope.of_last("1d", datetime.now(UTC))), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(color_scheme="light")
        for picture in pictures(url):
            take(page, f"{url}{picture.path}", picture.name, picture.height)
        take(page, page_of_report.as_uri(), "html-report", 900)
        browser.close()


def pictures(url: str) -> list[Picture]:
    """Return what is pictured."""
    table = httpx.get(f"{url}/requests.json", params={"outcome": "error"}, trust_env=False).json()
    failed = next(row for row in table["rows"] if row["error_type"].startswith("openai"))
    return [
        Picture("overview", "/", 900),
        Picture("tokens", "/tokens", 1_010),
        Picture("quality", "/quality", 900),
        Picture("operations", "/operations", 1_010),
        Picture("requests", "/requests", 640),
        Picture("trace", f"/requests/{failed['operation_Id']}", 940),
        Picture("alerts", "/alerts", 700),
        Picture("logs", f"/logs?q={quote(EXAMPLES['Tokens over time'])}", 820),
    ]


def take(page: Any, address: str, name: str, height: int) -> None:
    """Picture one page."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.goto(address)
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
