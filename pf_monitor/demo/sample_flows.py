"""The sample flows that come with the package: beside it in a checkout, inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def sample_flow(name: str) -> Path:
    """Return the folder of a sample flow. It may be read-only: copy it before promptflow gets it.

    Args:
        name: The folder's name in `flows/`.

    Raises:
        FileNotFoundError: If there is no such flow.
    """
    for home in (_PACKAGE / "flows", _PACKAGE.parent / "flows"):
        if (home / name).is_dir():
            return home / name
    raise FileNotFoundError(f"The sample flow {name} is missing from this installation of pf-monitor")
