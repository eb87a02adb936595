"""Ledgers of what other processes of this machine judge for a run.

Each process writes into a ledger of its own, in a folder that is named after what the run's ledger has reserved for all
of them. When they are done the run has their findings, and the folder goes. If the run was killed, the folder is still
there, and the next run takes over what is in it: what was judged is not asked again, and what was paid is on the bill.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pf_monitor.quality.judging.ledger import Judgement, Key, Ledger, Spent

_FOLDER: Final = "shares"
_WAIT_S: Final = 30.0
"""How long a process may outlive the run that it judges for; Spark's go with it."""


def folder_of(ledger: Ledger, reserved: int) -> Path:
    """Return the folder of those that judge for a run.

    Args:
        ledger: The run's.
        reserved: The number of what is reserved for them there.
    """
    return ledger.folder / _FOLDER / str(reserved)


@contextmanager
def own_ledger(folder: Path) -> Iterator[Ledger]:
    """Open a ledger of one's own in the folder of those that judge for a run, within.

    Raises:
        LedgerError: It cannot be written.
    """
    with Ledger.open(folder / uuid.uuid4().hex) as ledger:
        yield ledger


def forget(ledger: Ledger, reserved: int) -> None:
    """Remove what those have written whose findings the run has."""
    shutil.rmtree(folder_of(ledger, reserved), ignore_errors=True)


def take_over(ledger: Ledger) -> None:
    """Write what was judged for runs that were killed into the ledger.

    Raises:
        LedgerError: A process still judges for such a run.
    """
    for folder in sorted((ledger.folder / _FOLDER).glob("*")):
        if folder.name.isdecimal():
            _take_over(ledger, int(folder.name), folder)


def _take_over(ledger: Ledger, reserved: int, folder: Path) -> None:
    answered: list[Spent] = []
    interrupted: list[Spent] = []
    judgements: list[tuple[Key, Judgement]] = []
    for part in sorted(folder.iterdir()):
        with Ledger.open(part, _WAIT_S) as own:
            own.interrupt()
            answered += own.calls("answered")
            interrupted += own.calls("interrupted")
            judgements += own.judgements()
    # Where the run had noted them already, it was killed before it could remove the folder.
    if (run := ledger.reserved_for(reserved)) is not None:
        ledger.settle_reserved(reserved, *run, answered, judgements, interrupted)
    shutil.rmtree(folder, ignore_errors=True)
