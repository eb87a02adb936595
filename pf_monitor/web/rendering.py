"""Pages out of templates: everything that is filled in is escaped, and control characters are made visible."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pf_monitor.web import charts
from pf_monitor.web.formats import MISSING, UNITS, Number
from pf_monitor.web.markup import element
from pf_monitor.web.text import visible
from pf_monitor.web.times import time_element

_STATIC: Final = files(__package__).joinpath("static")


def render(template: str, **variables: Any) -> str:
    """Fill in a template."""
    return _environment().get_template(template).render(**variables)


def static_text(name: str) -> str:
    """Return a file that is served as it is."""
    return _STATIC.joinpath(name).read_text(encoding="utf-8")


@cache
def static_url(name: str) -> str:
    """Return the address of such a file, which changes with its content, so that browsers may keep it."""
    return f"/static/{name}?{hashlib.sha256(static_text(name).encode()).hexdigest()[:12]}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters |= {
        "data": _data,
        "moment": _moment,
        "plain": _plain,
        "pretty": _pretty,
        "unit": _exact,
    }
    environment.globals |= {"static": static_url, "charts": charts, "missing": MISSING}
    return environment


def _finalize(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _data(value: Number | None, unit: str) -> str | Markup:
    """A number, short to read and exact for programs and on hover."""
    if value is None:
        return MISSING
    return element("data", UNITS[unit].short(value), value=str(value), title=UNITS[unit].exact(value))


def _exact(value: Number | None, unit: str) -> str:
    return MISSING if value is None else UNITS[unit].exact(value)


def _moment(value: str | None, precision: Any = "second") -> str | Markup:
    return MISSING if value is None else time_element(value, precision)


def _plain(value: object) -> object:
    """A number of a query's result with the digits that it has."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT else value


_EXACT: Final = 2**53
"""Below this every whole number is a float."""


def _pretty(value: object) -> str:
    """JSON, or text that may be JSON, over several lines; other text as it is."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
        if not isinstance(value, Mapping | list):
            return str(value)
    return json.dumps(value, indent=2, ensure_ascii=False)
