"""Elements of HTML and SVG as text that is safe to put into a page."""

from __future__ import annotations

from markupsafe import Markup, escape

from pf_monitor.web.text import visible

Attribute = str | float | None


def element(name: str, *children: str, **attributes: Attribute) -> Markup:
    """Make an element.

    Args:
        name: The element's name.
        *children: Its content: text, which is escaped, or elements.
        **attributes: Its attributes; an underscore stands for a hyphen, one at the end is dropped (`class_`), one
            that is None is left out.
    """
    pairs = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _attribute(value))
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, pairs, joined(*children))


def joined(*children: str) -> Markup:
    """Put text, which is escaped, and elements one after the other."""
    return Markup("").join(child if isinstance(child, Markup) else escape(visible(child)) for child in children)


def number(value: float) -> str:
    """Write a coordinate, to the hundredth of a pixel."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def percent(share: float) -> str:
    """Write a share of the width, which SVG scales with its box while text stays as large as it is."""
    return f"{share * 100:.3f}".rstrip("0").rstrip(".") + "%"


def _attribute(value: str | float) -> str:
    return visible(value) if isinstance(value, str) else number(value)
